#include "crypto/blake2s.hpp"

#include <boost/test/unit_test.hpp>
#include <memory>

#include "tests/bytes.hpp"

using namespace wg;
using namespace wg::test;

namespace {

/// RFC 7693, appendix E: the pseudo-random input of its self-test.
Bytes self_test_input(std::size_t size, std::uint32_t seed) {
  std::uint32_t a = 0xDEAD4BAD * seed;
  std::uint32_t b = 1;
  Bytes out(size);
  for (auto& byte : out) {
    const std::uint32_t sum = a + b;
    a = b;
    b = sum;
    byte = static_cast<std::byte>(sum >> 24);
  }
  return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(blake2s_of_abc_is_that_of_rfc_7693) {
  BOOST_TEST(to_hex(crypto::hash({text_bytes("abc")})) ==
             "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
}

BOOST_AUTO_TEST_CASE(parts_are_hashed_as_their_concatenation) {
  BOOST_TEST(
      (crypto::hash({text_bytes("a"), {}, text_bytes("bc")}) == crypto::hash({text_bytes("abc")})));
}

BOOST_AUTO_TEST_CASE(the_self_test_of_rfc_7693_holds_for_our_sizes) {
  // Our two sizes of its four; the digest over them was computed with an independent implementation
  // (Python's hashlib).
  Bytes digests;
  for (const std::size_t size : {0, 3, 64, 65, 255, 1024}) {
    const Bytes input = self_test_input(size, static_cast<std::uint32_t>(size));
    const auto hash = crypto::hash({input});
    const auto mac = crypto::mac(self_test_input(16, 16), {input});
    digests.insert(digests.end(), hash.begin(), hash.end());
    digests.insert(digests.end(), mac.begin(), mac.end());
  }
  BOOST_TEST(to_hex(crypto::hash({digests})) ==
             "20c157f1fbb9c0af984a38b656ac9ea7decb8ab94d15e6f82703d3043c3e0702");
}

BOOST_AUTO_TEST_CASE(hmac_is_that_of_rfc_2104_over_blake2s) {
  // Python: hmac.new(b'k' * 32, b'data', hashlib.blake2s)
  crypto::SymmetricKey out;
  crypto::hmac(Bytes(32, std::byte{'k'}), {text_bytes("da"), text_bytes("ta")}, out.bytes());
  BOOST_TEST(to_hex(out.bytes()) ==
             "1b3b81abdc97a097da15fce4e261a1199ad81f9aa193a97a3eaeb4d770bbf6dd");
}

BOOST_AUTO_TEST_CASE(kdf_outputs_do_not_depend_on_how_many_are_asked_for) {
  const Bytes key(32, std::byte{1});
  const Bytes input(32, std::byte{2});
  crypto::SymmetricKey one, two[2], three[3];
  crypto::kdf(key, input, {one.bytes()});
  crypto::kdf(key, input, {two[0].bytes(), two[1].bytes()});
  crypto::kdf(key, input, {three[0].bytes(), three[1].bytes(), three[2].bytes()});
  BOOST_TEST(to_hex(two[0].bytes()) == to_hex(one.bytes()));
  BOOST_TEST(to_hex(three[0].bytes()) == to_hex(one.bytes()));
  BOOST_TEST(to_hex(three[1].bytes()) == to_hex(two[1].bytes()));
  BOOST_TEST(to_hex(three[1].bytes()) != to_hex(three[2].bytes()));
  // The second output: HMAC(HMAC(key, input), first || 0x02), spelled out.
  crypto::SymmetricKey extracted, second;
  crypto::hmac(key, {input}, extracted.bytes());
  const std::byte number{2};
  crypto::hmac(extracted.bytes(), {one.bytes(), {&number, 1}}, second.bytes());
  BOOST_TEST(to_hex(second.bytes()) == to_hex(two[1].bytes()));
}

BOOST_AUTO_TEST_CASE(a_secret_is_zero_after_it_was_wiped) {
  crypto::PrivateKey key(fixed<32>(Bytes(32, std::byte{0xaa})));
  BOOST_TEST(!key.is_zero());
  key.wipe();
  BOOST_TEST(key.is_zero());
}

BOOST_AUTO_TEST_CASE(a_secret_is_wiped_when_it_ends) {
  alignas(crypto::PrivateKey) std::byte memory[sizeof(crypto::PrivateKey)];
  auto* const key = new (memory) crypto::PrivateKey(fixed<32>(Bytes(32, std::byte{0xaa})));
  std::destroy_at(key);
  BOOST_TEST(sodium_is_zero(reinterpret_cast<unsigned char*>(memory), sizeof memory) == 1);
}
