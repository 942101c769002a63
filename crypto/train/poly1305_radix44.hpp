// Poly1305 (RFC 8439 2.5) for as many messages as a vector has lanes of 64 bits, each with its own
// key, by 52-bit multiply-add: numbers modulo p = 2^130 - 5 in three limbs of 44, 44 and 42 bits.
//
// `Wide`: a vector of 64-bit lanes (the operations are used below and nothing else). The template
// is also made for intervals instead of numbers: tests/crypto/poly1305_test.cpp walks it with the
// largest inputs and so proves the bounds that are written here.
#pragma once

#include <cstdint>

namespace wg::train {

/// `kAtOnce`: 1, or 4 to take four blocks with one round of carries, each times its power of r:
/// (h + m1) r^4, m2 r^3, m3 r^2, m4 r. The powers cost three multiplications at the start.
template <class Wide, int kAtOnce>
class Poly1305Radix44 {
 public:
  static constexpr std::uint64_t kLimb44 = (1ull << 44) - 1;
  static constexpr std::uint64_t kLimb42 = (1ull << 42) - 1;
  // What is left between blocks stays under these. The multiplier takes 52 bits of each factor, so
  // there is room for a block of 44, 44 and 42 bits (its 2^128 included) to be added.
  static constexpr std::uint64_t kH0Max = (1ull << 51) - 1;
  static constexpr std::uint64_t kH1Max = (1ull << 45) - 1;
  static constexpr std::uint64_t kH2Max = kLimb42;
  static constexpr std::uint64_t kFactorMax = (1ull << 50) - 1;  // 20 times a limb of a power of r

  /// The one-time key, as little-endian halves: r (to be clamped) and s.
  [[gnu::always_inline]] Poly1305Radix44(Wide r_low, Wide r_high, Wide s_low, Wide s_high)
      : s_low_(s_low), s_high_(s_high) {
    r_low = r_low & Wide::all(0x0ffffffc0fffffff);
    r_high = r_high & Wide::all(0x0ffffffc0ffffffc);
    const Number r{limb0(r_low), limb1(r_low, r_high), limb2(r_high)};
    power_[0] = Factor(r);
    Number power = r;
    for (int i = 1; i < kAtOnce; i++) {
      power = carried_once_more(Products(power, power_[0]).carried());
      power_[i] = Factor(power);
    }
    h_ = {Wide::all(0), Wide::all(0), Wide::all(0)};
  }

  /// A whole block of 16 bytes.
  [[gnu::always_inline]] void block(Wide low, Wide high) {
    h_ = Products(h_ + message(low, high), power_[0]).carried();
  }

  /// Four whole blocks, piece by piece: `add_block` 0, 1, 2, 3, then `finish_four`.
  template <int kBlock>
  [[gnu::always_inline]] void add_block(Wide low, Wide high) {
    if constexpr (kBlock == 0) {
      sum_ = Products(h_ + message(low, high), power_[3]);
    } else {
      sum_.add(message(low, high), power_[3 - kBlock]);
    }
  }
  [[gnu::always_inline]] void finish_four() { h_ = carried_once_more(sum_.carried()); }

  /// The tag, as little-endian halves: h modulo p, plus s modulo 2^128.
  [[gnu::always_inline]] void finish(Wide& low, Wide& high) {
    carry_around();
    carry_around();
    carry_up();
    // h < 2^130 now. 1 if h >= p, which is if h + 5 reaches 2^130; then h - p = h + 5 - 2^130.
    const Wide over =
        (h_.l2 + (h_.l1 + (h_.l0 + Wide::all(5)).template right<44>()).template right<44>())
            .template right<42>();
    h_.l0 = h_.l0 + over + over.template left<2>();
    carry_up();
    h_.l2 = h_.l2 & Wide::all(kLimb42);
    const Wide h_low = h_.l0 | h_.l1.template left_cut<44>();
    const Wide h_high = h_.l1.template right<20>() | h_.l2.template left_cut<24>();
    low = wrapping_sum(h_low, s_low_);
    const Wide carry = ((h_low & s_low_) | without(h_low | s_low_, low)).template right<63>();
    high = wrapping_sum(wrapping_sum(h_high, s_high_), carry);
  }

  /// For the proof of the bounds: sets the limbs between blocks.
  void set_limbs(Wide h0, Wide h1, Wide h2) { h_ = {h0, h1, h2}; }
  /// For the proof: `under(limb, bound)` of every limb that is kept between blocks.
  template <class Under>
  [[nodiscard]] bool within_bounds(Under&& under) const {
    bool all = under(h_.l0, kH0Max) && under(h_.l1, kH1Max) && under(h_.l2, kH2Max);
    for (const Factor& factor : power_) {
      all = all && under(factor.l1x20, kFactorMax) && under(factor.l2x20, kFactorMax);
    }
    return all;
  }

