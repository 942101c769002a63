// The table in admission.hpp, row by row, and what the limits hold.
#include "device/admission.hpp"

#include <boost/test/unit_test.hpp>
#include <optional>

using namespace wg::device;
using namespace wg::protocol;
using namespace std::chrono_literals;

namespace {

constexpr Instant kStart{1000s};

/// What the table says; a limit that it must not ask fails the test.
Verdict row(Load load, Proof proof, std::optional<bool> within, std::optional<bool> spare) {
  return judge(load, proof, [&] { return within.value(); }, [&] { return spare.value(); });
}

}  // namespace

BOOST_AUTO_TEST_CASE(without_proof_the_share_is_taken_and_then_what_is_to_spare) {
  for (const Load load : {Load::Quiet, Load::Busy}) {
    BOOST_TEST(row(load, Proof::None, true, std::nullopt) == Verdict::Take);
  }
  BOOST_TEST(row(Load::Quiet, Proof::None, false, true) == Verdict::Take);
  BOOST_TEST(row(Load::Quiet, Proof::None, false, false) == Verdict::AskForCookie);
  BOOST_TEST(row(Load::Busy, Proof::None, false, std::nullopt) == Verdict::AskForCookie);
}

BOOST_AUTO_TEST_CASE(under_overload_everybody_is_asked_and_spends_nothing) {
  for (const Load load : {Load::Overloaded, Load::QueueFull}) {
    BOOST_TEST(row(load, Proof::None, std::nullopt, std::nullopt) == Verdict::AskForCookie);
  }
}

BOOST_AUTO_TEST_CASE(proof_is_taken_within_its_own_limit_whatever_the_load) {
  for (const Load load : {Load::Quiet, Load::Busy, Load::Overloaded}) {
    BOOST_TEST(row(load, Proof::Valid, true, std::nullopt) == Verdict::Take);
    BOOST_TEST(row(load, Proof::Valid, false, std::nullopt) == Verdict::RateLimited);
  }
  BOOST_TEST(row(Load::QueueFull, Proof::Valid, std::nullopt, std::nullopt) == Verdict::QueueFull);
}

BOOST_AUTO_TEST_CASE(who_claims_a_source_takes_nothing_from_who_has_proved_it) {
  Admission admission;
  int taken = 0;
  for (int i = 0; i < 5000; i++) {
    if (admission.judge_initiation(Proof::None, 7, kStart) == Verdict::Take) {
      taken++;
      admission.begun();
    }
  }
  BOOST_TEST(taken == int(Admission::kInitiationsBurst + Admission::kSpareBurst));
  for (unsigned i = 0; i < Admission::kInitiationsBurst; i++) {
    BOOST_TEST(admission.judge_initiation(Proof::Valid, 7, kStart) == Verdict::Take);
  }
  BOOST_TEST(admission.judge_initiation(Proof::Valid, 7, kStart) == Verdict::RateLimited);
}

BOOST_AUTO_TEST_CASE(places_in_the_queue_are_left_for_those_who_have_proved_their_address) {
  Admission admission;
  std::uint64_t source = 0;
  while (admission.judge_initiation(Proof::None, source, kStart) == Verdict::Take) source++;
  BOOST_TEST(source == Admission::kOverloadedAt);
  while (admission.judge_initiation(Proof::Valid, source, kStart) == Verdict::Take) source++;
  BOOST_TEST(source == Admission::kQueueMax);
  BOOST_TEST(admission.judge_initiation(Proof::Valid, source, kStart) == Verdict::QueueFull);
}

BOOST_AUTO_TEST_CASE(responses_with_proof_have_a_share_for_each_source) {
  Admission admission;
  for (unsigned i = 0; i < Admission::kInitiationsBurst; i++) {
    BOOST_TEST(admission.may_finish(1, kStart));
  }
  BOOST_TEST(!admission.may_finish(1, kStart));
  BOOST_TEST(admission.may_finish(2, kStart));
  BOOST_TEST(admission.may_finish(1, kStart + 1s));
}

BOOST_AUTO_TEST_CASE(cookie_replies_have_one_limit_for_everybody) {
  Admission admission;
  unsigned sent = 0;
  for (unsigned i = 0; i < 2 * Admission::kCookieRepliesBurst; i++) {
    sent += admission.may_reply(kStart);
  }
  BOOST_TEST(sent == Admission::kCookieRepliesBurst);
  BOOST_TEST(admission.may_reply(kStart + 1ms));
}
