#include "tests/simulation/world.hpp"

#include <algorithm>

#include "tests/simulation/seeded_random.hpp"

namespace wg::test {
namespace {

constexpr std::size_t kStagedMax = 16;

template <class Struct>
Bytes copy_of(const Struct& message) {
  const auto bytes = protocol::bytes_of(message);
  return {bytes.begin(), bytes.end()};
}

Bytes address_of(std::size_t host) {
  Bytes address(6, std::byte{10});
  address[3] = static_cast<std::byte>(host);
  return address;
}

}  // namespace

// ---- Host

Host::Host(World& world, std::size_t number) : world_(world), number_(number) {
  change_identity();
}

void Host::meet(Host& other) {
  links_[other.number_] = std::make_unique<Link>(*this, other.number_, other.identity().public_key);
}

protocol::ReceiverIndex Host::Registry::claim(protocol::Session& owner) {
  for (;;) {
    const protocol::ReceiverIndex index{randombytes_random()};
    if (owners.emplace(index, &owner).second) return index;
  }
}

Host::Link* Host::link_of(protocol::ReceiverIndex index) const {
  const auto found = registry_.owners.find(index);
  return found == registry_.owners.end() ? nullptr : &static_cast<Link&>(found->second->owner());
}

protocol::Situation Host::situation(const Link& link) const {
  return {.local = identity_.get(),
          .reachable = link.reachable,
          .staged = !link.staged.empty(),
          .now = world_.now(),
          .wall = world_.wall() + wall_offset};
}

void Host::carry_out(Link& link, const protocol::Actions& actions) {
  if (actions.authentic) link.reachable = true;
  if (actions.has(protocol::Event::KeyUnusable)) world_.violated("no initiation");
  if (actions.has(protocol::Event::Established)) world_.handshakes_++;
  for (const protocol::OutgoingMessage& message : actions.messages) {
    const auto bytes = protocol::bytes_of(message);
    world_.transmit(number_, link.number, {bytes.begin(), bytes.end()});
  }
  if (actions.staged == protocol::StagedPackets::Drop) link.staged.clear();
  if (actions.staged == protocol::StagedPackets::Send) flush_staged(link.number);
  world_.wake(number_, link.number, actions.next);
}

void Host::send(std::size_t to) {
  const std::uint64_t number = world_.next_payload_++;
  world_.payloads_[number] = {.from = number_, .to = to};
  Bytes plain(32);
  std::memcpy(plain.data(), &number, sizeof number);
  send_bytes(to, plain);
}

void Host::send_bytes(std::size_t to, const Bytes& plain) {
  Link& link = *links_.at(to);
  const auto ticket = session(to).prepare_send(1, protocol::Payload::Data, world_.now());
  if (ticket.keypair) {
    transmit(to, ticket, plain);
  } else {
    if (link.staged.size() == kStagedMax) link.staged.pop_front();
    link.staged.push_back(plain);
  }
  if (ticket.handshake_due) carry_out(link, link.conversation.call(situation(link)));
  world_.wake(number_, to, session(to).next_deadline());
}

void Host::transmit(std::size_t to, const protocol::SendTicket& ticket, const Bytes& plain) {
  world_.check_counter(*ticket.keypair, ticket.first_counter);
  world_.check_age(*ticket.keypair);
  Bytes datagram(protocol::kTransportOverhead + plain.size());
  std::ranges::copy(plain, datagram.begin() + sizeof(protocol::TransportDataHeader));
  const protocol::PlainMessage message{.message = datagram.data(), .plain_bytes = plain.size()};
  ticket.keypair->seal(ticket.first_counter, {&message, 1});
  world_.transmit(number_, to, std::move(datagram));
}

void Host::flush_staged(std::size_t to) {
  for (const Bytes& plain : std::exchange(links_.at(to)->staged, {})) send_bytes(to, plain);
}

void Host::expire(std::size_t with) {
  Link& link = *links_.at(with);
  carry_out(link, link.conversation.due(situation(link)));
}

void Host::change_identity() {
  identity_ = std::make_unique<protocol::LocalIdentity>(crypto::generate_private_key());
  cookies_ = std::make_unique<protocol::CookieChecker>(identity_->public_key);
  for (auto& [number, link] : links_) {
    link->conversation.session().identity_changed();
    if (link->conversation.session().persistent_keepalive().count() > 0) {
      carry_out(*link, link->conversation.keepalive(situation(*link)));
    }
  }
}

void Host::learn_endpoint(std::size_t with) {
  Link& link = *links_.at(with);
  link.reachable = true;
  if (link.conversation.session().persistent_keepalive().count() > 0) {
    carry_out(link, link.conversation.keepalive(situation(link)));
  } else if (link.conversation.wants_handshake()) {
    carry_out(link, link.conversation.call(situation(link)));
  }
}

void Host::set_persistent_keepalive(std::size_t with, std::chrono::seconds interval) {
  Link& link = *links_.at(with);
  if (session(with).set_persistent_keepalive(interval, world_.now())) {
    carry_out(link, link.conversation.keepalive(situation(link)));
  }
  world_.wake(number_, with, session(with).next_deadline());
}

void Host::lose_connection(std::size_t with) {
  Link& link = *links_.at(with);
  carry_out(link, link.conversation.connection_lost(situation(link)));
}

void Host::receive(std::size_t from, Bytes datagram) {
  std::visit(
      [&](const auto& message) {
        using Message = std::remove_cvref_t<decltype(message)>;
        if constexpr (std::is_pointer_v<Message>) {
          take(from, *message);
        } else if constexpr (std::is_same_v<Message, protocol::TransportData>) {
          take(from, message);
        }
      },
      protocol::parse_message(datagram));
}

void Host::take(std::size_t from, const protocol::Initiation& message) {
  if (!cookies_->mac1_valid(message)) return;
  if (under_load && !cookies_->mac2_valid(message, address_of(from), world_.now())) {
    return world_.transmit(number_, from,
                           copy_of(cookies_->reply(message, address_of(from), world_.now())));
  }
  auto received = protocol::ReceivedInitiation::open(identity(), message);
  if (!received) return;
  for (auto& [number, link] : links_) {
    if (!(session(number).remote() == received->initiator())) continue;
    carry_out(*link, link->conversation.take(*received, situation(*link)));
  }
}

void Host::take(std::size_t, const protocol::Response& message) {
  if (!cookies_->mac1_valid(message)) return;
  Link* const link = link_of(message.receiver);
  if (link != nullptr) carry_out(*link, link->conversation.take(message, situation(*link)));
}

void Host::take(std::size_t, const protocol::CookieReply& message) {
  Link* const link = link_of(message.receiver);
  if (link != nullptr) carry_out(*link, link->conversation.take(message, world_.now()));
}

void Host::take(std::size_t, const protocol::TransportData& message) {
  Link* const link = link_of(message.receiver);
  if (link == nullptr) return;
  protocol::Session& session = link->conversation.session();
  const auto keypair = session.keypair_for(message.receiver);
  if (!keypair) return;
  crypto::OpenPacket packet{.counter = message.counter,
                            .source = message.sealed.data(),
                            .target = message.sealed.data(),
                            .size = message.sealed.size() - crypto::kTagBytes};
  keypair->receive_key.open({&packet, 1});
  if (!packet.authentic) return;
  protocol::OpenedPacket opened{.counter = message.counter, .data = packet.size > 0};
  const auto accepted = session.accept(keypair, {&opened, 1}, world_.now());
  if (opened.fresh) {
    world_.check_age(*keypair);
    link->reachable = true;
  }
  if (opened.fresh && opened.data) {
    world_.payload_arrived(link->number, number_, {packet.target, packet.target + packet.size});
  }
  if (accepted.confirmed) flush_staged(link->number);
  if (accepted.handshake_due) carry_out(*link, link->conversation.call(situation(*link)));
  world_.wake(number_, link->number, session.next_deadline());
}

// ---- World

World::World(std::uint64_t seed, std::size_t hosts) : seed_(seed), random_(seed) {
  seed_randomness(seed);
  for (std::size_t i = 0; i < hosts; i++) hosts_.push_back(std::make_unique<Host>(*this, i));
  for (auto& a : hosts_) {
    for (auto& b : hosts_) {
      if (a != b) a->meet(*b);
    }
  }
}

void World::introduce(std::size_t host) {
  for (std::size_t other = 0; other < hosts_.size(); other++) {
    if (other != host) hosts_[other]->meet(*hosts_[host]);
  }
}

void World::run(std::chrono::nanoseconds duration) {
  const Instant end = now_ + duration;
  while (!events_.empty() && events_.top().at <= end) {
    const Event event = events_.top();
    events_.pop();
    now_ = std::max(now_, event.at);
    Host& host = *hosts_.at(event.to);
    if (event.datagram) {
      host.receive(event.from, *event.datagram);
    } else if (Instant& armed = armed_.at({event.to, event.from}); armed == event.at) {
      armed = protocol::kNever;
      host.expire(event.from);
    }
  }
  now_ = end;
}

void World::transmit(std::size_t from, std::size_t to, Bytes datagram) {
  datagrams_++;
  const int copies = random(1000) < weather.duplicate ? 2 : 1;
  for (int copy = 0; copy < copies; copy++) {
    if (random(1000) < weather.lose) continue;
    auto bytes = std::make_shared<Bytes>(datagram);
    if (random(1000) < weather.corrupt) {
      (*bytes)[random(static_cast<unsigned>(bytes->size()))] ^=
          static_cast<std::byte>(1 + random(255));
    }
    const auto spread = weather.delay_most - weather.delay_least;
    const auto delay = weather.delay_least +
                       std::chrono::milliseconds(random(static_cast<unsigned>(spread.count()) + 1));
    events_.push(
        {.at = now_ + delay, .order = next_event_++, .from = from, .to = to, .datagram = bytes});
  }
}

void World::wake(std::size_t host, std::size_t with, Instant at) {
  // As with the daemon's wheel: a deadline that moved later is looked at once too often, not twice.
  Instant& armed = armed_.try_emplace({host, with}, protocol::kNever).first->second;
  if (at >= armed) return;
  armed = at;
  events_.push({.at = at, .order = next_event_++, .from = with, .to = host, .datagram = nullptr});
}

void World::check_counter(const protocol::Keypair& keypair, std::uint64_t counter) {
  if (!counters_[keypair.remote_index][keypair.local_index()].insert(counter).second) {
    violated("a counter was used twice");
  }
}

void World::check_age(const protocol::Keypair& keypair) {
  if (now_ - keypair.created >= protocol::kRejectAfterTime) violated("a keypair lived too long");
}

void World::payload_arrived(std::size_t from, std::size_t to, const Bytes& plain) {
  std::uint64_t number = 0;
  if (plain.size() != 32) violated("a payload of another size");
  std::memcpy(&number, plain.data(), sizeof number);
  const auto found = payloads_.find(number);
  if (found == payloads_.end()) violated("a payload that nobody sent");
  if (found->second.to != to) violated("a payload for somebody else");
  if (found->second.from != from) violated("a payload of somebody else");
  if (!arrived_.insert(number).second) violated("a payload that arrived before");
  last_arrival_[{from, to}] = now_;
}

Instant World::last_arrival(std::size_t from, std::size_t to) const {
  const auto found = last_arrival_.find({from, to});
  return found == last_arrival_.end() ? Instant::min() : found->second;
}

void World::violated(const std::string& what) const {
  throw Violation(what + "; replay: WG_SEED=" + std::to_string(seed_) + " test_simulation");
}

}  // namespace wg::test
