// What the packet path is made of, each piece alone on one core. Prints lines "name value unit":
// nanoseconds are the least of several rounds, since noise only adds.
//
// Under valgrind's callgrind each piece runs once, and its instructions are dumped by its name;
// what is printed then is how many units they were for. The 1,000,000 prefixes are left out there.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <limits>
#include <random>
#include <vector>
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#define CALLGRIND_ZERO_STATS
#define CALLGRIND_DUMP_STATS_AT(name)
#endif

#include "bench/packets.hpp"
#include "conn/endpoint.hpp"
#include "crypto/x25519.hpp"
#include "device/allowed_ips.hpp"
#include "protocol/handshake.hpp"
#include "protocol/replay_window.hpp"
#include "tun/checksum.hpp"
#include "tun/joiner.hpp"
#include "tun/segment_plan.hpp"
#include "uapi/settings_parser.hpp"

namespace {

using namespace wg;
using Clock = std::chrono::steady_clock;

constexpr int kRounds = 7;
constexpr auto kRoundLength = std::chrono::milliseconds(30);
constexpr std::size_t kTrainPackets = 45;

double nanoseconds(std::size_t units, const std::function<void()>& work) {
  double best = std::numeric_limits<double>::max();
  for (int round = 0; round < kRounds; round++) {
    std::size_t calls = 0;
    const auto begin = Clock::now();
    auto elapsed = Clock::duration::zero();
    do {
      work();
      calls++;
      elapsed = Clock::now() - begin;
    } while (elapsed < kRoundLength);
    const auto taken = std::chrono::duration<double, std::nano>(elapsed).count();
    best = std::min(best, taken / static_cast<double>(calls * units));
  }
  return best;
}

/// Measures one of the `units` that a call of `work` does.
void piece(const std::string& name, std::size_t units, const std::function<void()>& work) {
  if (RUNNING_ON_VALGRIND == 0) {
    fmt::print("{} {:.1f} ns\n", name, nanoseconds(units, work));
    return;
  }
  work();  // what happens the first time only shall not count
  CALLGRIND_ZERO_STATS;
  work();
  CALLGRIND_DUMP_STATS_AT(name.c_str());
  fmt::print("{} {} units\n", name, units);
}

/// Results that nobody looks at might not be computed at all.
volatile std::uint64_t wanted;

void aead() {
  const crypto::TrainKey key{crypto::SymmetricKey{}};
  for (const std::size_t size : {64, 1420}) {
    bench::Packets packets(kTrainPackets, size);
    piece(fmt::format("seal_{}", size), kTrainPackets, [&] { key.seal(packets.seal); });
    piece(fmt::format("open_{}", size), kTrainPackets, [&] { key.open(packets.open); });
  }
}

void checksums() {
  for (const std::size_t size : {64, 1420}) {
    const std::vector<std::byte> bytes(size, std::byte{7});
    piece(fmt::format("checksum_{}", size), 100, [&] {
      std::uint64_t sum = 0;
      for (int i = 0; i < 100; i++) sum = tun::add_to_sum(sum, bytes);
      wanted = sum;
    });
  }
}

/// A TCP flow's super-packet, cut into segments and joined again.
class SuperPacket final : private tun::Joiner::Sink {
 public:
  SuperPacket() : bytes_(kHeaders + kTrainPackets * kPayload), segments_(kTrainPackets * kRoom) {
    const auto set = [this](std::size_t at, unsigned value) { bytes_[at] = std::byte(value); };
    set(0, 0x45);
    tun::store16(bytes_.data() + tun::field::kIpv4Length, bytes_.size());
    set(tun::field::kIpv4Fragment, 0x40);  // do not fragment
    set(8, 64);                            // TTL
    set(tun::field::kIpv4Protocol, tun::kProtocolTcp);
    set(tun::kIpv4HeaderBytes + tun::field::kTcpDataOffset, 8 << 4);
    set(tun::kIpv4HeaderBytes + tun::field::kTcpFlags, tun::kTcpAck);
  }

  void cut() {
    const auto plan =
        tun::SegmentPlan::make({.bytes = bytes_,
                                .offload = {.cut = tun::Cut::TcpV4,
                                            .checksum_open = true,
                                            .header_size = kHeaders,
                                            .segment_payload = kPayload,
                                            .checksum_start = tun::kIpv4HeaderBytes,
                                            .checksum_offset = tun::field::kTcpChecksum}});
    for (std::size_t i = 0; i < plan->count(); i++) plan->write(i, segments_.data() + i * kRoom);
    std::copy_n(segments_.begin(), kHeaders, first_header_.begin());
  }

  /// Returns how many packets were written; 1 if all of them were joined.
  std::size_t join() {
    std::copy_n(first_header_.begin(), kHeaders, segments_.begin());
    writes_ = 0;
    for (std::size_t i = 0; i < kTrainPackets; i++) {
      const std::span<std::byte> segment(segments_.data() + i * kRoom, kHeaders + kPayload);
      joiner_.add(*tun::InnerPacket::parse(segment));
    }
    joiner_.flush();
    return writes_;
  }

