// Eight packets side by side: AVX2.
//
// The same way as kernel_avx512.cpp with half the lanes and half the vectors: 64 bytes of key
// stream are two rows of 32 for each packet, and Poly1305 takes four packets at a time. There are
// no masked loads of bytes: the last bytes of a packet go through a block on the stack.
//
// Nothing here has external linkage but the kernel's table, for the same reason as there.
#include <immintrin.h>

#include "crypto/train/chacha20_lanes.hpp"
#include "crypto/train/kernel_parts.hpp"
#include "crypto/train/poly1305_radix26.hpp"

namespace wg::train {

extern const Kernel kAvx2Kernel;

namespace {

constexpr std::size_t kLanes = 8;
constexpr std::size_t kHalf = 4;  // packets that one Poly1305 takes
constexpr std::size_t kRow = 32;

struct Words {
  __m256i v;

  [[gnu::always_inline]] static Words all(std::uint32_t word) {
    return {_mm256_set1_epi32(static_cast<int>(word))};
  }
  template <int kBits>
  [[gnu::always_inline]] Words rotated() const {
    if constexpr (kBits == 16) {
      return shuffled(0x0d0c0f0e09080b0a, 0x0504070601000302);
    } else if constexpr (kBits == 8) {
      return shuffled(0x0e0d0c0f0a09080b, 0x0605040702010003);
    } else {
      return {_mm256_or_si256(_mm256_slli_epi32(v, kBits), _mm256_srli_epi32(v, 32 - kBits))};
    }
  }
  [[gnu::always_inline]] Words shuffled(std::int64_t high, std::int64_t low) const {
    return {_mm256_shuffle_epi8(v, _mm256_set_epi64x(high, low, high, low))};
  }
  [[gnu::always_inline]] friend Words operator+(Words a, Words b) {
    return {_mm256_add_epi32(a.v, b.v)};
  }
  [[gnu::always_inline]] friend Words operator^(Words a, Words b) {
    return {_mm256_xor_si256(a.v, b.v)};
  }
};

struct Wide {
  __m256i v;

