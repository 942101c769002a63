// Trains: every kernel against the library and so against each other. The input is a key, a nonce's
// prefix and a first counter, then packets: two bytes of length, a byte of how it is done,
// contents.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "crypto/aead.hpp"
#include "crypto/train/kernel.hpp"

using namespace wg;

namespace {

using Bytes = std::vector<std::byte>;

constexpr std::size_t kPacketsMax = 80;
constexpr std::size_t kSizeMax = 2048;

struct Input {
  crypto::SymmetricKey key;
  std::uint32_t prefix = 0;
  std::uint64_t counter = 0;
  struct Packet {
    Bytes plain;
    bool forged;
  };
  std::vector<Packet> packets;

  bool parse(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t kFixed = 32 + 4 + 8;
    if (size < kFixed) return false;
    std::memcpy(key.data(), data, 32);
    std::memcpy(&prefix, data + 32, 4);
    std::memcpy(&counter, data + 36, 8);
    for (std::size_t at = kFixed; at + 3 <= size && packets.size() < kPacketsMax;) {
      const std::size_t length = (data[at] | std::size_t{data[at + 1]} << 8) % (kSizeMax + 1);
      const std::size_t copies = 1 + data[at + 2] % 17;  // of one length: a kernel's meat
      const bool forged = data[at + 2] >= 0x80;
      at += 3;
      Bytes plain(length, std::byte{data[at - 1]});
      const std::size_t there = std::min(length, size - at);
      if (there > 0) std::memcpy(plain.data(), data + at, there);
      at += there;
      for (std::size_t i = 0; i < copies && packets.size() < kPacketsMax; i++) {
        packets.push_back({plain, forged && i == copies / 2});
      }
    }
    return !packets.empty();
  }
};

/// What a train of the input becomes, and, with some packets forged, becomes again.
struct Output {
  std::vector<Bytes> sealed, opened;
  std::vector<bool> authentic;
  bool operator==(const Output&) const = default;
};

Output run(const train::Kernel* kernel, const Input& input, const train::OneByOne& library) {
  const train::Key key = train::make_key(input.key.bytes(), input.prefix);
  Output output;
  std::vector<train::SealPacket> seal;
  std::vector<train::OpenPacket> open;
  for (const auto& packet : input.packets) {
    Bytes& sealed = output.sealed.emplace_back(packet.plain);
    sealed.resize(packet.plain.size() + train::kTagBytes);
  }
  for (std::size_t i = 0; i < output.sealed.size(); i++) {
    std::byte* const at = output.sealed[i].data();
    seal.push_back({input.counter + i, at, at, input.packets[i].plain.size()});
  }
  train::seal_train(kernel, key, seal, library);
  output.opened = output.sealed;
  for (std::size_t i = 0; i < output.opened.size(); i++) {
    Bytes& packet = output.opened[i];
    if (input.packets[i].forged) packet[i % packet.size()] ^= std::byte{1};
    open.push_back(
        {input.counter + i, packet.data(), packet.data(), input.packets[i].plain.size()});
  }
  train::open_train(kernel, key, open, library);
  for (std::size_t i = 0; i < open.size(); i++) {
    output.authentic.push_back(open[i].authentic);
    // What a library leaves of a packet that is not authentic is its own affair.
    output.opened[i].resize(open[i].authentic ? open[i].size : 0);
    if (open[i].authentic == input.packets[i].forged) std::abort();
    if (open[i].authentic && output.opened[i] != input.packets[i].plain) std::abort();
  }
  return output;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input;
  if (!input.parse(data, size)) return 0;
  const auto library = crypto::make_library_key(input.key, input.prefix);
  const Output expected = run(nullptr, input, *library);
  for (const train::Kernel* usable : train::usable_kernels()) {
    train::Kernel forced = *usable;
    forced.least = 1;
    forced.pays = [](std::size_t, std::size_t) { return true; };
    if (run(&forced, input, *library) != expected) std::abort();
    if (run(usable, input, *library) != expected) std::abort();
  }
  return 0;
}
