// The Poly1305 of the kernels alone. First the bounds of its limbs, proved: the very same templates
// are made for intervals, with the largest inputs there can be. Then its edges, against a reference
// with big integers: in the AEAD r comes out of ChaCha20, so no test of the AEAD reaches them.
#include <boost/multiprecision/cpp_int.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "crypto/train/kernel.hpp"
#include "crypto/train/poly1305_radix26.hpp"
#include "crypto/train/poly1305_radix44.hpp"
#include "tests/bytes.hpp"

using namespace wg;
using namespace wg::test;

namespace {

__extension__ using Wider = unsigned __int128;

constexpr Wider kAll64 = (Wider{1} << 64) - 1;

/// All numbers from 0 to `most`. Each operation yields what its results can be at most, and checks
/// that nothing is lost: that is the proof.
struct Interval {
  Wider most = 0;

  static Interval all(std::uint64_t value) { return {value}; }
  static Interval checked(Wider most) {
    BOOST_REQUIRE_MESSAGE(most <= kAll64, "a sum or shift can pass 64 bits");
    return {most};
  }
  /// The smallest 2^n - 1 that no value of `x` exceeds.
  static Wider all_bits_of(Wider x) {
    Wider bits = 0;
    while (bits < x) bits = bits << 1 | 1;
    return bits;
  }
  template <int kBits>
  Interval right() const {
    return {most >> kBits};
  }
  template <int kBits>
  Interval left() const {
    return checked(most << kBits);
  }
  template <int kBits>
  Interval left_cut() const {
    return {std::min(most << kBits, kAll64)};
  }
  template <int kBits>
  static Interval funnel_left(Interval high, Interval low) {
    return {std::min(all_bits_of(high.most << kBits | low.most >> (64 - kBits)), kAll64)};
  }
  friend Interval operator+(Interval a, Interval b) { return checked(a.most + b.most); }
  friend Interval operator&(Interval a, Interval b) { return {std::min(a.most, b.most)}; }
  friend Interval operator|(Interval a, Interval b) { return {all_bits_of(a.most | b.most)}; }
  friend Interval wrapping_sum(Interval, Interval) { return {kAll64}; }
  friend Interval without(Interval a, Interval) { return a; }
  friend Interval multiply_add_low(Interval sum, Interval a, Interval b) {
    return checked(sum.most + std::min(product52(a, b), (Wider{1} << 52) - 1));
  }
  friend Interval multiply_add_high(Interval sum, Interval a, Interval b) {
    return checked(sum.most + (product52(a, b) >> 52));
  }
  static Wider product52(Interval a, Interval b) {
    BOOST_REQUIRE_MESSAGE(a.most < Wider{1} << 52 && b.most < Wider{1} << 52,
                          "a factor can pass 52 bits");
    return a.most * b.most;
  }
  friend Interval product(Interval a, Interval b) {
    BOOST_REQUIRE_MESSAGE(a.most < Wider{1} << 32 && b.most < Wider{1} << 32,
                          "a factor can pass 32 bits");
    return checked(a.most * b.most);
  }
};

const Interval kAny{kAll64};

using boost::multiprecision::cpp_int;
const cpp_int kPrime = (cpp_int(1) << 130) - 5;

cpp_int number(std::span<const std::byte> little_endian) {
  cpp_int value = 0;
  for (std::size_t i = little_endian.size(); i-- > 0;) {
    value = value << 8 | std::to_integer<unsigned>(little_endian[i]);
  }
  return value;
}

Bytes little_endian(cpp_int value) {
  Bytes bytes(16);
  for (auto& byte : bytes) {
    byte = std::byte(static_cast<unsigned>(value & 0xff));
    value >>= 8;
  }
  return bytes;
}

/// RFC 8439 2.5.1, as it is written there.
Bytes reference(const Bytes& key, const Bytes& message) {
  const cpp_int clamp("0x0ffffffc0ffffffc0ffffffc0fffffff");
  const cpp_int r = number(std::span(key).first(16)) & clamp;
  cpp_int sum = 0;
  for (std::size_t at = 0; at < message.size(); at += 16) {
    sum = (sum + number(std::span(message).subspan(at, 16)) + (cpp_int(1) << 128)) * r % kPrime;
  }
  return little_endian((sum + number(std::span(key).last(16))) & ((cpp_int(1) << 128) - 1));
}

struct Case {
  Bytes key;
  Bytes message;  // whole blocks
};

/// Cases of one length, a lane each, the last one repeated where lanes are left.
void check(const train::Kernel& kernel, std::span<const Case> cases) {
  train::MacGroup group{};
  group.blocks = cases[0].message.size() / 16;
  std::vector<Bytes> tags(kernel.lanes, Bytes(16));
  for (std::size_t i = 0; i < kernel.lanes; i++) {
    const Case& mine = cases[std::min(i, cases.size() - 1)];
    group.keys[i] = mine.key.data();
    group.messages[i] = mine.message.data();
    group.tags[i] = tags[i].data();
  }
  kernel.authenticate(group);
  for (std::size_t i = 0; i < kernel.lanes; i++) {
    const Case& mine = cases[std::min(i, cases.size() - 1)];
    BOOST_REQUIRE_MESSAGE(
        tags[i] == reference(mine.key, mine.message),
        kernel.name << ": key " << to_hex(mine.key) << ", message " << to_hex(mine.message));
  }
}

void check_all(const std::vector<Case>& cases) {
  for (const train::Kernel* kernel : train::usable_kernels()) {
    for (std::size_t at = 0; at < cases.size(); at += kernel->lanes) {
      check(*kernel, std::span(cases).subspan(at, std::min(kernel->lanes, cases.size() - at)));
    }
  }
}

/// Every limb that is kept between blocks is under the bound that the header claims.
template <class Mac>
void check_bounds(const Mac& mac) {
  BOOST_TEST(mac.within_bounds([](Interval limb, std::uint64_t bound) {
    BOOST_CHECK_MESSAGE(limb.most <= bound, "2^" << std::log2(static_cast<double>(limb.most))
                                                 << " where the bound is 2^"
                                                 << std::log2(static_cast<double>(bound)));
    return limb.most <= bound;
  }));
}

Bytes join(const Bytes& a, const Bytes& b) {
  Bytes both = a;
  both.insert(both.end(), b.begin(), b.end());
  return both;
}

}  // namespace