  [[gnu::always_inline]] static Wide all(std::uint64_t value) {
    return {_mm256_set1_epi64x(static_cast<long long>(value))};
  }
  template <int kBits>
  [[gnu::always_inline]] Wide right() const {
    return {_mm256_srli_epi64(v, kBits)};
  }
  template <int kBits>
  [[gnu::always_inline]] Wide left() const {
    return {_mm256_slli_epi64(v, kBits)};
  }
  template <int kBits>
  [[gnu::always_inline]] Wide left_cut() const {
    return {_mm256_slli_epi64(v, kBits)};
  }
  [[gnu::always_inline]] friend Wide operator+(Wide a, Wide b) {
    return {_mm256_add_epi64(a.v, b.v)};
  }
  [[gnu::always_inline]] friend Wide operator&(Wide a, Wide b) {
    return {_mm256_and_si256(a.v, b.v)};
  }
  [[gnu::always_inline]] friend Wide operator|(Wide a, Wide b) {
    return {_mm256_or_si256(a.v, b.v)};
  }
  [[gnu::always_inline]] friend Wide wrapping_sum(Wide a, Wide b) { return a + b; }
  [[gnu::always_inline]] friend Wide without(Wide a, Wide b) {
    return {_mm256_andnot_si256(b.v, a.v)};
  }
  [[gnu::always_inline]] friend Wide product(Wide a, Wide b) {
    return {_mm256_mul_epu32(a.v, b.v)};
  }
};
using Poly1305 = Poly1305Radix26<Wide>;

/// One for packets 0…3 and one for 4…7.
struct Macs {
  Poly1305 first, second;
};

/// 8 × 8 words: x[word] over packets becomes x[packet] over words.
[[gnu::always_inline]] inline void transpose_words(Words* x) {
  __m256i t[8], u[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_epi32(x[i].v, x[i + 1].v);
    t[i + 1] = _mm256_unpackhi_epi32(x[i].v, x[i + 1].v);
  }
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int j = 0; j < 4; j++) {
    x[j].v = _mm256_permute2x128_si256(u[j], u[4 + j], 0x20);
    x[4 + j].v = _mm256_permute2x128_si256(u[j], u[4 + j], 0x31);
  }
}

/// 4 × 4 lanes of 64 bits: rows[packet] over its bytes becomes rows[place] over packets.
[[gnu::always_inline]] inline void transpose_wide(__m256i* rows) {
  const __m256i a = _mm256_unpacklo_epi64(rows[0], rows[1]);
  const __m256i b = _mm256_unpackhi_epi64(rows[0], rows[1]);
  const __m256i c = _mm256_unpacklo_epi64(rows[2], rows[3]);
  const __m256i d = _mm256_unpackhi_epi64(rows[2], rows[3]);
  rows[0] = _mm256_permute2x128_si256(a, c, 0x20);
  rows[1] = _mm256_permute2x128_si256(b, d, 0x20);
  rows[2] = _mm256_permute2x128_si256(a, c, 0x31);
  rows[3] = _mm256_permute2x128_si256(b, d, 0x31);
}

/// The one-time keys of packets 0…3 or 4…7 out of block 0's first eight words.
template <int kWhich>
[[gnu::always_inline]] inline Poly1305 keyed(const Words (&block0)[16]) {
  const auto half = [&](int i) __attribute__((always_inline)) {
    return Wide{_mm256_cvtepu32_epi64(_mm256_extracti128_si256(block0[i].v, kWhich))};
  };
  const auto pair = [&](int i) __attribute__((always_inline)) {
    return half(i) | half(i + 1).template left<32>();
  };
  return Poly1305(pair(0), pair(2), pair(4), pair(6));
}

[[gnu::always_inline]] inline void finish(Poly1305& mac, Tags& tags, std::size_t first) {
  Wide low, high;
  mac.finish(low, high);
  _mm256_store_si256(reinterpret_cast<__m256i*>(tags.low + first), low.v);
  _mm256_store_si256(reinterpret_cast<__m256i*>(tags.high + first), high.v);
}

[[gnu::always_inline]] inline __m256i load(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
[[gnu::always_inline]] inline void store(void* to, __m256i v) {
  _mm256_storeu_si256(static_cast<__m256i*>(to), v);
}

/// Crypts 32 bytes of each packet from `at` on with transposed key stream, and takes the ciphertext
/// into the tags.
template <bool kOpen>
[[gnu::always_inline]] inline void crypt_row(const Group& group, std::size_t at, const Words* x,
                                             Macs& macs) {
  __m256i rows[kLanes];
#pragma GCC unroll 8
  for (std::size_t i = 0; i < kLanes; i++) {
    rows[i] = _mm256_setzero_si256();
    if (i >= group.count) continue;
    const __m256i in = load(group.sources[i] + at);
    const __m256i out = _mm256_xor_si256(x[i].v, in);
    store(group.targets[i] + at, out);
    rows[i] = kOpen ? in : out;
  }
  transpose_wide(rows);
  transpose_wide(rows + kHalf);
  macs.first.block(Wide{rows[0]}, Wide{rows[1]});
  macs.second.block(Wide{rows[4]}, Wide{rows[5]});
  macs.first.block(Wide{rows[2]}, Wide{rows[3]});
  macs.second.block(Wide{rows[6]}, Wide{rows[7]});
}

/// The last bytes, fewer than 64: through `bytes`, zeros after them.
template <bool kOpen>
[[gnu::always_inline]] inline void crypt_tail(const Group& group, std::size_t at, const Words* x,
                                              Macs& macs) {
  const std::size_t left = group.size - at;
  alignas(32) std::byte bytes[kLanes][kBlock] = {};
  const std::byte* places[kLanes];
  for (std::size_t i = 0; i < kLanes; i++) places[i] = bytes[i];
  for (std::size_t i = 0; i < group.count; i++) {
    std::memcpy(bytes[i], group.sources[i] + at, left);
    alignas(32) std::byte out[kBlock];
    store(out, _mm256_xor_si256(x[i].v, load(bytes[i])));
    store(out + kRow, _mm256_xor_si256(x[kLanes + i].v, load(bytes[i] + kRow)));
    std::memcpy(group.targets[i] + at, out, left);
    if (!kOpen) std::memcpy(bytes[i], out, left);
  }
  for (std::size_t block = 0; block < (left + kMacBlock - 1) / kMacBlock; block++) {
    const auto gather = [&](std::size_t first, std::size_t offset) {
      return Wide{load(Gathered<kHalf>(places + first, offset).lanes)};
    };
    const std::size_t offset = block * kMacBlock;
    macs.first.block(gather(0, offset), gather(0, offset + 8));
    macs.second.block(gather(kHalf, offset), gather(kHalf, offset + 8));
  }
}

/// Crypts the group and computes the tags.
template <bool kOpen>
[[gnu::noinline]] void crypt(const Group& group, Tags& tags) {
  alignas(32) std::uint32_t low[kLanes], high[kLanes];
  for (std::size_t i = 0; i < kLanes; i++) {
    low[i] = static_cast<std::uint32_t>(group.counters[i]);
    high[i] = static_cast<std::uint32_t>(group.counters[i] >> 32);
  }
  const ChaCha20Lanes<Words> stream(group.key->words.data(), group.key->nonce_prefix,
                                    Words{load(low)}, Words{load(high)});
  const auto nothing = [](auto) __attribute__((always_inline)) {};
  Words x[16];
  stream.block(0, x, nothing);
  Macs macs{keyed<0>(x), keyed<1>(x)};
  std::uint32_t number = 1;
  for (std::size_t at = 0; at < group.size; at += kBlock, number++) {
    stream.block(number, x, nothing);
    transpose_words(x);
    transpose_words(x + kLanes);
    if (group.size - at >= kBlock) {
      crypt_row<kOpen>(group, at, x, macs);
      crypt_row<kOpen>(group, at + kRow, x + kLanes, macs);
    } else {
      crypt_tail<kOpen>(group, at, x, macs);
    }
  }
  // The lengths: no additional data, and the ciphertext's.
  macs.first.block(Wide::all(0), Wide::all(group.size));
  macs.second.block(Wide::all(0), Wide::all(group.size));
  finish(macs.first, tags, 0);
  finish(macs.second, tags, kHalf);
}

void seal(const Group& group) {
  Tags tags;
  crypt<false>(group, tags);
  write_tags(group, tags);
}

std::uint32_t open(const Group& group) {
  Tags tags;
  crypt<true>(group, tags);
  return compare_tags(group, tags);
}

void authenticate(const MacGroup& group) {
  Tags tags;
  for (std::size_t first = 0; first < kLanes; first += kHalf) {
    const auto gather = [&](const auto& places, std::size_t offset) {
      return Wide{load(Gathered<kHalf>(places.data() + first, offset).lanes)};
    };
    Poly1305 mac(gather(group.keys, 0), gather(group.keys, 8), gather(group.keys, 16),
                 gather(group.keys, 24));
    for (std::size_t at = 0; at < group.blocks * kMacBlock; at += kMacBlock) {
      mac.block(gather(group.messages, at), gather(group.messages, at + 8));
    }
    finish(mac, tags, first);
  }
  for (std::size_t i = 0; i < kLanes; i++) write_tag(group.tags[i], tags, i);
}

void wipe_registers() {
  _mm256_zeroall();
}

/// Multiplying 32 bits at a time, Poly1305 costs as much here as in a library that seals one packet
/// with AVX2: what is gained is the start of each packet, and that counts for short ones.
bool pays(std::size_t size, std::size_t count) {
  if (size <= 64) return count >= 5;
  if (size <= 128) return count >= 6;
  return size <= 512 && count == kLanes;
}

}  // namespace

const Kernel kAvx2Kernel{.name = "avx2",
                         .lanes = kLanes,
                         .least = 5,
                         .pays = pays,
                         .seal = seal,
                         .open = open,
                         .authenticate = authenticate,
                         .wipe_registers = wipe_registers};

}  // namespace wg::train
