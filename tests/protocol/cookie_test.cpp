#include "protocol/cookie.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/printing.hpp"
#include "tests/protocol/two_peers.hpp"

using namespace wg;
using namespace wg::protocol;
using namespace wg::test;

namespace {

struct Asked {
  LocalIdentity responder{crypto::generate_private_key()};
  CookieChecker checker{responder.public_key};
  CookieJar jar{responder.public_key};
  Bytes address = from_hex(
      "0a000001"
      "1234");
  Instant now{100s};
  Initiation message;

  /// The jar signs, the checker answers with a cookie, the jar takes it.
  bool take_cookie() {
    jar.sign(message, now);
    return jar.consume(checker.reply(message, address, now), now);
  }
  bool valid_from(const Bytes& source) {
    jar.sign(message, now);
    return checker.mac2_valid(message, source, now);
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(mac1_needs_the_receivers_public_key) {
  Asked asked;
  asked.jar.sign(asked.message, asked.now);
  BOOST_TEST(asked.checker.mac1_valid(asked.message));
  CookieJar other(LocalIdentity(crypto::generate_private_key()).public_key);
  other.sign(asked.message, asked.now);
  BOOST_TEST(!asked.checker.mac1_valid(asked.message));
}

BOOST_AUTO_TEST_CASE(mac1_covers_every_byte_before_it) {
  Asked asked;
  asked.jar.sign(asked.message, asked.now);
  for (std::size_t i = 0; i < sizeof(Initiation) - sizeof(Macs); i++) {
    auto* const bytes = reinterpret_cast<unsigned char*>(&asked.message);
    bytes[i] ^= 1;
    BOOST_TEST(!asked.checker.mac1_valid(asked.message), "byte " << i);
    bytes[i] ^= 1;
  }
}

BOOST_AUTO_TEST_CASE(without_a_cookie_mac2_is_zero_and_not_valid) {
  Asked asked;
  BOOST_TEST(!asked.valid_from(asked.address));
  BOOST_TEST(asked.message.macs.mac2 == crypto::Mac{}, per_element());
}

BOOST_AUTO_TEST_CASE(a_cookie_proves_address_and_port) {
  Asked asked;
  BOOST_TEST(asked.take_cookie());
  BOOST_TEST(asked.valid_from(asked.address));
  BOOST_TEST(
      !asked.valid_from(from_hex("0a000002"
                                 "1234")));
  BOOST_TEST(
      !asked.valid_from(from_hex("0a000001"
                                 "1235")));
}

BOOST_AUTO_TEST_CASE(a_cookie_is_fresh_for_120_seconds) {
  Asked asked;
  BOOST_TEST(asked.take_cookie());
  asked.now += 119s;
  asked.jar.sign(asked.message, asked.now);
  BOOST_TEST(!(asked.message.macs.mac2 == crypto::Mac{}));
  asked.now += 1s;
  asked.jar.sign(asked.message, asked.now);
  BOOST_TEST(asked.message.macs.mac2 == crypto::Mac{}, per_element());
}

BOOST_AUTO_TEST_CASE(the_secret_is_replaced_every_120_seconds_and_serves_the_retry_after_that) {
  Asked asked;
  (void)asked.take_cookie();  // the secret begins here
  asked.now += 119s;
  BOOST_TEST(asked.take_cookie());  // a cookie of the secret's last second
  asked.now += 6s;                  // the retry
  BOOST_TEST(asked.valid_from(asked.address));
  asked.now += 5s;
  BOOST_TEST(!asked.valid_from(asked.address));  // 130 s: over
}

BOOST_AUTO_TEST_CASE(a_cookie_of_the_previous_secret_serves_after_somebody_else_has_asked) {
  Asked asked;
  (void)asked.take_cookie();
  asked.now += 119s;
  BOOST_TEST(asked.take_cookie());
  asked.now += 2s;
  Initiation stranger;
  CookieJar(asked.responder.public_key).sign(stranger, asked.now);
  (void)asked.checker.reply(stranger, asked.address, asked.now);  // a new secret
  BOOST_TEST(asked.valid_from(asked.address));
  asked.now += 10s;
  BOOST_TEST(!asked.valid_from(asked.address));
}

BOOST_AUTO_TEST_CASE(a_reply_counts_once_and_only_for_the_message_it_answers) {
  Asked asked;
  asked.jar.sign(asked.message, asked.now);
  const CookieReply reply = asked.checker.reply(asked.message, asked.address, asked.now);
  CookieReply forged = reply;
  forged.sealed_cookie[0] ^= std::byte{1};
  BOOST_TEST(!asked.jar.consume(forged, asked.now));
  BOOST_TEST(asked.jar.consume(reply, asked.now));
  BOOST_TEST(!asked.jar.consume(reply, asked.now));
  asked.message.ephemeral.bytes[0] ^= std::byte{1};
  asked.jar.sign(asked.message, asked.now);
  BOOST_TEST(!asked.jar.consume(reply, asked.now));  // it answers an earlier one
}
