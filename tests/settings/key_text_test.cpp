#include "settings/key_text.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/bytes.hpp"

using namespace wg;
using namespace wg::test;

BOOST_AUTO_TEST_CASE(keys_survive_the_way_to_text_and_back) {
  crypto::PublicKey key, back;
  randombytes_buf(key.data(), 32);
  BOOST_TEST(settings::from_base64(settings::to_base64(key.bytes), back.bytes));
  BOOST_TEST((key == back));
  back = {};
  BOOST_TEST(settings::from_hex(settings::to_hex(key.bytes), back.bytes));
  BOOST_TEST((key == back));
}

BOOST_AUTO_TEST_CASE(what_is_no_key_is_refused) {
  crypto::PublicKey key;
  const std::string hex(64, 'a');
  for (const std::string& bad :
       {std::string(), hex.substr(1), hex + "a", std::string(63, 'a') + "g", " " + hex.substr(1)}) {
    BOOST_TEST(!settings::from_hex(bad, key.bytes), bad);
  }
  const std::string base64 = settings::to_base64(key.bytes);
  for (const std::string& bad : {std::string(), base64.substr(1), base64 + "=",
                                 std::string(44, '!'), std::string(44, 'A')}) {
    BOOST_TEST(!settings::from_base64(bad, key.bytes), bad);
  }
}

BOOST_AUTO_TEST_CASE(a_peer_is_named_by_the_ends_of_its_key) {
  crypto::PublicKey key;
  BOOST_TEST(settings::from_base64("AbCdAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAwXyY=", key.bytes));
  BOOST_TEST(settings::peer_name(key) == "peer(AbCd…wXyY)");
}
