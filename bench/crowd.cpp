// Many peers in one process: each with a key and a source address of its own, and a session with
// one responder. For what a WireGuard does with 10,000 handshakes at once, and with many busy
// peers.
//
// Talks over its standard streams, line by line:
//   prints each member's public key in hex, then "ready"
//   reads anything         shakes hands for all of them; prints "handshakes SECONDS"
//   reads "data K S R"     the first K members send inner packets for S seconds: R a second in
//                          all, sealed before (0: as many as they can); prints "packets N"
//   ends with its input
//
// The source addresses must be this host's, as for wg-flood. Member i has the inner address
// 10.100.0.0 + i.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <cstring>
#include <iostream>
#include <memory>
#include <thread>
#include <vector>

#include "crypto/x25519.hpp"
#include "device/clock.hpp"
#include "errors/descriptor.hpp"
#include "protocol/conversation.hpp"
#include "settings/key_text.hpp"
#include "tun/checksum.hpp"
#include "tun/inner_packet.hpp"

namespace {

using namespace wg;
using namespace std::chrono_literals;

constexpr std::uint32_t kInnerBase = (10u << 24) | (100u << 16);
constexpr std::size_t kInnerBytes = 1400;
constexpr std::size_t kMessageBytes = kInnerBytes + protocol::kTransportOverhead;
constexpr std::size_t kTrainPackets = 32;  // of one member, before it is the next one's turn

using device::now;

/// Indices that tell the member at once.
class Registry final : public protocol::IndexRegistry {
 public:
  protocol::ReceiverIndex claim(protocol::Session& owner) override {
    owners_.push_back(&owner);
    return protocol::ReceiverIndex{static_cast<std::uint32_t>(owners_.size() - 1)};
  }
  void release(protocol::ReceiverIndex) noexcept override {}
  [[nodiscard]] protocol::Session* find(protocol::ReceiverIndex index) const {
    const auto number = static_cast<std::uint32_t>(index);
    return number < owners_.size() ? owners_[number] : nullptr;
  }

 private:
  std::vector<protocol::Session*> owners_;
};

struct Member : protocol::SessionOwner {
  Member(Registry& registry, const crypto::PublicKey& responder, std::uint32_t address)
      : identity(crypto::generate_private_key()),
        conversation(registry, responder, *this),
        source(address) {}
  [[nodiscard]] protocol::Situation situation() const {
    return {.local = &identity, .reachable = true, .now = now(), .wall = device::wall_now()};
  }
  protocol::LocalIdentity identity;
  protocol::Conversation conversation;
  std::uint32_t source;
  protocol::Instant called = protocol::Instant::min();
  bool done = false;
};

/// A socket that sends from any address.
class Socket {
 public:
  Socket(const std::string& to, std::uint16_t port) : fd_(::socket(AF_INET, SOCK_DGRAM, 0)) {
    to_.sin_family = AF_INET;
    to_.sin_port = htons(port);
    if (::inet_pton(AF_INET, to.c_str(), &to_.sin_addr) != 1) {
      throw std::runtime_error("--to is an IPv4 address");
    }
    const int buffer = 8 << 20;
    (void)::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    if (::bind(fd_.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) {
      throw std::system_error(errno, std::system_category(), "bind");
    }
  }
  /// Messages of one size, one behind the other.
  void send(std::uint32_t source, std::span<const std::byte> messages, std::size_t size) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in_pktinfo)) + CMSG_SPACE(sizeof(int))>
        control{};
    iovec vector{const_cast<std::byte*>(messages.data()), messages.size()};
    msghdr message{};
    message.msg_name = &to_;
    message.msg_namelen = sizeof to_;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    in_pktinfo info{};
    info.ipi_spec_dst.s_addr = htonl(source);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
    header = CMSG_NXTHDR(&message, header);
    const auto segment = static_cast<std::uint16_t>(size);
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof segment);
    std::memcpy(CMSG_DATA(header), &segment, sizeof segment);
    if (::sendmsg(fd_.get(), &message, 0) < 0) {
      throw std::system_error(errno, std::system_category(), "sendmsg");
    }
  }
  [[nodiscard]] bool wait(std::chrono::milliseconds time) const {
    pollfd waiting{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&waiting, 1, static_cast<int>(time.count())) > 0;
  }
  [[nodiscard]] std::span<std::byte> receive(std::span<std::byte> room) const {
    const ssize_t size = ::recv(fd_.get(), room.data(), room.size(), MSG_DONTWAIT);
    return room.first(size > 0 ? static_cast<std::size_t>(size) : 0);
  }

 private:
  Descriptor fd_;
  sockaddr_in to_{};
};