 private:
  static constexpr std::size_t kHeaders = 52;  // IPv4, and TCP with timestamps
  static constexpr std::size_t kPayload = 1368;
  static constexpr std::size_t kRoom = 1472;

  void write(std::span<const iovec>, const tun::Offload&, std::size_t) noexcept override {
    writes_++;
  }

  std::vector<std::byte> bytes_, segments_;
  std::array<std::byte, kHeaders> first_header_{};
  tun::Joiner joiner_{*this, true, true};
  std::size_t writes_ = 0;
};

void segments() {
  SuperPacket packet;
  piece("segment_1420", kTrainPackets, [&] { packet.cut(); });
  piece("join_1420", kTrainPackets, [&] { wanted = packet.join(); });
  if (packet.join() != 1) fmt::print("# join_1420: not all were joined\n");
}

std::size_t resident_bytes() {
  std::size_t all = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * 4096;
}

void allowed_ips() {
  std::mt19937 random(1);
  for (const std::size_t count : {10u, 10'000u, 1'000'000u}) {
    if (RUNNING_ON_VALGRIND != 0 && count > 10'000) continue;
    device::AllowedIps ips;
    device::AllowedIpList list;
    auto& peer = *reinterpret_cast<device::Peer*>(&list);  // a place to point at
    std::vector<std::array<std::byte, 4>> addresses(count);
    const std::size_t before = resident_bytes();
    for (auto& address : addresses) {
      settings::Prefix prefix{.length = static_cast<std::uint8_t>(16 + random() % 17)};
      const std::uint32_t bits = static_cast<std::uint32_t>(random());
      std::memcpy(prefix.address.data(), &bits, sizeof bits);
      prefix = *settings::Prefix::parse(prefix.text());
      ips.assign(prefix, peer, list);
      std::copy_n(prefix.address.begin(), 4, address.begin());
    }
    const std::size_t grown = resident_bytes() - before;
    std::shuffle(addresses.begin(), addresses.end(), random);
    piece(fmt::format("allowed_ips_{}", count), addresses.size(), [&] {
      std::size_t found = 0;
      for (const auto& address : addresses) found += ips.find(address) != nullptr;
      wanted = found;
    });
    if (count == 1'000'000) {
      fmt::print("allowed_ips_{}_each {:.1f} bytes\n", count,
                 static_cast<double>(grown) / static_cast<double>(list.size()));
    }
    ips.withdraw_all(list);
  }
}

void replay_window() {
  protocol::ReplayWindow window;
  std::uint64_t counter = 0;
  piece("replay_window", 1000, [&] {
    std::size_t accepted = 0;
    for (int i = 0; i < 1000; i++) accepted += window.accept(counter++);
    wanted = accepted;
  });
}

void uapi_set() {
  constexpr std::size_t kPeers = 10'000;
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < kPeers; i++) {
    lines.push_back(fmt::format("public_key={:064x}", i + 1));
    lines.push_back(fmt::format("endpoint=192.0.2.1:{}", 1 + i));
    lines.push_back(fmt::format("allowed_ip=10.{}.{}.0/24", i >> 8, i & 255));
  }
  piece("uapi_parse_peer", kPeers, [&] {
    uapi::SettingsParser parser([](std::string_view text) -> std::optional<std::string> {
      if (const auto endpoint = conn::Endpoint::parse(text); !endpoint) return endpoint.error();
      return std::nullopt;
    });
    for (const std::string& line : lines) parser.line(line);
    wanted = parser.finish()->peers.size();
  });
}

void handshakes() {
  const protocol::LocalIdentity initiator(crypto::generate_private_key());
  const protocol::LocalIdentity responder(crypto::generate_private_key());
  const auto shared = crypto::agree(initiator.private_key, responder.public_key).value();
  piece("x25519", 1,
        [&] { wanted = crypto::agree(initiator.private_key, responder.public_key).has_value(); });
  protocol::Initiation initiation;
  const auto pending = protocol::PendingInitiation::begin(
      {.local = initiator, .remote = responder.public_key, .static_static = shared},
      protocol::ReceiverIndex{1}, {}, initiation);
  protocol::Response response;
  piece("handshake_responder", 1, [&] {
    auto received = protocol::ReceivedInitiation::open(responder, initiation);
    wanted = received->authenticate(shared).has_value();
    (void)received->respond({}, protocol::ReceiverIndex{2}, crypto::generate_private_key(),
                            response);
  });
}

}  // namespace

int main() {
  if (!crypto::initialise()) return 1;
  fmt::print("# AEAD: {}\n", crypto::train_library());
  segments();
  aead();
  checksums();
  allowed_ips();
  replay_window();
  uapi_set();
  handshakes();
}
