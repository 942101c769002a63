// Sixteen packets side by side: AVX-512 (F, VL, BW, VBMI2) and IFMA.
//
// A group's way: block 0 of all key streams gives the one-time keys, already in lane form. Then, 64
// bytes of each packet at a time: a block of key stream, transposed so that a vector holds 64 bytes
// of one packet; xored onto the packet; and the ciphertext, which is in registers, transposed again
// so that a vector holds 8 bytes of eight packets each, for Poly1305.
//
// Nothing here has external linkage but the kernel's table: an inline function with this file's
// instructions could otherwise be taken by the linker for all the program.
#include <immintrin.h>

#include "crypto/train/chacha20_lanes.hpp"
#include "crypto/train/kernel_parts.hpp"
#include "crypto/train/poly1305_radix44.hpp"

namespace wg::train {

extern const Kernel kAvx512Kernel;

namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kHalf = 8;  // packets that one Poly1305 takes

struct Words {
  __m512i v;

  [[gnu::always_inline]] static Words all(std::uint32_t word) {
    return {_mm512_set1_epi32(static_cast<int>(word))};
  }
  template <int kBits>
  [[gnu::always_inline]] Words rotated() const {
    return {_mm512_rol_epi32(v, kBits)};
  }
  [[gnu::always_inline]] friend Words operator+(Words a, Words b) {
    return {_mm512_add_epi32(a.v, b.v)};
  }
  [[gnu::always_inline]] friend Words operator^(Words a, Words b) {
    return {_mm512_xor_si512(a.v, b.v)};
  }
};

struct Wide {
  __m512i v;

