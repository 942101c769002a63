#include "settings/key_text.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/bytes.hpp"

using namespace wg;
using namespace wg::test;

BOOST_AUTO_TEST_CASE(keys_survive_the_way_to_text_and_back) {
  crypto::PublicKey key, back;
  randombytes_buf(key.data(), 32);
  BOOST_TEST(settings::from_base64(settings::to_base64(key), back.bytes));
  BOOST_TEST(to_hex(back.bytes) == to_hex(key.bytes));
  back = {};
  BOOST_TEST(settings::from_hex(settings::to_hex(key), back.bytes));
  BOOST_TEST(to_hex(back.bytes) == to_hex(key.bytes));
}

BOOST_AUTO_TEST_CASE(a_secret_is_written_as_a_public_key_is) {
  crypto::PublicKey key;
  randombytes_buf(key.data(), 32);
  crypto::SecretText text("k=");
  settings::append_hex(text, key.bytes);
  BOOST_TEST(text.view() == "k=" + settings::to_hex(key));
  text.clear();
  settings::append_base64(text, key.bytes);
  BOOST_TEST(text.view() == settings::to_base64(key));
}

BOOST_AUTO_TEST_CASE(what_is_no_key_is_refused) {
  crypto::PublicKey key;
  const std::string hex(64, 'a');
  for (const std::string& bad :
       {std::string(), hex.substr(1), hex + "a", std::string(63, 'a') + "g", " " + hex.substr(1)}) {
    BOOST_TEST(!settings::from_hex(bad, key.bytes), bad);
  }
  const std::string base64 = settings::to_base64(key);
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
