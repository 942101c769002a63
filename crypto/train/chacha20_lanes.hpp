// ChaCha20 (RFC 8439 2.3) for many packets under one key: lane i of every vector belongs to packet
// i, so key, constants and block number are the same in all lanes, and the nonces differ.
//
// `Words`: a vector of 32-bit words with `all(word)`, `+`, `^` and `rotated<bits>()` (to the left).
// It is a type of the kernel's own source file, so that what is made of this template stays in that
// file with its instructions.
#pragma once

#include <cstdint>

namespace wg::train {

/// A place between the rounds of a block.
template <int kStep>
struct Step {
  static constexpr int value = kStep;
};

template <class Words>
class ChaCha20Lanes {
 public:
  /// `counter_low`, `counter_high`: the halves of the packets' counters.
  [[gnu::always_inline]] ChaCha20Lanes(const std::uint32_t* key, std::uint32_t nonce_prefix,
                                       Words counter_low, Words counter_high)
      : nonce_{Words::all(nonce_prefix), counter_low, counter_high} {
    for (int i = 0; i < 8; i++) key_[i] = Words::all(key[i]);
    // Of the first round, only column 0 depends on the block number: the others are done here.
    for (int i = 1; i < 4; i++) {
      Words a = Words::all(kConstants[i]), b = key_[i], c = key_[4 + i], d = nonce_[i - 1];
      half_quarter<16>(a, b, d), half_quarter<12>(c, d, b);
      half_quarter<8>(a, b, d), half_quarter<7>(c, d, b);
      column_[i - 1] = {a, b, c, d};
    }
    column0_ = Words::all(kConstants[0]) + key_[0];
  }

  /// Block `number` of every packet's key stream: out[j] holds its word j. `between(step)` is
  /// called after each double round, with `step.value` 0…9: other work done there runs beside the
  /// rounds, on what they leave idle.
  template <class Between>
  [[gnu::always_inline]] void block(std::uint32_t number, Words (&out)[16],
                                    Between&& between) const {
    const Words n = Words::all(number);
    Words x0 = column0_, x4 = key_[0], x8 = key_[4], x12 = (n ^ x0).template rotated<16>();
    half_quarter<12>(x8, x12, x4), half_quarter<8>(x0, x4, x12), half_quarter<7>(x8, x12, x4);
    Words x1 = column_[0].a, x5 = column_[0].b, x9 = column_[0].c, x13 = column_[0].d;
    Words x2 = column_[1].a, x6 = column_[1].b, x10 = column_[1].c, x14 = column_[1].d;
    Words x3 = column_[2].a, x7 = column_[2].b, x11 = column_[2].c, x15 = column_[2].d;
    four_quarter_rounds(x0, x5, x10, x15, x1, x6, x11, x12, x2, x7, x8, x13, x3, x4, x9, x14);
    between(Step<0>{});
    const auto double_round = [&](auto step) __attribute__((always_inline)) {
      four_quarter_rounds(x0, x4, x8, x12, x1, x5, x9, x13, x2, x6, x10, x14, x3, x7, x11, x15);
      four_quarter_rounds(x0, x5, x10, x15, x1, x6, x11, x12, x2, x7, x8, x13, x3, x4, x9, x14);
      between(step);
    };
    double_round(Step<1>{}), double_round(Step<2>{}), double_round(Step<3>{});
    double_round(Step<4>{}), double_round(Step<5>{}), double_round(Step<6>{});
    double_round(Step<7>{}), double_round(Step<8>{}), double_round(Step<9>{});
    out[0] = x0 + Words::all(kConstants[0]), out[1] = x1 + Words::all(kConstants[1]);
    out[2] = x2 + Words::all(kConstants[2]), out[3] = x3 + Words::all(kConstants[3]);
    out[4] = x4 + key_[0], out[5] = x5 + key_[1], out[6] = x6 + key_[2], out[7] = x7 + key_[3];
    out[8] = x8 + key_[4], out[9] = x9 + key_[5], out[10] = x10 + key_[6], out[11] = x11 + key_[7];
    out[12] = x12 + n, out[13] = x13 + nonce_[0], out[14] = x14 + nonce_[1],
    out[15] = x15 + nonce_[2];
  }

 private:
  static constexpr std::uint32_t kConstants[4] = {0x61707865, 0x3320646e, 0x79622d32,
                                                  0x6b206574};  // "expand 32-byte k"
  struct Column {
    Words a, b, c, d;
  };

  template <int kBits>
  [[gnu::always_inline]] static void half_quarter(Words& a, Words b, Words& d) {
    a = a + b;
    d = (d ^ a).template rotated<kBits>();
  }
  /// Four independent quarter rounds, step by step beside each other: their latencies overlap.
  [[gnu::always_inline]] static void four_quarter_rounds(Words& a0, Words& b0, Words& c0, Words& d0,
                                                         Words& a1, Words& b1, Words& c1, Words& d1,
                                                         Words& a2, Words& b2, Words& c2, Words& d2,
                                                         Words& a3, Words& b3, Words& c3,
                                                         Words& d3) {
    half_quarter<16>(a0, b0, d0), half_quarter<16>(a1, b1, d1);
    half_quarter<16>(a2, b2, d2), half_quarter<16>(a3, b3, d3);
    half_quarter<12>(c0, d0, b0), half_quarter<12>(c1, d1, b1);
    half_quarter<12>(c2, d2, b2), half_quarter<12>(c3, d3, b3);
    half_quarter<8>(a0, b0, d0), half_quarter<8>(a1, b1, d1);
    half_quarter<8>(a2, b2, d2), half_quarter<8>(a3, b3, d3);
    half_quarter<7>(c0, d0, b0), half_quarter<7>(c1, d1, b1);
    half_quarter<7>(c2, d2, b2), half_quarter<7>(c3, d3, b3);
  }

  Words key_[8];
  Words nonce_[3];
  Words column0_;     // the constant plus the key, in the first round
  Column column_[3];  // columns 1, 2, 3 after the first round
};

}  // namespace wg::train
