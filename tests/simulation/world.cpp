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

Host::Host(World& world, std::size_t number)
    : world_(world),
      number_(number),
      identity_(crypto::generate_private_key()),
      cookies_(identity_.public_key) {}

void Host::meet(Host& other) {
  auto link = std::make_unique<Link>();
  link->session = std::make_unique<protocol::Session>(registry_, other.identity_.public_key);
  links_[other.number_] = std::move(link);
}

protocol::ReceiverIndex Host::Registry::claim(protocol::Session& owner) {
  for (;;) {
    const protocol::ReceiverIndex index{randombytes_random()};
    if (owners.emplace(index, &owner).second) return index;
  }
}

std::size_t Host::number_of(const protocol::Session& session) const {
  for (const auto& [number, link] : links_) {
    if (link->session.get() == &session) return number;
  }
  world_.violated("a session of nobody");
}

void Host::schedule(std::size_t with) {
  world_.wake(number_, with, session(with).next_deadline());
}

void Host::initiate(std::size_t with) {
  if (session(with).initiated_recently(world_.now())) return;
  const auto message = session(with).initiate(identity_, world_.now(), world_.wall() + wall_offset);
  if (!message) world_.violated("no initiation");
  world_.transmit(number_, with, copy_of(*message));
}

void Host::send(std::size_t to) {
  const std::uint64_t number = world_.next_payload_++;
  world_.payloads_[number] = {.from = number_, .to = to};
  Bytes plain(32);
  std::memcpy(plain.data(), &number, sizeof number);
  send_bytes(to, plain);
}

void Host::send_bytes(std::size_t to, const Bytes& plain) {
  const auto ticket = session(to).prepare_send(1, protocol::Payload::Data, world_.now());
  if (ticket.keypair) {
    transmit(to, ticket, plain);
  } else {
    auto& staged = links_.at(to)->staged;
    if (staged.size() == kStagedMax) staged.pop_front();
    staged.push_back(plain);
  }
  if (ticket.handshake_due) initiate(to);
  schedule(to);
}

void Host::send_keepalive(std::size_t to) {
  const auto ticket = session(to).prepare_send(1, protocol::Payload::Keepalive, world_.now());
  if (ticket.keypair) transmit(to, ticket, {});
  if (ticket.handshake_due) initiate(to);
}

void Host::transmit(std::size_t to, const protocol::SendTicket& ticket, const Bytes& plain) {
  world_.check_counter(*ticket.keypair, ticket.first_counter);
  world_.check_age(*ticket.keypair);
  Bytes datagram = copy_of(protocol::TransportDataHeader{.receiver = ticket.keypair->remote_index,
                                                         .counter = ticket.first_counter});
  datagram.insert(datagram.end(), plain.begin(), plain.end());
  datagram.resize(datagram.size() + crypto::kTagBytes);
  std::byte* const at = datagram.data() + sizeof(protocol::TransportDataHeader);
  const crypto::SealPacket packet{
      .counter = ticket.first_counter, .source = at, .target = at, .size = plain.size()};
  ticket.keypair->send_key.seal({&packet, 1});
  world_.transmit(number_, to, std::move(datagram));
}

void Host::flush_staged(std::size_t to) {
  auto staged = std::exchange(links_.at(to)->staged, {});
  if (staged.empty()) return send_keepalive(to);
  for (const Bytes& plain : staged) send_bytes(to, plain);
}

void Host::expire(std::size_t with) {
  const auto due = session(with).expire(world_.now());
  if (due.gave_up) links_.at(with)->staged.clear();
  if (due.initiate) initiate(with);
  if (due.keepalive) send_keepalive(with);
  schedule(with);
}

void Host::receive(std::size_t from, Bytes datagram) {
  const auto message = protocol::parse_message(datagram);
  if (const auto* initiation = std::get_if<const protocol::Initiation*>(&message)) {
    take(from, **initiation);
  } else if (const auto* response = std::get_if<const protocol::Response*>(&message)) {
    take(from, **response);
  } else if (const auto* cookie = std::get_if<const protocol::CookieReply*>(&message)) {
    take(from, **cookie);
  } else if (const auto* data = std::get_if<protocol::TransportData>(&message)) {
    take(from, *data);
  }
}

void Host::take(std::size_t from, const protocol::Initiation& message) {
  if (!cookies_.mac1_valid(message)) return;
  if (under_load && !cookies_.mac2_valid(message, address_of(from), world_.now())) {
    return world_.transmit(number_, from,
                           copy_of(cookies_.reply(message, address_of(from), world_.now())));
  }
  auto received = protocol::ReceivedInitiation::open(identity_, message);
  if (!received) return;
  for (auto& [number, link] : links_) {
    if (!(link->session->remote() == received->initiator())) continue;
    const auto response = link->session->respond(identity_, *received, world_.now());
    if (response) world_.transmit(number_, number, copy_of(*response));
    schedule(number);
  }
}

void Host::take(std::size_t, const protocol::Response& message) {
  if (!cookies_.mac1_valid(message)) return;
  const auto found = registry_.owners.find(message.receiver);
  if (found == registry_.owners.end()) return;
  protocol::Session& session = *found->second;
  const std::size_t number = number_of(session);
  if (!session.finish(identity_, message, world_.now())) return;
  world_.handshakes_++;
  flush_staged(number);
  schedule(number);
}

void Host::take(std::size_t, const protocol::CookieReply& message) {
  const auto found = registry_.owners.find(message.receiver);
  if (found != registry_.owners.end()) (void)found->second->consume(message, world_.now());
}

void Host::take(std::size_t, const protocol::TransportData& message) {
  const auto found = registry_.owners.find(message.receiver);
  if (found == registry_.owners.end()) return;
  protocol::Session& session = *found->second;
  const std::size_t number = number_of(session);
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
  if (opened.fresh) world_.check_age(*keypair);
  if (opened.fresh && opened.data) {
    world_.payload_arrived(number, number_, {packet.target, packet.target + packet.size});
  }
  if (accepted.confirmed) flush_staged(number);
  if (accepted.handshake_due) initiate(number);
  schedule(number);
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
