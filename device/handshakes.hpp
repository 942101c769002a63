// Handshake messages from the wire: which are worth the cost of looking closer (admission.hpp), and
// who looks.
//
//   shard:         mac1, proof, load and share of the source   ── admitted ──►   control pool
//   control pool:  whose is it? (one X25519), the peer's strand answers or finishes
//
// Whoever is asked for a cookie gets it with the others of the batch, in one system call.
//
// Responses and cookie replies answer something of ours: an unknown index is dropped for the price
// of a look-up, a known one goes to its peer, past the queue. Whoever has seen our index on the
// wire could fill the peer's places with forged responses: then those that come must prove their
// address, too, and there are places for them alone. A cookie reply is judged at once.
//
// Runs on: any shard, inside its pass. The control pool, inside a pass of its own: `open`.
#pragma once

#include <array>
#include <vector>

#include "device/admission.hpp"
#include "device/context.hpp"

namespace wg::device {

class Handshakes {
 public:
  Handshakes(Context& context, std::size_t shards);

  void initiation(const Tables& tables, std::size_t shard, const protocol::Initiation& message,
                  const conn::Endpoint& from, protocol::Instant now);
  void response(const Tables& tables, std::size_t shard, const protocol::Response& message,
                const conn::Endpoint& from, protocol::Instant now);
  void cookie_reply(const protocol::CookieReply& message, protocol::Instant now);
  /// The batch is over: sends the cookie replies that it brought about.
  void flush(const Tables& tables, std::size_t shard) noexcept;

 private:
  /// Cookie replies of a batch, until they are sent.
  struct Replies {
    static constexpr std::size_t kAtOnce = 64;
    std::array<conn::Endpoint, kAtOnce> to;
    std::array<protocol::CookieReply, kAtOnce> messages;
    std::size_t count = 0;
  };

  template <class Struct>
  void reply_with_cookie(const Tables& tables, std::size_t shard, const Struct& message,
                         const conn::Endpoint& from, protocol::Instant now);
  void open(const Pass& pass, const protocol::Initiation& message, const conn::Endpoint& from);

  Context& context_;
  Admission admission_;
  std::vector<std::unique_ptr<Replies>> replies_;  // a shard's own
};

}  // namespace wg::device
