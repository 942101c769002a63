// A world of peers over a network that loses, delays, reorders, duplicates and corrupts, on a
// virtual clock.
//
// It drives the same `protocol::Conversation` as the daemon does, and carries out what it says. It
// watches what must always hold:
//  - what arrives was sent, to the one it arrives at, and arrives once (payloads are numbered);
//  - it is by whom it says: the session that opened it is the one with its sender;
//  - no counter is ever used twice under one key;
//  - nothing is accepted or sent under a keypair older than Reject-After-Time; nothing is kept for
//    longer than three times that.
// Everything follows from the seed. A violation throws, and the text names the seed.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <set>
#include <stdexcept>
#include <vector>

#include "protocol/conversation.hpp"
#include "tests/bytes.hpp"

namespace wg::test {

using namespace std::chrono_literals;
using protocol::Instant;
using protocol::WallTime;

/// What the network does, in permille.
struct Weather {
  unsigned lose = 0;
  unsigned duplicate = 0;
  unsigned corrupt = 0;
  std::chrono::milliseconds delay_least{10};
  std::chrono::milliseconds delay_most{10};
};

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class World;

/// A host with one identity and a session with each of the others.
class Host {
 public:
  Host(World& world, std::size_t number);

  void meet(Host& other);
  void send(std::size_t to);
  void receive(std::size_t from, Bytes datagram);
  void expire(std::size_t with);

  [[nodiscard]] protocol::Session& session(std::size_t with) {
    return conversation(with).session();
  }
  [[nodiscard]] protocol::Conversation& conversation(std::size_t with) {
    return links_.at(with)->conversation;
  }
  /// The private key is replaced by another one, as a user does who changes it; the other host is
  /// told the public key.
  void change_identity();
  /// The peer's endpoint becomes known; until then (if it was taken away) nobody can be called.
  void learn_endpoint(std::size_t with);
  [[nodiscard]] std::size_t staged(std::size_t with) const {
    return links_.at(with)->staged.size();
  }
  void forget_endpoint(std::size_t with) { links_.at(with)->reachable = false; }
  void set_persistent_keepalive(std::size_t with, std::chrono::seconds interval);
  void lose_connection(std::size_t with);
  [[nodiscard]] const protocol::LocalIdentity& identity() const { return *identity_; }
  /// Whether the responder asks for cookies.
  bool under_load = false;
  /// The wall clock's error: it may jump.
  std::chrono::nanoseconds wall_offset{0};

 private:
  struct Link final : protocol::SessionOwner {
    Link(Host& host, std::size_t other, const crypto::PublicKey& key)
        : number(other), conversation(host.registry_, key, *this) {}
    const std::size_t number;
    protocol::Conversation conversation;
    std::deque<Bytes> staged;
    bool reachable = true;
  };
  class Registry final : public protocol::IndexRegistry {
   public:
    protocol::ReceiverIndex claim(protocol::Session& owner) override;
    void release(protocol::ReceiverIndex index) noexcept override { owners.erase(index); }
    std::map<protocol::ReceiverIndex, protocol::Session*> owners;
  };

  [[nodiscard]] protocol::Situation situation(const Link& link) const;
  void carry_out(Link& link, const protocol::Actions& actions);
  void send_bytes(std::size_t to, const Bytes& plain);
  void transmit(std::size_t to, const protocol::SendTicket& ticket, const Bytes& plain);
  void flush_staged(std::size_t to);
  void take(std::size_t from, const protocol::Initiation& message);
  void take(std::size_t from, const protocol::Response& message);
  void take(std::size_t from, const protocol::CookieReply& message);
  void take(std::size_t from, const protocol::TransportData& message);
  [[nodiscard]] Link* link_of(protocol::ReceiverIndex index) const;

  World& world_;
  std::size_t number_;
  std::unique_ptr<protocol::LocalIdentity> identity_;
  std::unique_ptr<protocol::CookieChecker> cookies_;
  Registry registry_;
  std::map<std::size_t, std::unique_ptr<Link>> links_;
};

class World {
 public:
  World(std::uint64_t seed, std::size_t hosts);

  [[nodiscard]] Host& host(std::size_t number) { return *hosts_.at(number); }
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] WallTime wall() const { return WallTime(1'700'000'000s) + (now_ - Instant{}); }
  Weather weather;

  /// A numbered payload from one host to another, now.
  void send(std::size_t from, std::size_t to) { hosts_.at(from)->send(to); }
  /// Lets time pass, with all that happens in it.
  void run(std::chrono::nanoseconds duration);
  /// A number of 0 … below − 1, from the seed.
  [[nodiscard]] unsigned random(unsigned below) { return static_cast<unsigned>(random_() % below); }

  /// `host` has another key from now on: all the others know it.
  void introduce(std::size_t host);

  [[nodiscard]] std::uint64_t sent() const { return next_payload_; }
  [[nodiscard]] std::uint64_t arrived() const { return arrived_.size(); }
  [[nodiscard]] std::uint64_t handshakes() const { return handshakes_; }
  [[nodiscard]] std::uint64_t datagrams() const { return datagrams_; }
  /// The time of the last arrival at `to` of something from `from`.
  [[nodiscard]] Instant last_arrival(std::size_t from, std::size_t to) const;

 private:
  friend class Host;

  struct Event {
    Instant at;
    std::uint64_t order;
    std::size_t from, to;
    std::shared_ptr<Bytes>
        datagram;  // null: the session of `to` with `from` is to look at its timers
    bool operator>(const Event& other) const {
      return std::tie(at, order) > std::tie(other.at, other.order);
    }
  };
  struct Payload {
    std::size_t from, to;
  };

  void transmit(std::size_t from, std::size_t to, Bytes datagram);
  void wake(std::size_t host, std::size_t with, Instant at);
  void check_counter(const protocol::Keypair& keypair, std::uint64_t counter);
  void check_age(const protocol::Keypair& keypair);
  void payload_arrived(std::size_t from, std::size_t to, const Bytes& plain);
  [[noreturn]] void violated(const std::string& what) const;

  std::uint64_t seed_;
  std::mt19937_64 random_;
  Instant now_{1000s};
  std::vector<std::unique_ptr<Host>> hosts_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::uint64_t next_event_ = 0;
  std::map<std::pair<std::size_t, std::size_t>, Instant>
      armed_;  // when a host looks at its session with another
  std::uint64_t next_payload_ = 0;
  std::map<std::uint64_t, Payload> payloads_;
  std::set<std::uint64_t> arrived_;
  std::map<std::pair<std::size_t, std::size_t>, Instant> last_arrival_;
  std::map<protocol::ReceiverIndex, std::map<protocol::ReceiverIndex, std::set<std::uint64_t>>>
      counters_;
  std::uint64_t handshakes_ = 0;
  std::uint64_t datagrams_ = 0;
};

}  // namespace wg::test
