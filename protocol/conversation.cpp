#include "protocol/conversation.hpp"

namespace wg::protocol {
namespace {

Event of_initiation(HandshakeError error) noexcept {
  switch (error) {
    case HandshakeError::BadKey:
      return Event::InitiationForged;
    case HandshakeError::Replayed:
      return Event::InitiationReplayed;
    case HandshakeError::TooFrequent:
      return Event::InitiationTooSoon;
    case HandshakeError::Unexpected:
      return Event::InitiationRefused;
  }
  return Event::InitiationRefused;
}

Event of_response(HandshakeError error) noexcept {
  return error == HandshakeError::BadKey ? Event::ResponseForged : Event::ResponseUnexpected;
}

Actions refused(Event event) noexcept {
  Actions actions;
  actions.events.push_back(event);
  return actions;
}

}  // namespace

ByteView bytes_of(const OutgoingMessage& message) noexcept {
  return std::visit([](const auto& struct_of) { return bytes_of(struct_of); }, message);
}

Actions Conversation::finished(Actions actions) const noexcept {
  actions.next = session_.next_deadline();
  return actions;
}

// ---- What goes out

void Conversation::initiate(const Situation& situation, Actions& actions) noexcept {
  if (session_.initiated_recently(situation.now)) return;
  if (situation.local == nullptr || !situation.reachable) {
    session_.want_handshake(situation.staged, situation.now);
    actions.events.push_back(situation.local == nullptr ? Event::NoIdentity
                                                        : Event::EndpointUnknown);
    return;
  }
  const auto message =
      session_.initiate(*situation.local, situation.now, situation.wall, situation.secrets);
  if (!message) {
    actions.events.push_back(Event::KeyUnusable);
    return;
  }
  actions.events.push_back(Event::InitiationSent);
  actions.messages.push_back(*message);
}

void Conversation::send_keepalive(const Situation& situation, Actions& actions) noexcept {
  const auto ticket = session_.prepare_send(1, Payload::Keepalive, situation.now);
  if (ticket.keypair) {
    actions.events.push_back(Event::KeepaliveSent);
    actions.messages.push_back(ticket.keypair->keepalive(ticket.first_counter));
  }
  if (ticket.handshake_due) initiate(situation, actions);
}

// ---- What happens

Actions Conversation::due(const Situation& situation) noexcept {
  Actions actions;
  const DueTimers due = session_.expire(situation.now);
  if (due.peer_unresponsive) {
    actions.events.push_back(Event::NoAnswer);
    actions.forget_source = true;
  }
  if (due.gave_up) {
    actions.events.push_back(Event::GaveUp);
    actions.staged = StagedPackets::Drop;
  }
  if (due.drop_staged) {
    actions.events.push_back(Event::StagedTooLong);
    actions.staged = StagedPackets::Drop;
  }
  if (due.wipe) actions.events.push_back(Event::KeysWiped);
  if (due.initiate) initiate(situation, actions);
  if (due.keepalive) send_keepalive(situation, actions);
  return finished(std::move(actions));
}

Actions Conversation::take(ReceivedInitiation received, const Situation& situation) noexcept {
  Actions actions;
  if (situation.local == nullptr) return finished(refused(Event::InitiationRefused));
  const auto response =
      session_.respond(*situation.local, std::move(received), situation.now, situation.secrets);
  if (response) {
    actions.authentic = true;
    actions.events.push_back(Event::ResponseSent);
    actions.messages.push_back(*response);
  } else {
    actions.events.push_back(of_initiation(response.error()));
  }
  return finished(std::move(actions));
}

Actions Conversation::take(const Response& message, const Situation& situation) noexcept {
  Actions actions;
  if (situation.local == nullptr) return finished(refused(Event::ResponseUnexpected));
  const auto done = session_.finish(*situation.local, message, situation.now);
  if (done) {
    actions.authentic = true;
    actions.events.push_back(Event::Established);
    // The responder waits for a first packet, which confirms the keypair to it.
    if (situation.staged) {
      actions.staged = StagedPackets::Send;
    } else {
      send_keepalive(situation, actions);
    }
  } else {
    actions.events.push_back(of_response(done.error()));
  }
  return finished(std::move(actions));
}

Actions Conversation::take(const CookieReply& message, Instant now) noexcept {
  Actions actions;
  actions.events.push_back(session_.consume(message, now) ? Event::CookieTaken
                                                          : Event::CookieUnexpected);
  return finished(std::move(actions));
}

Actions Conversation::call(const Situation& situation) noexcept {
  Actions actions;
  initiate(situation, actions);
  return finished(std::move(actions));
}

Actions Conversation::keepalive(const Situation& situation) noexcept {
  Actions actions;
  session_.persistent_keepalive_now(situation.now);
  send_keepalive(situation, actions);
  // Turned on, or made possible, it calls at once, even if one was wanted less than five seconds
  // ago.
  if (actions.messages.empty()) initiate(situation, actions);
  return finished(std::move(actions));
}

Actions Conversation::connection_lost(const Situation& situation) noexcept {
  Actions actions;
  // The keepalive shows the way back at once, even while an initiation waits for its answer; the
  // handshake serves a peer that has lost the session, too.
  const bool had_session = session_.current_keypair() != nullptr;
  if (!had_session && !situation.staged && !session_.handshake_wanted() &&
      session_.persistent_keepalive().count() == 0) {
    return finished(std::move(actions));  // nothing that needs the connection
  }
  actions.events.push_back(Event::ConnectionLost);
  if (had_session) send_keepalive(situation, actions);
  if (actions.messages.size() < 2) initiate(situation, actions);
  return finished(std::move(actions));
}

}  // namespace wg::protocol
