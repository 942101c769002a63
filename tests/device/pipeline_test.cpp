#include "device/pipeline.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>
#include <random>
#include <thread>
#include <vector>

#include "tests/device/fakes.hpp"

using namespace wg::device;
using wg::test::eventually;

namespace {

/// A thread that runs a context.
struct Runner {
  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
      context.get_executor()};
  std::thread thread{[this] { context.run(); }};
  ~Runner() { stop(); }
  void stop() {
    context.stop();
    if (thread.joinable()) thread.join();
  }
};

/// An owner that numbers its batches, and a step that notes the numbers as they come.
struct Numbered {
  std::array<int, Pipeline::kSlots> slots{};
  std::vector<int> done;  // of whoever does the step
  std::atomic<int> count = 0;
  std::atomic<int> at_once = 0;
  std::atomic<bool> two_at_once = false;
  std::atomic<bool> held = false;  // no step is done while it is

  void step(std::size_t slot) {
    if (at_once.fetch_add(1) != 0) two_at_once = true;
    while (held) std::this_thread::yield();
    done.push_back(slots[slot]);
    at_once.fetch_sub(1);
    count++;
  }
  [[nodiscard]] bool in_order() const {
    for (std::size_t i = 0; i < done.size(); i++) {
      if (done[i] != static_cast<int>(i)) return false;
    }
    return true;
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(without_a_writer_the_step_is_done_at_once_and_in_one_slot) {
  boost::asio::io_context owner{1};
  Numbered batches;
  Pipeline pipeline(owner, [&](std::size_t slot) { batches.step(slot); }, [] {});
  for (int i = 0; i < 20; i++) {
    const auto place = pipeline.place();
    BOOST_REQUIRE(place.has_value());
    BOOST_TEST_REQUIRE(place->slot == 0u);
    BOOST_REQUIRE(place->alone);
    batches.slots[place->slot] = i;
    pipeline.pass_on(nullptr);
    BOOST_TEST(batches.count == i + 1);
  }
  BOOST_TEST(batches.in_order());
}

BOOST_AUTO_TEST_CASE(an_owner_is_alone_only_when_nobody_else_is_at_the_step) {
  Runner writer;
  boost::asio::io_context owner{1};
  Numbered batches;
  batches.held = true;
  Pipeline pipeline(owner, [&](std::size_t slot) { batches.step(slot); }, [] {});
  batches.slots[pipeline.place()->slot] = 0;
  pipeline.pass_on(&writer.context);
  BOOST_TEST(!pipeline.place()->alone);
  batches.held = false;
  BOOST_TEST(eventually([&] { return pipeline.place()->alone; }));
  BOOST_TEST(batches.count == 1);
}

BOOST_AUTO_TEST_CASE(an_owner_without_a_slot_is_called_when_there_is_one_again) {
  Runner writer;
  boost::asio::io_context owner{1};
  Numbered batches;
  batches.held = true;
  int resumed = 0;
  Pipeline pipeline(owner, [&](std::size_t slot) { batches.step(slot); }, [&] { resumed++; });
  for (int i = 0; i < static_cast<int>(Pipeline::kSlots); i++) {
    const auto place = pipeline.place();
    BOOST_REQUIRE(place.has_value());
    batches.slots[place->slot] = i;
    pipeline.pass_on(&writer.context);
  }
  BOOST_TEST(!pipeline.place().has_value());
  owner.poll();
  BOOST_TEST(resumed == 0);
  batches.held = false;
  BOOST_TEST(eventually([&] {
    owner.restart();
    owner.poll();
    return resumed == 1;
  }));
  BOOST_TEST(pipeline.place().has_value());
  BOOST_TEST(eventually([&] { return batches.count == static_cast<int>(Pipeline::kSlots); }));
  BOOST_TEST(batches.in_order());
}

// The owner has help, has none, takes the step itself and changes its writer, at random; slow steps
// and slow owners come to pass by the scheduler alone.
BOOST_AUTO_TEST_CASE(batches_keep_their_order_whoever_does_the_step) {
  constexpr int kBatches = 20'000;
  Runner owner, one, two;
  Numbered batches;
  std::minstd_rand random(7);
  boost::asio::io_context* writer = nullptr;
  int next = 0;
  std::function<void()> turn;
  Pipeline pipeline(owner.context, [&](std::size_t slot) { batches.step(slot); }, [&] { turn(); });
  turn = [&] {
    for (; next < kBatches; next++) {
      if (next % 64 == 0) {
        writer = std::array<boost::asio::io_context*, 3>{nullptr, &one.context,
                                                         &two.context}[random() % 3];
      }
      const auto place = pipeline.place();
      if (!place) return;  // resumed later
      batches.slots[place->slot] = next;
      if (writer == nullptr && place->alone) {
        batches.step(place->slot);
      } else {
        pipeline.pass_on(writer);
      }
    }
  };
  boost::asio::post(owner.context, [&] { turn(); });
  BOOST_TEST(eventually([&] { return batches.count == kBatches; }));
  for (Runner* runner : {&owner, &one, &two}) runner->stop();
  BOOST_TEST(!batches.two_at_once);
  BOOST_TEST(batches.in_order());
}