BOOST_AUTO_TEST_CASE(no_limb_of_radix_44_exceeds_52_bits_and_no_sum_64) {
  using Mac = train::Poly1305Radix44<Interval, 4>;
  // From the bounds that the header claims, every step leads back under them: so they hold always.
  Mac mac(kAny, kAny, kAny, kAny);
  check_bounds(mac);
  for (int way = 0; way < 2; way++) {
    mac.set_limbs({Mac::kH0Max}, {Mac::kH1Max}, {Mac::kH2Max});
    if (way == 0) {
      mac.block(kAny, kAny);
    } else {
      mac.add_block<0>(kAny, kAny);
      mac.add_block<1>(kAny, kAny);
      mac.add_block<2>(kAny, kAny);
      mac.add_block<3>(kAny, kAny);
      mac.finish_four();
    }
    check_bounds(mac);
  }
  mac.set_limbs({Mac::kH0Max}, {Mac::kH1Max}, {Mac::kH2Max});
  Interval low, high;
  mac.finish(low, high);
}

BOOST_AUTO_TEST_CASE(no_limb_of_radix_26_exceeds_32_bits_and_no_sum_64) {
  using Mac = train::Poly1305Radix26<Interval>;
  Mac mac(kAny, kAny, kAny, kAny);
  check_bounds(mac);
  mac.set_limbs({Mac::kLimbMax});
  mac.block(kAny, kAny);
  check_bounds(mac);
  mac.set_limbs({Mac::kLimbMax});
  Interval low, high;
  mac.finish(low, high);
}

