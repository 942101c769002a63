// Days of tunnel time, in seconds. WG_SEED=n replays one seed; WG_SEEDS=n runs that many.
#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "tests/printing.hpp"
#include "tests/simulation/world.hpp"

using namespace wg::test;
using namespace wg::protocol;

namespace {

/// Runs `test` with each seed.
template <class Test>
void for_seeds(std::uint64_t count, Test test) {
  if (const char* const one = std::getenv("WG_SEED")) return test(std::strtoull(one, nullptr, 10));
  if (const char* const many = std::getenv("WG_SEEDS")) count = std::strtoull(many, nullptr, 10);
  for (std::uint64_t seed = 1; seed <= count; seed++) {
    BOOST_TEST_CONTEXT("replay: WG_SEED=" << seed << " test_simulation") {
      test(seed);
    }
  }
}

/// A retry may just have gone unheard: then the next one is the first that can succeed, and a round
/// trip later data flows.
constexpr auto kRecovery = 2 * (kRekeyTimeout + kRekeyTimeoutJitterMax);

}  // namespace

BOOST_AUTO_TEST_CASE(a_quiet_network_carries_everything_for_a_day_with_a_rekey_every_two_minutes) {
  for_seeds(3, [](std::uint64_t seed) {
    World world(seed, 2);
    for (int second = 0; second < 24 * 3600; second++) {
      world.send(second % 2, 1 - second % 2);
      world.run(1s);
    }
    world.run(1min);
    BOOST_TEST(world.arrived() == world.sent());
    // The first handshake, and one about every 120 s (the first packet that the initiator sends
    // after that).
    BOOST_TEST(world.handshakes() >= 24 * 3600 / 125);
    BOOST_TEST(world.handshakes() <= 24 * 3600 / 119);
  });
}

BOOST_AUTO_TEST_CASE(bad_weather_breaks_no_rule) {
  for_seeds(12, [](std::uint64_t seed) {
    World world(seed, 3);
    world.weather = {
        .lose = 150, .duplicate = 100, .corrupt = 50, .delay_least = 1ms, .delay_most = 900ms};
    for (int i = 0; i < 6 * 3600; i++) {
      const unsigned from = world.random(3);
      const unsigned to = (from + 1 + world.random(2)) % 3;
      if (world.random(100) < 60) world.send(from, to);
      world.run(std::chrono::milliseconds(world.random(2000)));
    }
    // Losses, corruption, and what was pushed out while staged: but most of it arrives.
    BOOST_TEST(world.arrived() > world.sent() * 70 / 100);
  });
}

BOOST_AUTO_TEST_CASE(a_tunnel_that_can_recover_does) {
  for_seeds(10, [](std::uint64_t seed) {
    World world(seed, 2);
    for (int outage = 0; outage < 60; outage++) {
      world.weather.lose = 0;
      for (int i = 0; i < 20; i++) {
        world.send(0, 1);
        world.run(500ms);
      }
      const Instant before = world.now();
      world.weather.lose = 1000;
      const auto length = std::chrono::seconds(1 + world.random(400));
      for (Instant end = before + length; world.now() < end;) {
        world.send(0, 1);
        world.run(1s);
      }
      world.weather.lose = 0;
      const Instant healed = world.now();
      while (world.last_arrival(0, 1) < healed) {
        BOOST_REQUIRE_MESSAGE(world.now() - healed < kRecovery,
                              "no recovery after an outage of " << length.count() << " s");
        world.send(0, 1);
        world.run(100ms);
      }
    }
  });
}

BOOST_AUTO_TEST_CASE(a_silent_peer_is_noticed_and_the_handshake_begins_anew) {
  World world(7, 2);
  world.send(0, 1);
  world.run(1s);
  BOOST_TEST(world.handshakes() == 1u);
  world.weather.lose = 1000;
  world.send(0, 1);
  world.run(14s);
  const auto before = world.datagrams();
  world.run(2s);  // 15 s to 15.3 s after the data that got no answer
  BOOST_TEST(world.datagrams() == before + 1);
}

BOOST_AUTO_TEST_CASE(two_idle_peers_are_silent) {
  World world(8, 2);
  world.send(0, 1);
  world.run(1min);
  const auto before = world.datagrams();
  world.run(24h);
  BOOST_TEST(world.datagrams() == before);
}

