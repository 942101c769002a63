#include "crypto/aead.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstring>

#include "tests/bytes.hpp"
#include "tests/printing.hpp"
#include "tests/vectors.hpp"

using namespace wg;
using namespace wg::test;

namespace {

crypto::SymmetricKey key_of(const Bytes& bytes) {
  return crypto::SymmetricKey(fixed<32>(bytes));
}
crypto::Nonce nonce_from(const std::string& hex) {
  crypto::Nonce nonce;
  const Bytes bytes = from_hex(hex);
  std::memcpy(nonce.data(), bytes.data(), nonce.size());
  return nonce;
}
std::uint32_t prefix_of(const crypto::Nonce& nonce) {
  return little<std::uint32_t>(std::as_bytes(std::span(nonce)));
}
std::uint64_t counter_of(const crypto::Nonce& nonce) {
  return little<std::uint64_t>(std::as_bytes(std::span(nonce)).subspan(4));
}

Bytes random_bytes(std::size_t size) {
  Bytes bytes(size);
  if (size > 0) randombytes_buf(bytes.data(), size);
  return bytes;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_example_of_rfc_8439_section_2_8_2) {
  const Bytes key = from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  const Bytes additional = from_hex("50515253c0c1c2c3c4c5c6c7");
  const Bytes plain = text_bytes(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
      "sunscreen would be it.");
  Bytes sealed(plain.size() + crypto::kTagBytes);
  crypto::seal(key_of(key), nonce_from("070000004041424344454647"), plain, additional, sealed);
  BOOST_TEST(to_hex(std::span(sealed).last(16)) == "1ae10b594f09e26a7e902ecbd0600691");
  BOOST_TEST(to_hex(std::span(sealed).first(16)) == "d31a8d34648e60db7b86afbc53ef7ec2");
}

BOOST_AUTO_TEST_CASE(wycheproofs_cases_with_additional_data) {
  for (const Row& row : read_vectors("chacha20_poly1305.txt")) {
    const Bytes plain = from_hex(row[5]);
    Bytes sealed = from_hex(row[6]);
    const Bytes tag = from_hex(row[7]);
    sealed.insert(sealed.end(), tag.begin(), tag.end());
    Bytes opened(plain.size());
    const bool valid = crypto::open(key_of(from_hex(row[2])), nonce_from(row[3]), sealed,
                                    from_hex(row[4]), opened);
    BOOST_TEST(valid == (row[1] == "valid"), "case " << row[0]);
    if (row[1] != "valid") continue;
    BOOST_TEST_INFO("case " << row[0]);
    BOOST_TEST(opened == plain, per_element());
    Bytes again(sealed.size());
    crypto::seal(key_of(from_hex(row[2])), nonce_from(row[3]), plain, from_hex(row[4]), again);
    BOOST_TEST_INFO("case " << row[0]);
    BOOST_TEST(again == sealed, per_element());
  }
}

BOOST_AUTO_TEST_CASE(wycheproofs_cases_without_additional_data_as_trains) {
  std::size_t taken = 0;
  for (const Row& row : read_vectors("chacha20_poly1305.txt")) {
    if (!row[4].empty()) continue;
    taken++;
    const auto nonce = nonce_from(row[3]);
    const crypto::TrainKey key(key_of(from_hex(row[2])), prefix_of(nonce));
    const Bytes plain = from_hex(row[5]);
    Bytes sealed = from_hex(row[6]);
    const Bytes tag = from_hex(row[7]);
    sealed.insert(sealed.end(), tag.begin(), tag.end());
    Bytes opened(plain.size() + 1);
    crypto::OpenPacket packet{.counter = counter_of(nonce),
                              .source = sealed.data(),
                              .target = opened.data(),
                              .size = plain.size()};
    key.open({&packet, 1});
    BOOST_TEST(packet.authentic == (row[1] == "valid"), "case " << row[0]);
    if (row[1] != "valid") continue;
    BOOST_TEST(std::equal(plain.begin(), plain.end(), opened.begin()), "case " << row[0]);
  }
  BOOST_TEST(taken > 20);
}

BOOST_AUTO_TEST_CASE(a_train_is_sealed_as_libsodium_seals_its_packets) {
  for (int round = 0; round < 200; round++) {
    const auto key = key_of(random_bytes(32));
    const crypto::TrainKey train_key(key);
    const std::size_t count = 1 + randombytes_uniform(40);
    std::vector<Bytes> plain, sealed(count);
    std::vector<crypto::SealPacket> train;
    std::uint64_t counter = (std::uint64_t{randombytes_random()} << 32) | randombytes_random();
    for (std::size_t i = 0; i < count; i++) {
      plain.push_back(random_bytes(randombytes_uniform(1500)));
      sealed[i].resize(plain[i].size() + crypto::kTagBytes);
      train.push_back({.counter = counter + i,
                       .source = plain[i].data(),
                       .target = sealed[i].data(),
                       .size = plain[i].size()});
    }
    train_key.seal(train);
    for (std::size_t i = 0; i < count; i++) {
      Bytes expected(plain[i].size() + crypto::kTagBytes);
      crypto::seal(key, crypto::nonce_of(counter + i), plain[i], {}, expected);
      BOOST_TEST_REQUIRE(sealed[i] == expected, per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(trains_open_in_place_and_a_forged_packet_does_not_disturb_its_neighbours) {
  const crypto::TrainKey key(key_of(random_bytes(32)));
  const Bytes plain = random_bytes(777);
  std::vector<Bytes> packets(9, Bytes(plain.size() + crypto::kTagBytes));
  std::vector<crypto::OpenPacket> train;
  for (std::size_t i = 0; i < packets.size(); i++) {
    std::copy(plain.begin(), plain.end(), packets[i].begin());
    const crypto::SealPacket packet{.counter = i,
                                    .source = packets[i].data(),
                                    .target = packets[i].data(),
                                    .size = plain.size()};
    key.seal({&packet, 1});
    train.push_back({.counter = i,
                     .source = packets[i].data(),
                     .target = packets[i].data(),
                     .size = plain.size()});
  }
  packets[4][100] ^= std::byte{1};
  train[6].counter = 7;
  key.open(train);
  for (std::size_t i = 0; i < train.size(); i++) {
    const bool forged = i == 4 || i == 6;
    BOOST_TEST(train[i].authentic == !forged);
    BOOST_TEST(std::equal(plain.begin(), plain.end(), packets[i].begin()) == !forged);
  }
}

BOOST_AUTO_TEST_CASE(xchacha_seals_and_opens_and_notices_a_changed_byte) {
  const auto key = key_of(random_bytes(32));
  crypto::XNonce nonce;
  randombytes_buf(nonce.data(), nonce.size());
  const Bytes plain = random_bytes(16);
  const Bytes additional = random_bytes(16);
  Bytes sealed(32);
  Bytes opened(16);
  crypto::xseal(key, nonce, plain, additional, sealed);
  BOOST_TEST(crypto::xopen(key, nonce, sealed, additional, opened));
  BOOST_TEST(opened == plain, per_element());
  sealed[3] ^= std::byte{0x80};
  BOOST_TEST(!crypto::xopen(key, nonce, sealed, additional, opened));
}
