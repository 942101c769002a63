// The macs of handshake messages, and the cookies that a loaded responder asks for
// (whitepaper 5.3, 5.4.4, 5.4.7).
//
// mac1 shows that the sender knows our public key; without it we are silent. Under load mac2 shows
// that the sender can read what is sent to its address: it is keyed with a cookie that we make from
// a secret of ours and the message's source *address and port*, and hand out, sealed, in a cookie
// reply. So we keep no state for a sender who has proved nothing.
//
// `CookieChecker` is ours for all peers, `CookieJar` is one peer's.
#pragma once

#include <optional>

#include "protocol/clock.hpp"
#include "protocol/constants.hpp"
#include "protocol/messages.hpp"
#include "threads/mutex.hpp"

namespace wg::protocol {

using Cookie = crypto::Mac;

/// A secret lives for kCookieLifetime; a cookie made at its very end must still serve the retry it
/// was asked for.
inline constexpr std::chrono::seconds kCookieSecretGrace = 2 * kRekeyTimeout;

/// Checks the macs of handshake messages, whoever sends them, and makes cookie replies. Any thread.
class CookieChecker {
 public:
  explicit CookieChecker(const PublicKey& local) noexcept;

  template <class Struct>
  [[nodiscard]] bool mac1_valid(const Struct& message) const noexcept {
    return equal(crypto::mac(mac1_key_, {mac1_span(message)}), message.macs.mac1);
  }

  /// `source`: the bytes of the address and port that the message came from.
  template <class Struct>
  [[nodiscard]] bool mac2_valid(const Struct& message, ByteView source,
                                Instant now) const noexcept {
    return mac2_matches(mac2_span(message), message.macs.mac2, source, now);
  }

  /// The answer to a message with a valid mac1, instead of its consumption.
  template <class Struct>
  [[nodiscard]] CookieReply reply(const Struct& message, ByteView source,
                                  Instant now) const noexcept {
    return make_reply(message.sender, message.macs.mac1, source, now);
  }

 private:
  struct CookieSecret {
    SymmetricKey key;
    Instant until;
  };

  [[nodiscard]] static bool equal(const crypto::Mac& a, const crypto::Mac& b) noexcept;
  [[nodiscard]] static Cookie cookie_of(const SymmetricKey& secret, ByteView source) noexcept;
  [[nodiscard]] bool mac2_matches(ByteView covered, const crypto::Mac& mac2, ByteView source,
                                  Instant now) const noexcept;
  [[nodiscard]] CookieReply make_reply(ReceiverIndex receiver, const crypto::Mac& mac1,
                                       ByteView source, Instant now) const noexcept;

  crypto::Hash mac1_key_;
  SymmetricKey cookie_key_;
  /// Nonces are drawn from the kernel many at a time: a flood must not cost a system call a reply.
  static constexpr std::size_t kNoncesAtOnce = 64;

  mutable struct {
    Mutex mutex;
    std::optional<CookieSecret> current WG_GUARDED_BY(mutex);
    std::optional<CookieSecret> previous WG_GUARDED_BY(mutex);
    std::array<crypto::XNonce, kNoncesAtOnce> nonces WG_GUARDED_BY(mutex);
    std::size_t nonces_left WG_GUARDED_BY(mutex) = 0;
  } secrets_;
};

/// Puts the macs on what we send to one peer, and keeps the cookie it gave us. Any thread: cookie
/// replies are judged where they come in.
class CookieJar {
 public:
  explicit CookieJar(const PublicKey& remote) noexcept;

  template <class Struct>
  void sign(Struct& message, Instant now) noexcept {
    message.macs.mac1 = crypto::mac(mac1_key_, {mac1_span(message)});
    message.macs.mac2 = mac2_of(mac2_span(message), message.macs.mac1, now);
  }

  /// Takes the cookie, if the reply is authentic and answers the message signed last.
  [[nodiscard]] bool consume(const CookieReply& reply, Instant now) noexcept;

 private:
  /// The mac of a message with `mac1`, which is the one that the next cookie reply must answer.
  [[nodiscard]] crypto::Mac mac2_of(ByteView covered, const crypto::Mac& mac1,
                                    Instant now) noexcept;

  crypto::Hash mac1_key_;
  SymmetricKey cookie_key_;
  struct FreshCookie {
    Cookie cookie;
    Instant until;
  };
  struct {
    Mutex mutex;
    std::optional<crypto::Mac> last_mac1 WG_GUARDED_BY(mutex);
    std::optional<FreshCookie> cookie WG_GUARDED_BY(mutex);
  } kept_;
};

}  // namespace wg::protocol
