#include "protocol/keypair.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/printing.hpp"
#include "tests/protocol/two_peers.hpp"

using namespace wg;
using namespace wg::protocol;
using namespace wg::test;

namespace {

struct Keys : SessionOwner {
  TestRegistry registry;
  Session owner{registry, PublicKey{}, *this};
  KeypairPtr make(Role role) {
    return std::make_shared<Keypair>(SessionKeys{}, role, IndexLease(registry, owner),
                                     ReceiverIndex{1}, Instant(1s));
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_initiators_keypair_is_current_at_once) {
  Keys keys;
  KeypairRing ring;
  const auto first = keys.make(Role::Initiator);
  const auto second = keys.make(Role::Initiator);
  ring.add(first);
  BOOST_TEST(ring.current() == first);
  ring.add(second);
  BOOST_TEST(ring.current() == second);
  BOOST_TEST(ring.holds(*first));  // previous
  ring.add(keys.make(Role::Initiator));
  BOOST_TEST(!ring.holds(*first));
  BOOST_TEST(ring.holds(*second));
}

BOOST_AUTO_TEST_CASE(the_responders_keypair_waits_for_confirmation) {
  Keys keys;
  KeypairRing ring;
  const auto current = keys.make(Role::Initiator);
  const auto next = keys.make(Role::Responder);
  ring.add(current);
  ring.add(next);
  BOOST_TEST(ring.current() == current);
  BOOST_TEST(!ring.confirm(*current));
  BOOST_TEST(ring.current() == current);
  BOOST_TEST(ring.confirm(*next));
  BOOST_TEST(ring.current() == next);
  BOOST_TEST(ring.holds(*current));
  BOOST_TEST(!ring.confirm(*next));
}

BOOST_AUTO_TEST_CASE(an_initiators_keypair_keeps_an_unconfirmed_next_as_previous) {
  Keys keys;
  KeypairRing ring;
  const auto next = keys.make(Role::Responder);
  const auto ours = keys.make(Role::Initiator);
  ring.add(next);
  ring.add(ours);
  BOOST_TEST(ring.current() == ours);
  BOOST_TEST(ring.holds(*next));
}

BOOST_AUTO_TEST_CASE(a_keypair_is_found_by_its_local_index_and_gives_it_back_at_the_end) {
  Keys keys;
  KeypairRing ring;
  auto keypair = keys.make(Role::Initiator);
  const ReceiverIndex index = keypair->local_index();
  ring.add(std::move(keypair));
  BOOST_TEST(ring.find(index) == ring.current());
  BOOST_TEST(ring.find(ReceiverIndex{static_cast<std::uint32_t>(index) + 1}) == nullptr);
  BOOST_TEST(keys.registry.owners.size() == 1u);
  ring.clear();
  BOOST_TEST(ring.empty());
  BOOST_TEST(keys.registry.owners.empty());
}

BOOST_AUTO_TEST_CASE(counters_are_reserved_in_ranges_that_never_overlap) {
  Keys keys;
  const auto keypair = keys.make(Role::Initiator);
  BOOST_TEST(keypair->reserve(64).value() == 0u);
  BOOST_TEST(keypair->reserve(1).value() == 64u);
  BOOST_TEST(keypair->reserve(2).value() == 65u);
}

BOOST_AUTO_TEST_CASE(no_counter_reaches_reject_after_messages) {
  Keys keys;
  const auto keypair = keys.make(Role::Initiator);
  keypair->skip_to(kRejectAfterMessages - 3);
  BOOST_TEST(keypair->reserve(2).value() == kRejectAfterMessages - 3);
  BOOST_TEST(!keypair->reserve(2).has_value());
  BOOST_TEST(!keypair->reserve(1).has_value());
  for (int i = 0; i < 10'000; i++) BOOST_REQUIRE(!keypair->reserve(64).has_value());
}

BOOST_AUTO_TEST_CASE(rekeying_begins_after_2_to_the_60_messages) {
  Keys keys;
  const auto keypair = keys.make(Role::Initiator);
  keypair->skip_to(1ULL << 60);
  BOOST_TEST(!keypair->rekey_after_messages());
  keypair->skip_to((1ULL << 60) + 1);
  BOOST_TEST(keypair->rekey_after_messages());
}