BOOST_AUTO_TEST_CASE(nothing_is_kept_after_nine_minutes_of_silence) {
  World world(9, 2);
  world.send(0, 1);
  world.run(538s);
  BOOST_TEST(world.host(0).session(1).current_keypair());
  BOOST_TEST(world.host(1).session(0).current_keypair());
  world.run(4s);
  BOOST_TEST(!world.host(0).session(1).current_keypair());
  BOOST_TEST(!world.host(1).session(0).current_keypair());
}

BOOST_AUTO_TEST_CASE(an_absent_peer_is_called_for_ninety_seconds_and_not_longer) {
  World world(10, 2);
  world.weather.lose = 1000;
  world.send(0, 1);
  world.run(100s);
  const auto calls = world.datagrams();
  BOOST_TEST(calls == 18u);
  world.run(24h);
  BOOST_TEST(world.datagrams() == calls);
  world.send(0, 1);
  BOOST_TEST(world.datagrams() == calls + 1);  // new data begins anew
}

BOOST_AUTO_TEST_CASE(persistent_keepalives_hold_the_session_and_call_an_absent_peer_for_ever) {
  World world(11, 2);
  world.host(0).set_persistent_keepalive(1, 25s);
  world.send(0, 1);
  world.run(1h);
  const auto in_an_hour = world.datagrams();
  BOOST_TEST(in_an_hour > 3600u / 26);
  BOOST_TEST(in_an_hour < 3600u / 24 + 4 * world.handshakes());
  world.weather.lose = 1000;
  world.run(10min);
  const auto before = world.datagrams();
  world.run(10min);
  BOOST_TEST(world.datagrams() > before + 10);
  world.weather.lose = 0;
  world.run(40s);
  world.send(1, 0);
  world.run(1s);
  BOOST_TEST(world.last_arrival(1, 0) > world.now() - 2s);
}

BOOST_AUTO_TEST_CASE(peers_that_always_initiate_at_once_still_end_with_sessions) {
  for_seeds(20, [](std::uint64_t seed) {
    World world(seed, 2);
    world.weather.delay_least = world.weather.delay_most = 40ms;
    for (int round = 0; round < 40; round++) {
      world.send(0, 1);
      world.send(1, 0);
      world.run(200ms);
      BOOST_TEST(world.arrived() == world.sent());
      world.run(200s);  // the keys die, so the next round begins with two initiations again
    }
    BOOST_TEST(world.handshakes() <= 2u * 40);  // no ping-pong
  });
}

BOOST_AUTO_TEST_CASE(a_loaded_responder_is_reached_with_one_cookie) {
  for_seeds(20, [](std::uint64_t seed) {
    World world(seed, 2);
    world.host(1).under_load = true;
    world.send(0, 1);
    world.run(5400ms);  // initiation, cookie reply, and the retry after Rekey-Timeout
    BOOST_TEST(world.arrived() == 1u);
  });
}

BOOST_AUTO_TEST_CASE(a_wall_clock_that_jumps_back_does_not_shut_a_peer_out) {
  World world(12, 2);
  for (int i = 0; i < 20; i++) {
    world.send(0, 1);
    world.run(200s);
    world.host(0).wall_offset -= 24h;
  }
  world.run(1s);
  BOOST_TEST(world.arrived() == world.sent());
}

// ---- Persistent keepalive: who is behind a NAT is reached by nothing else.

BOOST_AUTO_TEST_CASE(a_new_private_key_calls_at_once_where_persistent_keepalive_is_on) {
  World world(13, 2);
  world.host(0).set_persistent_keepalive(1, 25s);
  world.run(1s);
  BOOST_TEST(world.handshakes() == 1u);
  world.host(0).change_identity();
  world.introduce(0);
  const auto before = world.datagrams();
  world.run(6s);  // the first initiation may be answered at once, the retry for certain
  BOOST_TEST(world.datagrams() > before);
  BOOST_TEST(world.handshakes() == 2u);
}

BOOST_AUTO_TEST_CASE(an_endpoint_that_comes_after_the_interval_is_called_at_once) {
  World world(14, 2);
  world.host(0).forget_endpoint(1);
  world.host(0).set_persistent_keepalive(1, 25s);
  world.run(3s);
  BOOST_TEST(world.datagrams() == 0u);
  world.host(0).learn_endpoint(1);
  world.run(100ms);
  BOOST_TEST(world.handshakes() == 1u);
}