  [[gnu::always_inline]] static Wide all(std::uint64_t value) {
    return {_mm512_set1_epi64(static_cast<long long>(value))};
  }
  template <int kBits>
  [[gnu::always_inline]] Wide right() const {
    return {_mm512_srli_epi64(v, kBits)};
  }
  template <int kBits>
  [[gnu::always_inline]] Wide left() const {
    return {_mm512_slli_epi64(v, kBits)};
  }
  template <int kBits>
  [[gnu::always_inline]] Wide left_cut() const {
    return {_mm512_slli_epi64(v, kBits)};
  }
  /// The upper 64 bits of `high`:`low` shifted to the left.
  template <int kBits>
  [[gnu::always_inline]] static Wide funnel_left(Wide high, Wide low) {
    return {_mm512_shldi_epi64(high.v, low.v, kBits)};
  }
  [[gnu::always_inline]] friend Wide operator+(Wide a, Wide b) {
    return {_mm512_add_epi64(a.v, b.v)};
  }
  [[gnu::always_inline]] friend Wide operator&(Wide a, Wide b) {
    return {_mm512_and_si512(a.v, b.v)};
  }
  [[gnu::always_inline]] friend Wide operator|(Wide a, Wide b) {
    return {_mm512_or_si512(a.v, b.v)};
  }
  [[gnu::always_inline]] friend Wide wrapping_sum(Wide a, Wide b) { return a + b; }
  [[gnu::always_inline]] friend Wide without(Wide a, Wide b) {
    return {_mm512_andnot_si512(b.v, a.v)};
  }
  [[gnu::always_inline]] friend Wide multiply_add_low(Wide sum, Wide a, Wide b) {
    return {_mm512_madd52lo_epu64(sum.v, a.v, b.v)};
  }
  [[gnu::always_inline]] friend Wide multiply_add_high(Wide sum, Wide a, Wide b) {
    return {_mm512_madd52hi_epu64(sum.v, a.v, b.v)};
  }
};
template <int kAtOnce>
using Poly1305 = Poly1305Radix44<Wide, kAtOnce>;
/// One for packets 0…7 and one for 8…15.
template <int kAtOnce>
struct Macs {
  Poly1305<kAtOnce> first, second;
};
// Packets from here on take four blocks of Poly1305 at once.
constexpr std::size_t kFourAtOnceFrom = 512;

/// 16 × 16 words: x[word] over packets becomes x[packet] over words.
[[gnu::always_inline]] inline void transpose_words(Words (&x)[kLanes]) {
  __m512i t[16], u[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(x[i].v, x[i + 1].v);
    t[i + 1] = _mm512_unpackhi_epi32(x[i].v, x[i + 1].v);
  }
  for (int i = 0; i < 16; i += 4) {
    u[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    u[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    u[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    u[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int j = 0; j < 4; j++) {  // u[j + 4k] holds words 4k… of packets j, 4 + j, 8 + j, 12 + j
    const __m512i a = _mm512_shuffle_i32x4(u[j], u[4 + j], 0x88);
    const __m512i b = _mm512_shuffle_i32x4(u[8 + j], u[12 + j], 0x88);
    const __m512i c = _mm512_shuffle_i32x4(u[j], u[4 + j], 0xdd);
    const __m512i d = _mm512_shuffle_i32x4(u[8 + j], u[12 + j], 0xdd);
    x[j].v = _mm512_shuffle_i32x4(a, b, 0x88);
    x[8 + j].v = _mm512_shuffle_i32x4(a, b, 0xdd);
    x[4 + j].v = _mm512_shuffle_i32x4(c, d, 0x88);
    x[12 + j].v = _mm512_shuffle_i32x4(c, d, 0xdd);
  }
}

/// 8 × 8 lanes of 64 bits: rows[packet] over its bytes becomes rows[place] over packets.
[[gnu::always_inline]] inline void transpose_wide(__m512i* rows) {
  __m512i t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm512_unpacklo_epi64(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi64(rows[i], rows[i + 1]);
  }
  for (int j = 0; j < 2; j++) {
    const __m512i a = _mm512_shuffle_i64x2(t[j], t[2 + j], 0x88);
    const __m512i b = _mm512_shuffle_i64x2(t[4 + j], t[6 + j], 0x88);
    const __m512i c = _mm512_shuffle_i64x2(t[j], t[2 + j], 0xdd);
    const __m512i d = _mm512_shuffle_i64x2(t[4 + j], t[6 + j], 0xdd);
    rows[j] = _mm512_shuffle_i64x2(a, b, 0x88);
    rows[4 + j] = _mm512_shuffle_i64x2(a, b, 0xdd);
    rows[2 + j] = _mm512_shuffle_i64x2(c, d, 0x88);
    rows[6 + j] = _mm512_shuffle_i64x2(c, d, 0xdd);
  }
}

/// The one-time keys of packets 0…7 or 8…15 out of block 0's first eight words.
template <int kWhich, int kAtOnce>
[[gnu::always_inline]] inline Poly1305<kAtOnce> keyed(const Words (&block0)[kLanes]) {
  const auto half = [&](int i) __attribute__((always_inline)) {
    return Wide{_mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(block0[i].v, kWhich))};
  };
  const auto pair = [&](int i) __attribute__((always_inline)) {
    return half(i) | half(i + 1).template left<32>();
  };
  return Poly1305<kAtOnce>(pair(0), pair(2), pair(4), pair(6));
}

template <int kAtOnce>
[[gnu::always_inline]] inline void finish(Poly1305<kAtOnce>& mac, Tags& tags, std::size_t first) {
  Wide low, high;
  mac.finish(low, high);
  _mm512_store_si512(tags.low + first, low.v);
  _mm512_store_si512(tags.high + first, high.v);
}

/// The Poly1305 of 64 bytes of each packet, cut into ten pieces; `rows` is transposed.
template <int kPiece, int kAtOnce>
[[gnu::always_inline]] inline void absorb_piece(Macs<kAtOnce>& macs, const __m512i* rows) {
  if constexpr (kAtOnce == 4) {
    constexpr int kPart = kPiece % 5;
    Poly1305<4>& mac = kPiece < 5 ? macs.first : macs.second;
    const __m512i* const mine = kPiece < 5 ? rows : rows + kHalf;
    if constexpr (kPart == 4) {
      mac.finish_four();
    } else {
      mac.template add_block<kPart>(Wide{mine[2 * kPart]}, Wide{mine[2 * kPart + 1]});
    }
  } else if constexpr (kPiece < 8) {
    Poly1305<1>& mac = kPiece % 2 == 0 ? macs.first : macs.second;
    const __m512i* const mine = rows + (kPiece % 2) * kHalf + kPiece / 2 * 2;
    mac.block(Wide{mine[0]}, Wide{mine[1]});
  }
}

/// Crypts bytes `at`… of each packet, `left` of them but 64 at most, with the key stream `x`. The
/// ciphertext goes to `rows`, transposed for Poly1305, with zeros where there is none.
template <bool kOpen>
[[gnu::always_inline]] inline void crypt_block(const Group& group, std::size_t at, std::size_t left,
                                               Words (&x)[kLanes], __m512i (&rows)[kLanes]) {
  transpose_words(x);
  const __mmask64 bytes = left >= kBlock ? ~0ull : (1ull << left) - 1;
#pragma GCC unroll 16
  for (std::size_t i = 0; i < kLanes; i++) {
    rows[i] = _mm512_setzero_si512();
    if (i >= group.count) continue;
    if (left >= kBlock) {
      const __m512i in = _mm512_loadu_si512(group.sources[i] + at);
      const __m512i out = _mm512_xor_si512(x[i].v, in);
      _mm512_storeu_si512(group.targets[i] + at, out);
      rows[i] = kOpen ? in : out;
    } else {
      const __m512i in = _mm512_maskz_loadu_epi8(bytes, group.sources[i] + at);
      const __m512i out = _mm512_maskz_mov_epi8(bytes, _mm512_xor_si512(x[i].v, in));
      _mm512_mask_storeu_epi8(group.targets[i] + at, bytes, out);
      rows[i] = kOpen ? in : out;
    }
  }
  transpose_wide(rows);
  transpose_wide(rows + kHalf);
}

/// Crypts the group and computes the tags.
template <bool kOpen, int kAtOnce>
[[gnu::noinline]] void crypt(const Group& group, Tags& tags) {
  const __m512i counters0 = _mm512_loadu_si512(group.counters.data());
  const __m512i counters1 = _mm512_loadu_si512(group.counters.data() + kHalf);
  const auto join = [](__m256i a, __m256i b) __attribute__((always_inline)) {
    return Words{_mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1)};
  };
  const ChaCha20Lanes<Words> stream(
      group.key->words.data(), group.key->nonce_prefix,
      join(_mm512_cvtepi64_epi32(counters0), _mm512_cvtepi64_epi32(counters1)),
      join(_mm512_cvtepi64_epi32(_mm512_srli_epi64(counters0, 32)),
           _mm512_cvtepi64_epi32(_mm512_srli_epi64(counters1, 32))));
  const auto nothing = [](auto) __attribute__((always_inline)) {};
  Words x[kLanes];
  stream.block(0, x, nothing);
  Macs<kAtOnce> macs{keyed<0, kAtOnce>(x), keyed<1, kAtOnce>(x)};

  __m512i rows[kLanes];  // the ciphertext that Poly1305 takes next
  const auto absorb = [&](auto step) __attribute__((always_inline)) {
    absorb_piece<decltype(step)::value>(macs, rows);
  };
  std::uint32_t number = 1;
  std::size_t at = 0;
  const std::size_t tail = group.size % kBlock;
  if (group.size >= kBlock) {
    stream.block(number++, x, nothing);
    crypt_block<kOpen>(group, at, kBlock, x, rows);
    for (at = kBlock; at + kBlock <= group.size; at += kBlock) {
      stream.block(number++, x, absorb);
      crypt_block<kOpen>(group, at, kBlock, x, rows);
    }
    if (tail > 0) {
      stream.block(number++, x, absorb);
    } else {
      absorb(Step<0>{}), absorb(Step<1>{}), absorb(Step<2>{}), absorb(Step<3>{});
      absorb(Step<4>{}), absorb(Step<5>{}), absorb(Step<6>{}), absorb(Step<7>{});
      absorb(Step<8>{}), absorb(Step<9>{});
    }
  } else if (tail > 0) {
    stream.block(number++, x, nothing);
  }
  if (tail > 0) {
    crypt_block<kOpen>(group, at, tail, x, rows);
    for (std::size_t j = 0; j < (tail + kMacBlock - 1) / kMacBlock; j++) {
      macs.first.block(Wide{rows[2 * j]}, Wide{rows[2 * j + 1]});
      macs.second.block(Wide{rows[kHalf + 2 * j]}, Wide{rows[kHalf + 2 * j + 1]});
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
  group.size < kFourAtOnceFrom ? crypt<false, 1>(group, tags) : crypt<false, 4>(group, tags);
  write_tags(group, tags);
}

std::uint32_t open(const Group& group) {
  Tags tags;
  group.size < kFourAtOnceFrom ? crypt<true, 1>(group, tags) : crypt<true, 4>(group, tags);
  return compare_tags(group, tags);
}

void authenticate(const MacGroup& group) {
  Tags tags;
  for (std::size_t first = 0; first < kLanes; first += kHalf) {
    const auto gather = [&](const auto& places, std::size_t offset) {
      return Wide{_mm512_load_si512(Gathered<kHalf>(places.data() + first, offset).lanes)};
    };
    const auto half = [&](std::size_t i) {
      return gather(group.messages, i * sizeof(std::uint64_t));
    };
    Poly1305<4> mac(gather(group.keys, 0), gather(group.keys, 8), gather(group.keys, 16),
                    gather(group.keys, 24));
    std::size_t i = 0;  // in halves of a block
    for (; i + 8 <= 2 * group.blocks; i += 8) {
      mac.add_block<0>(half(i), half(i + 1));
      mac.add_block<1>(half(i + 2), half(i + 3));
      mac.add_block<2>(half(i + 4), half(i + 5));
      mac.add_block<3>(half(i + 6), half(i + 7));
      mac.finish_four();
    }
    for (; i < 2 * group.blocks; i += 2) mac.block(half(i), half(i + 1));
    finish(mac, tags, first);
  }
  for (std::size_t i = 0; i < kLanes; i++) write_tag(group.tags[i], tags, i);
}

void wipe_registers() {
  // VZEROALL reaches the lower sixteen; writing any part of the upper ones zeroes the rest.
  asm volatile(
      "vzeroall\n\t"
      "vpxorq %%xmm16, %%xmm16, %%xmm16\n\tvpxorq %%xmm17, %%xmm17, %%xmm17\n\t"
      "vpxorq %%xmm18, %%xmm18, %%xmm18\n\tvpxorq %%xmm19, %%xmm19, %%xmm19\n\t"
      "vpxorq %%xmm20, %%xmm20, %%xmm20\n\tvpxorq %%xmm21, %%xmm21, %%xmm21\n\t"
      "vpxorq %%xmm22, %%xmm22, %%xmm22\n\tvpxorq %%xmm23, %%xmm23, %%xmm23\n\t"
      "vpxorq %%xmm24, %%xmm24, %%xmm24\n\tvpxorq %%xmm25, %%xmm25, %%xmm25\n\t"
      "vpxorq %%xmm26, %%xmm26, %%xmm26\n\tvpxorq %%xmm27, %%xmm27, %%xmm27\n\t"
      "vpxorq %%xmm28, %%xmm28, %%xmm28\n\tvpxorq %%xmm29, %%xmm29, %%xmm29\n\t"
      "vpxorq %%xmm30, %%xmm30, %%xmm30\n\tvpxorq %%xmm31, %%xmm31, %%xmm31"
      :
      :
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20",
        "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30",
        "xmm31");
}

/// A group costs the same however many of its lanes are in use; one packet by the library costs a
/// third of the group at 64 bytes and a seventh at 1,424 (docs/performance.md).
bool pays(std::size_t size, std::size_t count) {
  if (size <= 128) return count >= 4;
  if (size <= 512) return count >= 6;
  return count >= 8;
}

}  // namespace

const Kernel kAvx512Kernel{.name = "avx512",
                           .lanes = kLanes,
                           .least = 4,
                           .pays = pays,
                           .seal = seal,
                           .open = open,
                           .authenticate = authenticate,
                           .wipe_registers = wipe_registers};

}  // namespace wg::train
