#include "crypto/x25519.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/bytes.hpp"
#include "tests/printing.hpp"
#include "tests/vectors.hpp"

using namespace wg;
using namespace wg::test;

namespace {

crypto::PublicKey public_key(const std::string& hex) {
  crypto::PublicKey key;
  const Bytes bytes = from_hex(hex);
  std::copy_n(bytes.begin(), 32, key.bytes.begin());
  return key;
}
crypto::PrivateKey private_key(const std::string& hex) {
  return crypto::PrivateKey(fixed<32>(from_hex(hex)));
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_key_exchange_of_rfc_7748_section_6_1) {
  const auto alice =
      private_key("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  const auto bob = private_key("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  const auto alice_public =
      public_key("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  const auto bob_public =
      public_key("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  BOOST_TEST(crypto::public_key_of(alice) == alice_public);
  BOOST_TEST(crypto::public_key_of(bob) == bob_public);
  const auto shared = crypto::agree(alice, bob_public);
  BOOST_REQUIRE(shared.has_value());
  BOOST_TEST(to_hex(shared->bytes()) ==
             "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
}

BOOST_AUTO_TEST_CASE(wycheproofs_cases) {
  std::size_t refused = 0;
  for (const Row& row : read_vectors("x25519.txt")) {
    const auto shared = crypto::agree(private_key(row[2]), public_key(row[3]));
    const bool all_zero = row[4].find_first_not_of('0') == std::string::npos;
    if (all_zero) {
      refused++;
      BOOST_TEST(!shared.has_value(), "case " << row[0] << ": a point of small order was taken");
    } else {
      BOOST_TEST_INFO("case " << row[0]);
      BOOST_TEST((shared ? to_hex(shared->bytes()) : "none") == row[4]);
    }
  }
  BOOST_TEST(refused > 20);  // the points of small order are among them
}

BOOST_AUTO_TEST_CASE(a_generated_key_is_clamped) {
  for (int i = 0; i < 100; i++) {
    const auto key = crypto::generate_private_key();
    BOOST_TEST((key.data()[0] & 7) == 0);
    BOOST_TEST((key.data()[31] & 0xc0) == 0x40);
  }
}
