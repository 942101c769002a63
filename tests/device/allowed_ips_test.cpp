#include "device/allowed_ips.hpp"

#include <arpa/inet.h>

#include <boost/test/unit_test.hpp>
#include <map>
#include <random>

#include "tests/bytes.hpp"

using namespace wg;
using namespace wg::device;
using settings::Prefix;
using namespace wg::test;

namespace {

/// A peer for the table is a place to point at, and a list.
struct Owner {
  AllowedIpList list;
  Peer& peer() { return *reinterpret_cast<Peer*>(this); }
};

Bytes address(const char* text) {
  Bytes bytes(16);
  if (inet_pton(AF_INET, text, bytes.data()) == 1) {
    bytes.resize(4);
  } else {
    BOOST_REQUIRE(inet_pton(AF_INET6, text, bytes.data()) == 1);
  }
  return bytes;
}
Prefix prefix(const char* text) {
  return Prefix::parse(text).value();
}

struct Table {
  AllowedIps ips;
  std::map<std::string, Owner> owners;
  ~Table() {
    for (auto& [name, owner] : owners) ips.withdraw_all(owner.list);
  }
  void assign(const char* text, const char* owner) {
    ips.assign(prefix(text), owners[owner].peer(), owners[owner].list);
  }
  void withdraw(const char* text, const char* owner) {
    ips.withdraw(prefix(text), owners[owner].peer());
  }
  std::string find(const char* text) {
    const Peer* const peer = ips.find(address(text));
    for (auto& [name, owner] : owners) {
      if (&owner.peer() == peer) return name;
    }
    return peer == nullptr ? "" : "?";
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_longest_prefix_wins_in_both_families) {
  Table table;
  table.assign("0.0.0.0/0", "default");
  table.assign("10.0.0.0/8", "ten");
  table.assign("10.1.0.0/16", "ten-one");
  table.assign("10.1.2.0/25", "half");
  table.assign("10.1.2.3/32", "host");
  table.assign("fd00::/8", "six");
  table.assign("fd00::1/128", "six-host");
  BOOST_TEST(table.find("10.1.2.3") == "host");
  BOOST_TEST(table.find("10.1.2.4") == "half");
  BOOST_TEST(table.find("10.1.2.200") == "ten-one");
  BOOST_TEST(table.find("10.2.0.1") == "ten");
  BOOST_TEST(table.find("11.0.0.1") == "default");
  BOOST_TEST(table.find("fd00::1") == "six-host");
  BOOST_TEST(table.find("fd00::2") == "six");
  BOOST_TEST(table.find("fe80::1") == "");
  table.withdraw("10.1.2.3/32", "host");
  BOOST_TEST(table.find("10.1.2.3") == "half");
  table.withdraw("0.0.0.0/0", "default");
  BOOST_TEST(table.find("11.0.0.1") == "");
}

BOOST_AUTO_TEST_CASE(only_its_owner_can_withdraw_a_prefix) {
  Table table;
  table.assign("10.0.0.0/8", "one");
  table.withdraw("10.0.0.0/8", "two");
  table.withdraw("10.0.0.0/9", "one");
  BOOST_TEST(table.find("10.0.0.1") == "one");
}

BOOST_AUTO_TEST_CASE(a_prefix_given_to_another_moves_with_its_list) {
  Table table;
  table.assign("10.0.0.0/8", "one");
  table.assign("10.0.0.0/8", "two");
  BOOST_TEST(table.find("10.0.0.1") == "two");
  BOOST_TEST(table.owners["one"].list.empty());
  table.ips.withdraw_all(table.owners["two"].list);
  BOOST_TEST(table.find("10.0.0.1") == "");
}

BOOST_AUTO_TEST_CASE(the_trie_agrees_with_a_plain_list_through_random_changes) {
  for (const bool v6 : {false, true}) {
    std::mt19937 random(v6 ? 5 : 6);
    AllowedIps ips;
    std::vector<Owner> owners(8);
    std::map<std::string, std::pair<Prefix, std::size_t>> plain;
    // Few distinct bytes, so that prefixes lie within and beside each other.
    const auto random_address = [&] {
      Bytes bytes(v6 ? 16 : 4);
      for (auto& byte : bytes) byte = static_cast<std::byte>(random() % 4 * 85);
      return bytes;
    };
    for (int round = 0; round < 20'000; round++) {
      Prefix changed{.length = static_cast<std::uint8_t>(random() % (v6 ? 129 : 33)), .v6 = v6};
      std::ranges::copy(random_address(), changed.address.begin());
      changed = Prefix::parse(changed.text()).value();
      const std::size_t owner = random() % owners.size();
      if (random() % 3 != 0) {
        ips.assign(changed, owners[owner].peer(), owners[owner].list);
        plain[changed.text()] = {changed, owner};
      } else if (const auto found = plain.find(changed.text()); found != plain.end()) {
        ips.withdraw(changed, owners[found->second.second].peer());
        plain.erase(found);
      }
      if (random() % 500 == 0) {
        ips.withdraw_all(owners[owner].list);
        std::erase_if(plain, [&](const auto& entry) { return entry.second.second == owner; });
      }
      const Bytes wanted = random_address();
      int longest = -1;
      const Peer* expected = nullptr;
      if (round % 10 == 0) {
        for (const auto& [text, entry] : plain) {
          if (entry.first.contains(wanted) && entry.first.length > longest) {
            longest = entry.first.length;
            expected = &owners[entry.second].peer();
          }
        }
        BOOST_REQUIRE(ips.find(wanted) == expected);
      }
    }
    for (Owner& owner : owners) ips.withdraw_all(owner.list);
    BOOST_TEST(ips.find(random_address()) == nullptr);
  }
}