BOOST_AUTO_TEST_CASE(the_example_of_rfc_8439_section_2_5_2_begins_alike) {
  // The example's message is no whole number of blocks; its first 32 bytes are.
  const Bytes key = from_hex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b");
  check_all({{key, text_bytes("Cryptographic Forum Research Gro")}});
}

BOOST_AUTO_TEST_CASE(edges_of_r_and_of_the_message) {
  std::vector<Bytes> rs, blocks;
  for (const char* hex : {"ffffffffffffffffffffffffffffffff",  // clamped: the largest r
                          "00000000000000000000000000000000", "01000000000000000000000000000000",
                          "00000000000000000000000000000010", "fffffffffff000000000000000000000",
                          "0000000000f0ffffffffff0000000000", "0000000000000000000000fcffffff0f"}) {
    rs.push_back(from_hex(hex));
  }
  for (const char* hex : {"ffffffffffffffffffffffffffffffff", "00000000000000000000000000000000",
                          "fbffffffffffffffffffffffffffffff",  // with 2^128: near p / 4
                          "faffffffffffffffffffffffffffffff", "fcffffffffffffffffffffffffffffff",
                          "ffffffffffffffff0000000000000000", "0000000000000000ffffffffffffffff",
                          "ffffffffff0f00000000000000000000", "00000000000000000000000000000080"}) {
    blocks.push_back(from_hex(hex));
  }
  for (const std::size_t count : {1u, 2u, 3u, 4u, 5u, 8u, 9u}) {
    std::vector<Case> cases;
    for (const Bytes& r : rs) {
      for (const Bytes& s : {Bytes(16, std::byte{0xff}), Bytes(16)}) {
        for (const Bytes& first : blocks) {
          for (const Bytes& other : blocks) {
            Bytes message = first;
            while (message.size() < 16 * count) message = join(message, other);
            cases.push_back({join(r, s), message});
          }
        }
      }
    }
    check_all(cases);
  }
}

BOOST_AUTO_TEST_CASE(sums_at_and_around_p_and_2_to_the_128th) {
  // With r = 1 the sum before the reduction is the plain sum of the blocks, each with its 2^128: of
  // two blocks, 2^129 + a + b, so that p, 2^130 and 2^128 modulo 2^128 are all within reach.
  std::vector<Case> cases;
  const Bytes one = little_endian(1);
  for (int around = -8; around <= 8; around++) {
    for (const cpp_int& wanted : {kPrime, cpp_int(cpp_int(1) << 130), cpp_int(2 * kPrime)}) {
      for (const std::size_t count : {2u, 3u, 4u, 5u, 6u, 7u}) {
        // The blocks that sum up to it: as large as needed from the first one on.
        cpp_int left = wanted + around - (cpp_int(count) << 128);
        Bytes message;
        for (std::size_t i = 0; i < count; i++) {
          const cpp_int largest = (cpp_int(1) << 128) - 1;
          const cpp_int part = left < 0 ? cpp_int(0) : std::min(left, largest);
          message = join(message, little_endian(part));
          left -= part;
        }
        if (left != 0) continue;  // not within reach of so many blocks
        for (const Bytes& s : {Bytes(16, std::byte{0xff}), Bytes(16), little_endian(1)}) {
          cases.push_back({join(one, s), message});
        }
      }
    }
  }
  BOOST_TEST(cases.size() > 100u);
  for (const Case& mine : cases) check_all({mine});
}

BOOST_AUTO_TEST_CASE(random_messages_and_sums_that_end_at_an_edge) {
  std::mt19937_64 random(44);
  const auto bytes = [&](std::size_t size) {
    Bytes some(size);
    std::generate(some.begin(), some.end(), [&] { return std::byte(random()); });
    return some;
  };
  for (int round = 0; round < 300; round++) {
    std::vector<Case> cases;
    const std::size_t count = 1 + random() % 40;
    for (int i = 0; i < 16; i++) cases.push_back({bytes(32), bytes(16 * count)});
    check_all(cases);
  }
}
