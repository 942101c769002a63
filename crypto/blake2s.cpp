#include "crypto/blake2s.hpp"

#include <blake2.h>

#include <algorithm>
#include <cassert>
#include <cstdint>

namespace wg::crypto {
namespace {

constexpr std::size_t kBlockBytes = 64;
constexpr std::byte kInnerPad{0x36};
constexpr std::byte kOuterPad{0x5c};

/// A BLAKE2s state that wipes itself: it may have absorbed secrets.
class State {
 public:
  explicit State(std::size_t out_size) noexcept { blake2s_init(&state_, out_size); }
  State(std::size_t out_size, ByteView key) noexcept {
    blake2s_init_key(&state_, out_size, key.data(), key.size());
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { sodium_memzero(&state_, sizeof state_); }

  void update(ByteView part) noexcept {
    blake2s_update(&state_, reinterpret_cast<const std::uint8_t*>(part.data()), part.size());
  }
  void finish(std::span<std::byte> out) noexcept {
    blake2s_final(&state_, reinterpret_cast<std::uint8_t*>(out.data()), out.size());
  }

 private:
  blake2s_state state_;
};

}  // namespace

Hash hash(std::initializer_list<ByteView> parts) noexcept {
  State state(kHashBytes);
  for (ByteView part : parts) state.update(part);
  Hash out;
  state.finish(out);
  return out;
}

Mac mac(ByteView key, std::initializer_list<ByteView> parts) noexcept {
  State state(kMacBytes, key);
  for (ByteView part : parts) state.update(part);
  Mac out;
  state.finish(out);
  return out;
}

void hmac(ByteView key, std::initializer_list<ByteView> parts,
          std::span<std::byte, kHashBytes> out) noexcept {
  assert(key.size() <= kBlockBytes);
  std::array<std::byte, kBlockBytes> pad{};
  std::copy(key.begin(), key.end(), pad.begin());
  for (auto& byte : pad) byte ^= kInnerPad;
  State inner(kHashBytes);
  inner.update(pad);
  for (ByteView part : parts) inner.update(part);
  SymmetricKey inner_hash;
  inner.finish(inner_hash.bytes());

  for (auto& byte : pad) byte ^= kInnerPad ^ kOuterPad;
  State outer(kHashBytes);
  outer.update(pad);
  outer.update(inner_hash.bytes());
  outer.finish(out);
  sodium_memzero(pad.data(), pad.size());
}

void kdf(ByteView key, ByteView input,
         std::initializer_list<std::span<std::byte, kHashBytes>> outputs) noexcept {
  SymmetricKey extracted;
  hmac(key, {input}, extracted.bytes());
  ByteView previous;
  std::byte number{0};
  for (auto out : outputs) {
    number = std::byte(std::to_integer<unsigned>(number) + 1);
    hmac(extracted.bytes(), {previous, ByteView(&number, 1)}, out);
    previous = out;
  }
}

}  // namespace wg::crypto