BOOST_AUTO_TEST_CASE(a_short_interval_calls_a_peer_that_is_away_until_it_is_back) {
  for (const auto interval : {1s, 3s, 5s, 25s, 120s}) {
    World world(15, 2);
    world.host(0).set_persistent_keepalive(1, interval);
    world.run(1s);
    world.weather.lose = 1000;
    world.run(1h);
    world.weather.lose = 0;
    const auto before = world.handshakes();
    world.run(interval + kRecovery);
    BOOST_TEST(world.handshakes() == before + 1);
  }
}

BOOST_AUTO_TEST_CASE(setting_the_same_interval_again_and_again_puts_no_keepalive_off) {
  World world(16, 2);
  world.host(0).set_persistent_keepalive(1, 4s);
  world.run(1s);
  const auto before = world.datagrams();
  for (int i = 0; i < 24; i++) {  // for a minute
    world.run(2500ms);
    world.host(0).set_persistent_keepalive(1, 4s);
  }
  BOOST_TEST(world.datagrams() >= before + 14);
}

// ---- What stands in the way of a handshake

BOOST_AUTO_TEST_CASE(a_handshake_that_could_not_begin_begins_when_its_endpoint_is_known) {
  World world(17, 2);
  world.host(0).forget_endpoint(1);
  world.send(0, 1);
  BOOST_TEST(world.datagrams() == 0u);
  BOOST_TEST(world.host(0).conversation(1).wants_handshake());
  world.run(1s);
  world.host(0).learn_endpoint(1);  // much sooner than Rekey-Timeout after the attempt
  world.run(100ms);
  BOOST_TEST(world.arrived() == 1u);
  BOOST_TEST(!world.host(0).conversation(1).wants_handshake());
}

BOOST_AUTO_TEST_CASE(what_waits_for_an_endpoint_that_does_not_come_is_dropped) {
  World world(19, 2);
  world.host(0).forget_endpoint(1);
  world.send(0, 1);
  world.run(60s);
  world.send(0, 1);
  world.run(31s);
  BOOST_TEST(world.host(0).staged(1) == 0u);
  world.host(0).learn_endpoint(1);
  world.run(1s);
  BOOST_TEST(world.arrived() == 0u);
}

BOOST_AUTO_TEST_CASE(a_lost_connection_is_answered_by_a_keepalive_and_a_handshake) {
  World world(18, 2);
  world.host(0).lose_connection(1);  // nothing needs it
  BOOST_TEST(world.datagrams() == 0u);
  world.send(0, 1);
  world.run(1s);
  const auto before = world.datagrams();
  world.host(0).lose_connection(1);
  BOOST_TEST(world.datagrams() == before + 2);
  world.run(1s);
  BOOST_TEST(world.handshakes() == 2u);
}

BOOST_AUTO_TEST_CASE(roaming_and_lost_connections_in_bad_weather_break_no_rule) {
  for_seeds(8, [](std::uint64_t seed) {
    World world(seed, 3);
    world.weather = {
        .lose = 80, .duplicate = 80, .corrupt = 30, .delay_least = 1ms, .delay_most = 400ms};
    for (int i = 0; i < 3600; i++) {
      const unsigned from = world.random(3);
      const unsigned to = (from + 1 + world.random(2)) % 3;
      world.send(from, to);
      const unsigned what = world.random(400);
      if (what == 0) world.host(from).lose_connection(to);
      if (what == 1) world.host(from).forget_endpoint(to);  // until it speaks, or is named again
      if (what == 2) world.host(from).learn_endpoint(to);
      if (what == 3) world.host(from).under_load = !world.host(from).under_load;
      if (what == 4) world.host(from).wall_offset -= 1h;
      world.run(std::chrono::milliseconds(world.random(2000)));
    }
    for (unsigned from = 0; from < 3; from++) {
      for (unsigned to = 0; to < 3; to++) {
        if (from != to) world.host(from).learn_endpoint(to);
      }
    }
    BOOST_TEST(world.arrived() > world.sent() * 60 / 100);
  });
}