class Crowd {
 public:
  static constexpr std::size_t kInFlight = 512;

  Crowd(const crypto::PublicKey& responder, std::size_t count, std::uint32_t first_source,
        std::uint32_t target, Socket& socket)
      : socket_(socket), target_(target) {
    for (std::size_t i = 0; i < count; i++) {
      members_.push_back(std::make_unique<Member>(registry_, responder,
                                                  first_source + static_cast<std::uint32_t>(i)));
    }
  }

  void print_keys() const {
    for (const auto& member : members_) {
      fmt::print("{}\n", settings::to_hex(member->identity.public_key));
    }
    fmt::print("ready\n");
    std::fflush(stdout);
  }

  /// Until all have a confirmed session.
  void shake_hands() {
    std::size_t done = 0;
    while (done < members_.size()) {
      call_some();
      if (socket_.wait(1ms)) done += answers();
    }
  }

  /// As fast as it goes.
  std::uint64_t send_data(std::size_t busy, std::chrono::seconds time) {
    std::uint64_t packets = 0;
    for (const auto end = now() + time; now() < end; packets += kTrainPackets) {
      const std::size_t number = packets / kTrainPackets % busy;
      seal_train(number, train_);
      socket_.send(members_[number]->source, train_, kMessageBytes);
    }
    return packets;
  }

