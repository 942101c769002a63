#include "device/pipeline_trial.hpp"

#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>

#include "device/shard.hpp"
#include "tests/device/fakes.hpp"

using namespace wg::device;
using namespace std::chrono_literals;

namespace {

/// Stretches of a shard, one after the other; shares of a core and bytes a nanosecond.
struct Shares {
  PipelineTrial decision;
  wg::protocol::Instant now{100s};

  /// A saturated stretch, and that of settling after it.
  bool begins_trial() { return after(1.0, 0.0, 1.0) && after(0.5, 0.5, 0.1); }

  bool after(double own, double writer, double rate) {
    now += PipelineTrial::kStretch;
    const std::chrono::nanoseconds time = PipelineTrial::kStretch;
    const auto part = [&](double share) {
      return std::chrono::nanoseconds(static_cast<std::int64_t>(share * double(time.count())));
    };
    return decision.after({.time = time,
                           .own = part(own),
                           .writer = part(writer),
                           .bytes = static_cast<std::uint64_t>(rate * double(time.count()))},
                          now);
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(only_a_saturated_shard_beside_an_idle_one_tries_help) {
  BOOST_TEST(!Shares().after(0.5, 0.0, 1.0));
  BOOST_TEST(!Shares().after(1.0, 0.6, 1.0));
  BOOST_TEST(Shares().after(1.0, 0.1, 1.0));
}

BOOST_AUTO_TEST_CASE(help_that_pays_goes_on_until_one_could_do_the_work) {
  Shares shard;
  BOOST_TEST(shard.begins_trial());
  BOOST_TEST(shard.after(1.0, 0.6, 1.3));
  for (int i = 0; i < 100; i++) BOOST_TEST(shard.after(1.0, 0.6, 1.3));
  BOOST_TEST(shard.after(0.7, 0.4, 1.0));  // still more than one could do
  BOOST_TEST(!shard.after(0.4, 0.3, 0.7));
  BOOST_TEST(shard.after(1.0, 0.0, 1.0));  // saturated again: tried again at once
}

BOOST_AUTO_TEST_CASE(help_that_pays_no_more_ends_and_pauses) {
  Shares shard;
  BOOST_TEST(shard.begins_trial());
  BOOST_TEST(shard.after(1.0, 0.6, 1.3));
  BOOST_TEST(!shard.after(0.6, 0.5, 0.9));  // somebody has taken the other core
  BOOST_TEST(!shard.after(1.0, 0.0, 1.0));
  for (int i = 0; i < 19; i++) (void)shard.after(0.5, 0.0, 0.5);
  BOOST_TEST(shard.after(1.0, 0.0, 1.0));
}

BOOST_AUTO_TEST_CASE(help_that_relieves_without_more_bytes_pays_too) {
  Shares shard;
  BOOST_TEST(shard.begins_trial());
  BOOST_TEST(shard.after(0.6, 0.4, 1.0));  // all that is offered comes through already
  BOOST_TEST(shard.after(0.6, 0.4, 1.0));
}

BOOST_AUTO_TEST_CASE(help_without_gain_ends_and_is_tried_less_and_less_often) {
  Shares shard;
  std::vector<std::chrono::milliseconds> trials;
  while (trials.size() < 7) {
    if (!shard.begins_trial()) continue;
    trials.push_back(
        std::chrono::duration_cast<std::chrono::milliseconds>(shard.now.time_since_epoch()));
    BOOST_REQUIRE(!shard.after(0.6, 0.6, 0.9));
  }
  BOOST_TEST((trials[1] - trials[0]).count() >= 1000);
  BOOST_TEST((trials[1] - trials[0]).count() < 1300);
  BOOST_TEST((trials[2] - trials[1]).count() >= 2000);
  BOOST_TEST((trials[6] - trials[5]).count() >= 16000);
  BOOST_TEST((trials[6] - trials[5]).count() < 16300);
}

// While the shards are stopped one after the other, those that still run may ask.
BOOST_AUTO_TEST_CASE(a_thread_that_has_ended_may_be_asked_for_its_cpu_time) {
  ShardThreads threads(2);
  threads.start();
  boost::asio::post(threads.context(1), [&] {
    while (threads.cpu_time(1) < 5ms) {
    }
  });
  BOOST_TEST(wg::test::eventually([&] { return threads.cpu_time(1) >= 5ms; }));
  threads.stop();
  BOOST_TEST(threads.cpu_time(1).count() == 0);
}
