#include "protocol/messages.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/bytes.hpp"

using namespace wg::protocol;
using namespace wg::test;

namespace {

Bytes datagram(LittleU32 type, std::size_t size) {
  Bytes bytes(size);
  if (size >= 4) std::memcpy(bytes.data(), &type, 4);
  return bytes;
}

}  // namespace

BOOST_AUTO_TEST_CASE(messages_are_known_by_type_and_exact_size) {
  Bytes initiation = datagram(1, 148);
  BOOST_TEST(std::holds_alternative<const Initiation*>(parse_message(initiation)));
  Bytes response = datagram(2, 92);
  BOOST_TEST(std::holds_alternative<const Response*>(parse_message(response)));
  Bytes cookie = datagram(3, 64);
  BOOST_TEST(std::holds_alternative<const CookieReply*>(parse_message(cookie)));
  Bytes keepalive = datagram(4, 32);
  BOOST_TEST(std::holds_alternative<TransportData>(parse_message(keepalive)));
}

BOOST_AUTO_TEST_CASE(everything_else_is_no_message) {
  for (const auto& [type, size] :
       std::vector<std::pair<std::uint32_t, std::size_t>>{{1, 147},
                                                          {1, 149},
                                                          {1, 0},
                                                          {2, 91},
                                                          {2, 93},
                                                          {3, 63},
                                                          {3, 65},
                                                          {4, 31},
                                                          {4, 16},
                                                          {4, 4},
                                                          {0, 148},
                                                          {5, 148},
                                                          {0x0100, 148},
                                                          {0x01000001, 148},
                                                          {4 | 1 << 8, 32},
                                                          {4, 3},
                                                          {4, 1}}) {
    Bytes bytes = datagram(type, size);
    BOOST_TEST(std::holds_alternative<std::monostate>(parse_message(bytes)),
               "type " << type << ", size " << size);
  }
}

BOOST_AUTO_TEST_CASE(transport_data_is_read_little_endian) {
  Bytes bytes = from_hex(
      "04000000"
      "44332211"
      "8877665544332211"
      "00112233445566778899aabbccddeeff");
  const auto data = std::get<TransportData>(parse_message(bytes));
  BOOST_TEST(static_cast<std::uint32_t>(data.receiver) == 0x11223344u);
  BOOST_TEST(data.counter == 0x1122334455667788u);
  BOOST_TEST(data.sealed.size() == 16u);
}

BOOST_AUTO_TEST_CASE(the_counter_keeps_all_of_its_64_bits) {
  const TransportDataHeader header{.receiver = ReceiverIndex{1}, .counter = 0xfedcba9876543210};
  BOOST_TEST(std::uint64_t{header.counter} == 0xfedcba9876543210u);
}

BOOST_AUTO_TEST_CASE(inner_packets_are_padded_to_16_bytes_but_never_past_the_mtu) {
  BOOST_TEST(padded_size(0, 1420) == 0u);
  BOOST_TEST(padded_size(1, 1420) == 16u);
  BOOST_TEST(padded_size(16, 1420) == 16u);
  BOOST_TEST(padded_size(84, 1420) == 96u);
  BOOST_TEST(padded_size(1408, 1420) == 1408u);
  BOOST_TEST(padded_size(1409, 1420) == 1420u);
  BOOST_TEST(padded_size(1420, 1420) == 1420u);
  BOOST_TEST(padded_size(1500, 1420) == 1500u);  // the MTU has shrunk meanwhile: as it is
  BOOST_TEST(padded_size(65535, 65535) == 65535u);
}