  /// At a rate, and all sealed before, so that sending needs little of a core.
  std::uint64_t send_data(std::size_t busy, std::chrono::seconds time, std::uint64_t per_second) {
    const std::size_t trains =
        per_second * static_cast<std::uint64_t>(time.count()) / kTrainPackets;
    const auto sealed = std::make_unique_for_overwrite<std::byte[]>(trains * sizeof train_);
    const auto train = [&](std::size_t i) {
      return std::span<std::byte, sizeof train_>(sealed.get() + i * sizeof train_, sizeof train_);
    };
    for (std::size_t i = 0; i < trains; i++) seal_train(i % busy, train(i));
    const auto begin = now();
    for (std::size_t i = 0; i < trains; i++) {
      const auto due = std::chrono::nanoseconds(i * kTrainPackets * 1'000'000'000 / per_second);
      std::this_thread::sleep_for(begin + due - now());
      socket_.send(members_[i % busy]->source, train(i), kMessageBytes);
    }
    return trains * kTrainPackets;
  }

 private:
  /// Calls members that wait for nothing yet, and those whose answer is overdue.
  void call_some() {
    std::size_t in_flight = 0;
    for (const auto& member : members_) {
      if (member->done) continue;
      if (in_flight == kInFlight) return;
      in_flight++;
      if (member->called != protocol::Instant::min() &&
          now() - member->called < protocol::kRekeyTimeout) {
        continue;
      }
      member->called = now();
      carry_out(*member, member->conversation.call(member->situation()));
    }
  }

  std::size_t answers() {
    std::size_t finished = 0;
    std::array<std::byte, 2048> room;
    for (auto bytes = socket_.receive(room); !bytes.empty(); bytes = socket_.receive(room)) {
      const auto message = protocol::parse_message(bytes);
      if (const auto* const* response = std::get_if<const protocol::Response*>(&message)) {
        finished += finish(**response);
      } else if (const auto* const* cookie = std::get_if<const protocol::CookieReply*>(&message)) {
        protocol::Session* const session = registry_.find((*cookie)->receiver);
        if (session == nullptr) continue;
        auto& member = static_cast<Member&>(session->owner());
        (void)member.conversation.take(**cookie, now());  // the next initiation carries it
      }
    }
    return finished;
  }

  std::size_t finish(const protocol::Response& response) {
    protocol::Session* const session = registry_.find(response.receiver);
    if (session == nullptr) return 0;
    auto& member = static_cast<Member&>(session->owner());
    const auto actions = member.conversation.take(response, member.situation());
    carry_out(member, actions);  // a keepalive: nothing is staged
    if (!actions.has(protocol::Event::Established)) return 0;
    return std::exchange(member.done, true) ? 0 : 1;
  }

  void carry_out(const Member& member, const protocol::Actions& actions) {
    for (const protocol::OutgoingMessage& message : actions.messages) {
      const auto bytes = protocol::bytes_of(message);
      socket_.send(member.source, bytes, bytes.size());
    }
  }

  void seal_train(std::size_t number, std::span<std::byte> to) {
    const auto ticket = members_[number]->conversation.session().prepare_send(
        kTrainPackets, protocol::Payload::Data, now());
    if (!ticket.keypair) throw std::runtime_error("a session has ended");
    std::array<protocol::PlainMessage, kTrainPackets> messages;
    for (std::size_t i = 0; i < kTrainPackets; i++) {
      messages[i] = {.message = to.data() + i * kMessageBytes, .plain_bytes = kInnerBytes};
      write_inner(messages[i].message + sizeof(protocol::TransportDataHeader),
                  kInnerBase + static_cast<std::uint32_t>(number));
    }
    ticket.keypair->seal(ticket.first_counter, messages);
  }

  /// UDP to port 9, with whatever content is there.
  void write_inner(std::byte* to, std::uint32_t source) const {
    std::array<std::uint16_t, 14> words{};
    words[0] = htons(0x4500);
    words[1] = htons(kInnerBytes);
    words[3] = htons(tun::kIpv4DontFragment);
    words[4] = htons(0x4011);  // 64 hops, UDP
    const std::uint32_t addresses[2] = {htonl(source), htonl(target_)};
    std::memcpy(&words[6], addresses, sizeof addresses);
    const auto header = std::as_bytes(std::span(words).first<tun::kIpv4HeaderBytes / 2>());
    words[5] = static_cast<std::uint16_t>(~tun::fold(tun::add_to_sum(0, header)));
    words[10] = words[11] = htons(9);
    words[12] = htons(kInnerBytes - 20);
    std::memcpy(to, words.data(), sizeof words);
    const auto packet = tun::InnerPacket::parse({to, kInnerBytes});
    const auto datagram = packet->bytes().subspan(packet->header_size());
    const std::uint64_t pseudo = tun::pseudo_header_sum(packet->source(), packet->destination(),
                                                        packet->protocol(), datagram.size());
    const auto checksum = static_cast<std::uint16_t>(~tun::fold(tun::add_to_sum(pseudo, datagram)));
    std::memcpy(datagram.data() + tun::field::kUdpChecksum, &checksum, sizeof checksum);
  }

  Socket& socket_;
  std::uint32_t target_;
  Registry registry_;
  std::vector<std::unique_ptr<Member>> members_;
  std::array<std::byte, kTrainPackets * kMessageBytes> train_{};
};

std::uint32_t address(const std::string& text) {
  in_addr parsed{};
  if (::inet_pton(AF_INET, text.c_str(), &parsed) != 1) {
    throw std::runtime_error("'" + text + "' is no IPv4 address");
  }
  return ntohl(parsed.s_addr);
}

void serve(Crowd& crowd) {
  crowd.print_keys();
  std::string line;
  if (!std::getline(std::cin, line)) return;
  const auto begin = now();
  crowd.shake_hands();
  fmt::print("handshakes {:.3f}\n", std::chrono::duration<double>(now() - begin).count());
  std::fflush(stdout);
  while (std::getline(std::cin, line)) {
    std::size_t busy = 0;
    unsigned seconds = 0;
    unsigned per_second = 0;
    if (std::sscanf(line.c_str(), "data %zu %u %u", &busy, &seconds, &per_second) != 3) continue;
    const std::chrono::seconds time(seconds);
    fmt::print("packets {}\n", per_second == 0 ? crowd.send_data(busy, time)
                                               : crowd.send_data(busy, time, per_second));
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  std::string key_text, to, first_source, target = "10.77.0.2";
  std::uint16_t port = 51820;
  std::size_t members = 1000;
  CLI::App app("Many WireGuard peers in one process; see the beginning of its source.");
  app.add_option("--key", key_text, "The responder's public key, base64")->required();
  app.add_option("--to", to, "The responder's IPv4 address")->required();
  app.add_option("--port", port);
  app.add_option("--first-source", first_source, "The first member's source address")->required();
  app.add_option("--members", members);
  app.add_option("--target", target, "The inner address that data goes to");
  CLI11_PARSE(app, argc, argv);
  crypto::PublicKey key;
  if (!crypto::initialise() || !settings::from_base64(key_text, key.bytes)) {
    fmt::print(stderr, "wg-crowd: --key is no public key\n");
    return 1;
  }
  Socket socket(to, port);
  Crowd crowd(key, members, address(first_source), address(target), socket);
  serve(crowd);
} catch (const std::exception& error) {
  fmt::print(stderr, "wg-crowd: {}\n", error.what());
  return 1;
}
