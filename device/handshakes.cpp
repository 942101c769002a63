#include "device/handshakes.hpp"

#include <boost/asio/post.hpp>

#include "device/peer.hpp"

namespace wg::device {

Handshakes::Handshakes(Context& context, const PeerDirectory& directory, std::size_t shards)
    : context_(context), directory_(directory) {
  for (std::size_t i = 0; i < shards; i++) limits_.push_back(std::make_unique<Limits>());
}

bool Handshakes::overloaded(std::size_t waiting, protocol::Instant now) noexcept {
  if (waiting >= kOverloadedAt) {
    overload_goes_on(now);
    return true;
  }
  return now < overloaded_until_.load(std::memory_order_relaxed);
}

void Handshakes::overload_goes_on(protocol::Instant now) noexcept {
  turned_away_.store(0, std::memory_order_relaxed);
  overloaded_until_.store(now + kOverloadLasts, std::memory_order_relaxed);
}

Handshakes::Verdict Handshakes::judge(Limits& limits, const protocol::Initiation& message,
                                      const conn::Endpoint& from, protocol::Instant now) {
  const std::size_t waiting = waiting_.load(std::memory_order_relaxed);
  const bool within_share = limits.initiations.allow(from.rate_key(), now);
  if (waiting >= kQueueMax) return Verdict::QueueFull;
  const bool all_must_prove = overloaded(waiting, now);
  constexpr std::uint64_t kEverybody = 0;
  if (!all_must_prove &&
      (within_share || (waiting < kBusyAt && limits.spare.allow(kEverybody, now)))) {
    return Verdict::Take;
  }
  const auto source = from.identity();
  if (!context_.identity->cookies.mac2_valid(message, source.view(), now)) {
    // As many as would fill the queue again: they would be taken if the overload ended now.
    if (all_must_prove && turned_away_.fetch_add(1, std::memory_order_relaxed) >= kOverloadedAt) {
      overload_goes_on(now);
    }
    return Verdict::AskForCookie;
  }
  return within_share ? Verdict::Take : Verdict::RateLimited;
}

void Handshakes::initiation(std::size_t shard, const protocol::Initiation& message,
                            const conn::Endpoint& from, protocol::Instant now) {
  if (!context_.identity || !context_.identity->cookies.mac1_valid(message)) {
    return context_.drops.add(DropReason::BadMac1);
  }
  switch (judge(*limits_[shard], message, from, now)) {
    case Verdict::QueueFull:
      return context_.drops.add(DropReason::HandshakeQueueFull);
    case Verdict::RateLimited:
      return context_.drops.add(DropReason::HandshakeRateLimited);
    case Verdict::AskForCookie:
      context_.drops.add(DropReason::CookieRequired);
      return reply_with_cookie(shard, message, from, now);
    case Verdict::Take:
      break;
  }
  waiting_.fetch_add(1, std::memory_order_relaxed);
  boost::asio::post(context_.control, [this, message, from] {
    waiting_.fetch_sub(1, std::memory_order_relaxed);
    const auto pass = context_.gate.pass(control_worker());
    if (context_.up && context_.identity) open(message, from);
  });
}

void Handshakes::reply_with_cookie(std::size_t shard, const protocol::Initiation& message,
                                   const conn::Endpoint& from, protocol::Instant now) {
  if (!limits_[shard]->cookie_replies.allow(from.rate_key(), now)) return;
  const auto source = from.identity();
  const auto reply = context_.identity->cookies.reply(message, source.view(), now);
  const auto bytes = protocol::bytes_of(reply);
  const conn::OutgoingTrain train{.bytes = bytes, .segment_size = bytes.size(), .traffic_class = 0};
  conn::Endpoint to = from;
  context_.bind.send(shard, to, {&train, 1});
}

void Handshakes::open(const protocol::Initiation& message, const conn::Endpoint& from) {
  auto received = protocol::ReceivedInitiation::open(context_.identity->keys, message);
  if (!received) return context_.drops.add(DropReason::HandshakeFailed);
  const auto peer = directory_.find_peer(received->initiator());
  if (!peer) {
    context_.log->debug("handshake initiation of an unknown peer from {}", from.text());
    return context_.drops.add(DropReason::UnknownPeer);
  }
  peer->on_initiation(std::move(*received), from);
}

void Handshakes::response(const protocol::Response& message, const conn::Endpoint& from) {
  if (!context_.identity || !context_.identity->cookies.mac1_valid(message)) {
    return context_.drops.add(DropReason::BadMac1);
  }
  protocol::Session* const session = context_.indices.find(message.receiver);
  if (session == nullptr) return context_.drops.add(DropReason::UnknownReceiver);
  Peer::of(*session).on_response(message, from);
}

void Handshakes::cookie_reply(const protocol::CookieReply& message) {
  protocol::Session* const session = context_.indices.find(message.receiver);
  if (session == nullptr) return context_.drops.add(DropReason::UnknownReceiver);
  Peer::of(*session).on_cookie_reply(message);
}

}  // namespace wg::device
