#include "tun/checksum.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

#include "tests/tun/packets.hpp"

using namespace wg::tun;
using namespace wg::test;

namespace {

std::uint16_t plainly(const Bytes& bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i++) {
    sum += std::to_integer<std::uint32_t>(bytes[i]) << (i % 2 == 0 ? 8 : 0);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(sum);
}
std::uint16_t big_endian(std::uint16_t wire) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(&wire);
  return static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
}

}  // namespace

BOOST_AUTO_TEST_CASE(sums_agree_with_the_plain_way_at_every_length_and_alignment) {
  std::mt19937 random(3);
  for (std::size_t size = 0; size < 300; size++) {
    for (const std::size_t offset : {0u, 1u, 2u, 3u}) {
      Bytes bytes(size + offset);
      for (auto& byte : bytes) byte = static_cast<std::byte>(random());
      const Bytes covered(bytes.begin() + static_cast<std::ptrdiff_t>(offset), bytes.end());
      const auto sum = fold(add_to_sum(0, std::span(bytes).subspan(offset)));
      BOOST_REQUIRE(big_endian(sum) % 0xffff == plainly(covered) % 0xffff);
    }
  }
}

BOOST_AUTO_TEST_CASE(sums_do_not_overflow) {
  // An inner packet's largest, and beyond what a sum in 32 bits has room for.
  for (const std::size_t size : {65'535u, 1'000'003u}) {
    const Bytes ones(size, std::byte{0xff});
    BOOST_TEST(big_endian(fold(add_to_sum(0, ones))) % 0xffff == plainly(ones) % 0xffff);
  }
}

BOOST_AUTO_TEST_CASE(sums_may_be_taken_in_parts) {
  const Bytes bytes = tcp_packet({.payload = 333});
  const std::span<const std::byte> all(bytes);
  for (std::size_t cut = 0; cut < bytes.size(); cut += 2) {
    BOOST_TEST(fold(add_to_sum(add_to_sum(0, all.first(cut)), all.subspan(cut))) ==
               fold(add_to_sum(0, all)));
  }
}

BOOST_AUTO_TEST_CASE(an_updated_checksum_is_that_of_the_changed_bytes) {
  std::mt19937 random(4);
  for (int i = 0; i < 1000; i++) {
    Bytes bytes(20);
    for (auto& byte : bytes) byte = static_cast<std::byte>(random());
    const auto before = static_cast<std::uint16_t>(~fold(add_to_sum(0, bytes)));
    std::uint16_t was, is;
    std::memcpy(&was, bytes.data() + 4, 2);
    bytes[4] = static_cast<std::byte>(random());
    bytes[5] = static_cast<std::byte>(random());
    std::memcpy(&is, bytes.data() + 4, 2);
    const auto after = static_cast<std::uint16_t>(~fold(add_to_sum(0, bytes)));
    BOOST_REQUIRE(update_checksum(before, was, is) % 0xffff == after % 0xffff);
  }
}