 private:
  /// A number in limbs.
  struct Number {
    Wide l0, l1, l2;
    [[gnu::always_inline]] friend Number operator+(Number a, Number b) {
      return {a.l0 + b.l0, a.l1 + b.l1, a.l2 + b.l2};
    }
  };

  /// A number to multiply by. 2^132 is 4 * 2^130, and that is 4 * 5 modulo p: what overflows the
  /// limbs comes back 20 times.
  struct Factor {
    Wide l0, l1, l2, l1x20, l2x20;
    Factor() = default;
    [[gnu::always_inline]] explicit Factor(Number n)
        : l0(n.l0), l1(n.l1), l2(n.l2), l1x20(times20(n.l1)), l2x20(times20(n.l2)) {}
  };

  /// A sum of products. Each product of limbs is two numbers: its low 52 bits go to `a`, the rest
  /// to `b`, which so weighs 2^52 times as much.
  struct Products {
    Wide a0, a1, a2, b0, b1, b2;

    Products() = default;
    [[gnu::always_inline]] Products(Number x, const Factor& y) {
      a0 = a1 = a2 = b0 = b1 = b2 = Wide::all(0);
      add(x, y);
    }
    [[gnu::always_inline]] void add(Number x, const Factor& y) {
      add(a0, b0, x.l0, y.l0), add(a1, b1, x.l0, y.l1), add(a2, b2, x.l0, y.l2);
      add(a0, b0, x.l1, y.l2x20), add(a1, b1, x.l1, y.l0), add(a2, b2, x.l1, y.l1);
      add(a0, b0, x.l2, y.l1x20), add(a1, b1, x.l2, y.l2x20), add(a2, b2, x.l2, y.l0);
    }
    [[gnu::always_inline]] static void add(Wide& a, Wide& b, Wide x, Wide y) {
      a = multiply_add_low(a, x, y);
      b = multiply_add_high(b, x, y);
    }
    /// Carried up once and around; the lowest limb keeps what came around.
    [[gnu::always_inline]] Number carried() const {
      const Wide c1 = a1 + (a0.template right<44>() + b0.template left<8>());  // 52 - 44 = 8
      const Wide c2 = a2 + (c1.template right<44>() + b1.template left<8>());
      const Wide around = c2.template right<42>() + b2.template left<10>();  // 52 - 42 = 10
      return {(a0 & Wide::all(kLimb44)) + (around + around.template left<2>()),
              c1 & Wide::all(kLimb44), c2 & Wide::all(kLimb42)};
    }
  };

  [[gnu::always_inline]] static Number message(Wide low, Wide high) {
    // The 2^128 that marks a whole block is bit 40 of the upper limb.
    return {limb0(low), limb1(low, high), limb2(high) | Wide::all(1ull << 40)};
  }
  [[gnu::always_inline]] static Number carried_once_more(Number n) {
    return {n.l0 & Wide::all(kLimb44), n.l1 + n.l0.template right<44>(), n.l2};
  }

  [[gnu::always_inline]] static Wide limb0(Wide low) { return low & Wide::all(kLimb44); }
  [[gnu::always_inline]] static Wide limb1(Wide low, Wide high) {
    return Wide::template funnel_left<20>(high, low) & Wide::all(kLimb44);
  }
  [[gnu::always_inline]] static Wide limb2(Wide high) { return high.template right<24>(); }
  [[gnu::always_inline]] static Wide times20(Wide limb) {
    return limb.template left<4>() + limb.template left<2>();
  }

  [[gnu::always_inline]] void carry_up() {
    h_.l1 = h_.l1 + h_.l0.template right<44>();
    h_.l0 = h_.l0 & Wide::all(kLimb44);
    h_.l2 = h_.l2 + h_.l1.template right<44>();
    h_.l1 = h_.l1 & Wide::all(kLimb44);
  }
  [[gnu::always_inline]] void carry_around() {
    carry_up();
    const Wide carry = h_.l2.template right<42>();
    h_.l2 = h_.l2 & Wide::all(kLimb42);
    h_.l0 = h_.l0 + (carry + carry.template left<2>());
  }

  Factor power_[kAtOnce];  // r, r^2, …
  Wide s_low_, s_high_;
  Number h_;
  Products sum_;
};

}  // namespace wg::train
