#include "device/handshakes.hpp"

#include <boost/asio/post.hpp>
#include <cassert>

#include "device/peer.hpp"

namespace wg::device {

Handshakes::Handshakes(Context& context, std::size_t shards) : context_(context) {
  for (std::size_t i = 0; i < shards; i++) replies_.push_back(std::make_unique<Replies>());
}

void Handshakes::initiation(const Tables& tables, std::size_t shard,
                            const protocol::Initiation& message, const conn::Endpoint& from,
                            protocol::Instant now) {
  if (!tables.identity || !tables.identity->cookies.mac1_valid(message)) {
    return context_.drops.add(DropReason::BadMac1);
  }
  const auto source = from.identity();
  const bool proven = tables.identity->cookies.mac2_valid(message, source.view(), now);
  switch (admission_.judge_initiation(proven ? Proof::Valid : Proof::None, from.rate_key(), now)) {
    case Verdict::QueueFull:
      return context_.drops.add(DropReason::HandshakeQueueFull);
    case Verdict::RateLimited:
      return context_.drops.add(DropReason::HandshakeRateLimited);
    case Verdict::AskForCookie:
      return reply_with_cookie(tables, shard, message, from, now);
    case Verdict::Take:
      break;
  }
  boost::asio::post(context_.wiring.control, [this, message, from] {
    admission_.begun();
    const auto pass = context_.gate.pass();
    if (pass->up && pass->identity) {
      open(pass, message, from);
    } else {
      context_.drops.add(DropReason::InterfaceDown);
    }
  });
}

template <class Struct>
void Handshakes::reply_with_cookie(const Tables& tables, std::size_t shard, const Struct& message,
                                   const conn::Endpoint& from, protocol::Instant now) {
  context_.drops.add(DropReason::CookieRequired);
  if (!admission_.may_reply(now)) return;
  Replies& replies = *replies_[shard];
  replies.to[replies.count] = from;
  replies.messages[replies.count] =
      tables.identity->cookies.reply(message, from.identity().view(), now);
  if (++replies.count == Replies::kAtOnce) flush(tables, shard);
}

void Handshakes::flush(const Tables& tables, std::size_t shard) noexcept {
  Replies& replies = *replies_[shard];
  if (replies.count == 0) return;
  std::array<conn::Letter, Replies::kAtOnce> letters;
  for (std::size_t i = 0; i < replies.count; i++) {
    letters[i] = {.to = &replies.to[i], .message = protocol::bytes_of(replies.messages[i])};
  }
  tables.bind.send_each(shard, std::span(letters).first(std::exchange(replies.count, 0)));
}

void Handshakes::open(const Pass& pass, const protocol::Initiation& message,
                      const conn::Endpoint& from) {
  assert(context_.wiring.control.get_executor().running_in_this_thread());
  auto received = protocol::ReceivedInitiation::open(pass->identity->keys, message);
  if (!received) return context_.drops.add(DropReason::HandshakeFailed);
  const auto peer = pass->find_peer(received->initiator());
  if (!peer) return context_.drops.add(DropReason::UnknownPeer, 1, &received->initiator());
  peer->on_initiation(std::move(*received), from);
}

void Handshakes::response(const Tables& tables, std::size_t shard,
                          const protocol::Response& message, const conn::Endpoint& from,
                          protocol::Instant now) {
  if (!tables.identity || !tables.identity->cookies.mac1_valid(message)) {
    return context_.drops.add(DropReason::BadMac1);
  }
  protocol::Session* const session = context_.indices.find(message.receiver);
  if (session == nullptr) return context_.drops.add(DropReason::UnknownReceiver);
  Peer& peer = Peer::of(*session);
  if (peer.on_response(message, from, Proof::None)) return;
  const auto source = from.identity();
  if (!tables.identity->cookies.mac2_valid(message, source.view(), now)) {
    return reply_with_cookie(tables, shard, message, from, now);
  }
  if (!admission_.may_finish(from.rate_key(), now)) {
    return context_.drops.add(DropReason::HandshakeRateLimited, 1, &peer.key());
  }
  if (!peer.on_response(message, from, Proof::Valid)) {
    context_.drops.add(DropReason::HandshakeQueueFull, 1, &peer.key());
  }
}

void Handshakes::cookie_reply(const protocol::CookieReply& message, protocol::Instant now) {
  protocol::Session* const session = context_.indices.find(message.receiver);
  if (session == nullptr) return context_.drops.add(DropReason::UnknownReceiver);
  Peer::of(*session).on_cookie_reply(message, now);
}

}  // namespace wg::device
