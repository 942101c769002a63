#include "device/index_table.hpp"

#include "protocol/session.hpp"

#include <boost/test/unit_test.hpp>
#include <set>

using namespace wg;
using namespace wg::device;

namespace {

struct Owner : protocol::SessionOwner {};

}  // namespace

BOOST_AUTO_TEST_CASE(indices_are_found_until_they_are_given_back) {
  IndexTable table;
  Owner owner;
  protocol::Session session(table, crypto::PublicKey{}, owner);
  const auto index = table.claim(session);
  BOOST_TEST(table.find(index) == &session);
  table.release(index);
  BOOST_TEST(table.find(index) == nullptr);
  BOOST_TEST(table.size() == 0u);
}

BOOST_AUTO_TEST_CASE(indices_are_random_not_counted_up) {
  IndexTable table;
  Owner owner;
  protocol::Session session(table, crypto::PublicKey{}, owner);
  std::set<std::uint32_t> differences;
  auto last = static_cast<std::uint32_t>(table.claim(session));
  int high_bits = 0;
  for (int i = 0; i < 1000; i++) {
    const auto next = static_cast<std::uint32_t>(table.claim(session));
    differences.insert(next - last);
    high_bits += static_cast<int>(next >> 31);
    last = next;
  }
  BOOST_TEST(differences.size() > 990u);
  BOOST_TEST(high_bits > 400);
  BOOST_TEST(high_bits < 600);
}
