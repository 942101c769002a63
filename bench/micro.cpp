// What the packet path is made of, each piece alone on one core. Prints "name nanoseconds" lines;
// the least of several rounds, since noise only adds.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "crypto/aead.hpp"
#include "crypto/x25519.hpp"
#include "device/allowed_ips.hpp"
#include "protocol/handshake.hpp"
#include "protocol/replay_window.hpp"
#include "tun/checksum.hpp"

namespace {

using namespace wg;
using Clock = std::chrono::steady_clock;

constexpr int kRounds = 7;
constexpr auto kRoundLength = std::chrono::milliseconds(30);

/// Nanoseconds for one of the `units` that a call of `work` does.
double measure(std::size_t units, const std::function<void()>& work) {
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
    const auto nanoseconds = std::chrono::duration<double, std::nano>(elapsed).count();
    best = std::min(best, nanoseconds / static_cast<double>(calls * units));
  }
  return best;
}

void report(const std::string& name, double nanoseconds) {
  fmt::print("{} {:.1f}\n", name, nanoseconds);
}

void aead() {
  const crypto::SymmetricKey key;
  const crypto::TrainKey train_key(key);
  for (const std::size_t size : {64, 256, 512, 1420, 8900}) {
    constexpr std::size_t kPackets = 45;
    std::vector<std::byte> buffer(kPackets * (size + 64));
    std::vector<crypto::SealPacket> seal;
    std::vector<crypto::OpenPacket> open;
    std::vector<std::byte> plain(buffer.size());
    for (std::size_t i = 0; i < kPackets; i++) {
      std::byte* const at = buffer.data() + i * (size + 64);
      seal.push_back({.counter = i, .source = at, .target = at, .size = size});
      open.push_back(
          {.counter = i, .source = at, .target = plain.data() + i * (size + 64), .size = size});
    }
    report(fmt::format("seal_{}", size), measure(kPackets, [&] { train_key.seal(seal); }));
    // What is opened was sealed just before, from zeros, so that it authenticates.
    std::fill(buffer.begin(), buffer.end(), std::byte{0});
    train_key.seal(seal);
    report(fmt::format("open_{}", size), measure(kPackets, [&] { train_key.open(open); }));
  }
}

void checksums() {
  for (const std::size_t size : {64, 1420}) {
    const std::vector<std::byte> bytes(size, std::byte{7});
    std::uint64_t sum = 0;
    report(fmt::format("checksum_{}", size), measure(100, [&] {
             for (int i = 0; i < 100; i++) sum = tun::add_to_sum(sum, bytes);
           }));
    if (sum == 1) fmt::print("#\n");  // the sums must be wanted by somebody
  }
}

void allowed_ips() {
  std::mt19937 random(1);
  for (const std::size_t count : {10u, 10'000u, 1'000'000u}) {
    device::AllowedIps ips;
    device::AllowedIpList list;
    auto& peer = *reinterpret_cast<device::Peer*>(&list);  // a place to point at
    std::vector<std::array<std::byte, 4>> addresses;
    for (std::size_t i = 0; i < count; i++) {
      device::Prefix prefix{.length = static_cast<std::uint8_t>(16 + random() % 17)};
      const std::uint32_t bits = static_cast<std::uint32_t>(random());
      std::memcpy(prefix.address.data(), &bits, sizeof bits);
      prefix = *device::Prefix::parse(prefix.text());
      ips.assign(prefix, peer, list);
      std::array<std::byte, 4> address;
      std::copy_n(prefix.address.begin(), 4, address.begin());
      addresses.push_back(address);
    }
    std::shuffle(addresses.begin(), addresses.end(), random);
    std::size_t found = 0;
    report(fmt::format("allowed_ips_{}", count), measure(addresses.size(), [&] {
             for (const auto& address : addresses) found += ips.find(address) != nullptr;
           }));
    if (found == 0) fmt::print("# nothing found\n");
    ips.withdraw_all(list);
  }
}

void replay_window() {
  protocol::ReplayWindow window;
  std::uint64_t counter = 0;
  std::size_t accepted = 0;
  report("replay_window", measure(1000, [&] {
           for (int i = 0; i < 1000; i++) accepted += window.accept(counter++);
         }));
  if (accepted == 0) fmt::print("# nothing accepted\n");
}

void handshakes() {
  const protocol::LocalIdentity initiator(crypto::generate_private_key());
  const protocol::LocalIdentity responder(crypto::generate_private_key());
  const auto shared = crypto::agree(initiator.private_key, responder.public_key).value();
  report("x25519",
         measure(1, [&] { (void)crypto::agree(initiator.private_key, responder.public_key); }));
  protocol::Initiation initiation;
  const auto pending = protocol::PendingInitiation::begin(
      {.local = initiator, .remote = responder.public_key, .static_static = shared},
      protocol::ReceiverIndex{1}, {}, initiation);
  protocol::Response response;
  report("handshake_responder", measure(1, [&] {
           auto received = protocol::ReceivedInitiation::open(responder, initiation);
           (void)received->authenticate(shared);
           (void)received->respond({}, protocol::ReceiverIndex{2}, crypto::generate_private_key(),
                                   response);
         }));
}

}  // namespace

int main() {
  if (!crypto::initialise()) return 1;
  fmt::print("# AEAD: {}\n", crypto::train_library());
  aead();
  checksums();
  allowed_ips();
  replay_window();
  handshakes();
}
