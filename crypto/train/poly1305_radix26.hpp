// Poly1305 (RFC 8439 2.5) for as many messages as a vector has lanes of 64 bits, each with its own
// key, by multiplication of 32 by 32 bits: numbers modulo p = 2^130 - 5 in five limbs of 26 bits.
//
// `Wide`: a vector of 64-bit lanes. As with poly1305_radix44.hpp, the template is also made for
// intervals, which proves the bounds: tests/crypto/poly1305_test.cpp.
#pragma once

#include <cstdint>

namespace wg::train {

template <class Wide>
class Poly1305Radix26 {
 public:
  static constexpr std::uint64_t kLimb = (1ull << 26) - 1;
  // What is left between blocks stays under this in every limb; the multiplier takes 32 bits.
  static constexpr std::uint64_t kLimbMax = (1ull << 27) - 1;

  /// The one-time key, as little-endian halves: r (to be clamped) and s.
  [[gnu::always_inline]] Poly1305Radix26(Wide r_low, Wide r_high, Wide s_low, Wide s_high)
      : s_low_(s_low), s_high_(s_high) {
    split(r_low & Wide::all(0x0ffffffc0fffffff), r_high & Wide::all(0x0ffffffc0ffffffc), r_);
    // 2^130 is 5 modulo p: what overflows the limbs comes back 5 times.
    for (int i = 0; i < 4; i++) r_x5_[i] = times5(r_[i + 1]);
    for (auto& limb : h_) limb = Wide::all(0);
  }

  /// A whole block of 16 bytes.
  [[gnu::always_inline]] void block(Wide low, Wide high) {
    Wide m[5];
    split(low, high, m);
    const Wide h0 = h_[0] + m[0], h1 = h_[1] + m[1], h2 = h_[2] + m[2], h3 = h_[3] + m[3];
    const Wide h4 = h_[4] + (m[4] | Wide::all(1ull << 24));  // the 2^128 that marks a whole block
    const Wide r0 = r_[0], r1 = r_[1], r2 = r_[2], r3 = r_[3], r4 = r_[4];
    const Wide r1x5 = r_x5_[0], r2x5 = r_x5_[1], r3x5 = r_x5_[2], r4x5 = r_x5_[3];
    Wide d0 = product(h0, r0) + product(h1, r4x5) + product(h2, r3x5) + product(h3, r2x5) +
              product(h4, r1x5);
    Wide d1 = product(h0, r1) + product(h1, r0) + product(h2, r4x5) + product(h3, r3x5) +
              product(h4, r2x5);
    Wide d2 =
        product(h0, r2) + product(h1, r1) + product(h2, r0) + product(h3, r4x5) + product(h4, r3x5);
    Wide d3 =
        product(h0, r3) + product(h1, r2) + product(h2, r1) + product(h3, r0) + product(h4, r4x5);
    Wide d4 =
        product(h0, r4) + product(h1, r3) + product(h2, r2) + product(h3, r1) + product(h4, r0);
    // Two chains of carries beside each other: 0, 1, 2, 3, 4 and 3, 4, 0, 1.
    carry(d0, d1), carry(d3, d4);
    carry(d1, d2), carry_around(d4, d0);
    carry(d2, d3), carry(d0, d1);
    carry(d3, d4);
    h_[0] = d0, h_[1] = d1, h_[2] = d2, h_[3] = d3, h_[4] = d4;
  }

  /// The tag, as little-endian halves: h modulo p, plus s modulo 2^128.
  [[gnu::always_inline]] void finish(Wide& low, Wide& high) {
    Wide h0 = h_[0], h1 = h_[1], h2 = h_[2], h3 = h_[3], h4 = h_[4];
    const auto carry_up = [&]() __attribute__((always_inline)) {
      carry(h0, h1), carry(h1, h2), carry(h2, h3), carry(h3, h4);
    };
    carry_up(), carry_around(h4, h0);
    carry_up(), carry_around(h4, h0);
    carry_up();
    // h < 2^130 now. 1 if h >= p, which is if h + 5 reaches 2^130; then h - p = h + 5 - 2^130.
    Wide over = (h0 + Wide::all(5)).template right<26>();
    over = (h1 + over).template right<26>();
    over = (h2 + over).template right<26>();
    over = (h3 + over).template right<26>();
    over = (h4 + over).template right<26>();
    h0 = h0 + times5(over);
    carry_up();
    h4 = h4 & Wide::all(kLimb);
    const Wide h_low = h0 | h1.template left<26>() | h2.template left_cut<52>();
    const Wide h_high =
        h2.template right<12>() | h3.template left<14>() | h4.template left_cut<40>();
    low = wrapping_sum(h_low, s_low_);
    const Wide carried = ((h_low & s_low_) | without(h_low | s_low_, low)).template right<63>();
    high = wrapping_sum(wrapping_sum(h_high, s_high_), carried);
  }

  /// For the proof of the bounds: sets all limbs between blocks.
  void set_limbs(Wide limb) {
    for (auto& h : h_) h = limb;
  }
  /// For the proof: `under(limb, bound)` of every limb that is kept between blocks.
  template <class Under>
  [[nodiscard]] bool within_bounds(Under&& under) const {
    bool all = true;
    for (const auto& h : h_) all = all && under(h, kLimbMax);
    return all;
  }

 private:
  [[gnu::always_inline]] static void split(Wide low, Wide high, Wide (&limbs)[5]) {
    limbs[0] = low & Wide::all(kLimb);
    limbs[1] = low.template right<26>() & Wide::all(kLimb);
    limbs[2] = (low.template right<52>() | high.template left_cut<12>()) & Wide::all(kLimb);
    limbs[3] = high.template right<14>() & Wide::all(kLimb);
    limbs[4] = high.template right<40>();
  }
  [[gnu::always_inline]] static Wide times5(Wide x) { return x + x.template left<2>(); }
  [[gnu::always_inline]] static void carry(Wide& from, Wide& to) {
    to = to + from.template right<26>();
    from = from & Wide::all(kLimb);
  }
  [[gnu::always_inline]] static void carry_around(Wide& from, Wide& to) {
    to = to + times5(from.template right<26>());
    from = from & Wide::all(kLimb);
  }

  Wide r_[5];
  Wide r_x5_[4];  // of limbs 1…4
  Wide s_low_, s_high_;
  Wide h_[5];
};

}  // namespace wg::train
