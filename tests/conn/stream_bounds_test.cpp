// What strangers and large messages may do to a stream bind.
#include <spdlog/sinks/ringbuffer_sink.h>
#include <sys/resource.h>

#include "conn/stream_bind.hpp"
#include "tests/conn/stream_node.hpp"

using namespace wg;
using namespace wg::conn;
using namespace wg::test;
using namespace std::chrono_literals;

namespace {

/// No more descriptors than are open now, while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    BOOST_REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const Descriptor next = unconnected();
    rlimit none = before_;
    none.rlim_cur = static_cast<rlim_t>(next.get());
    BOOST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~NoDescriptors() { (void)::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_message_that_no_frame_holds_is_dropped_alone) {
  boost::asio::io_context context{1};
  Node a(context), b(context);
  const std::uint16_t port = b.listen();
  a.dial_only();
  const Bytes too_long = data(kFrameMessageMax + 1), fits = data(kFrameMessageMax);
  const Bytes small = data(20);
  const auto single = [](const Bytes& bytes) {
    return OutgoingTrain{.bytes = bytes, .segment_size = bytes.size(), .traffic_class = 0};
  };
  const std::array trains{single(small), single(too_long), single(fits)};
  // While it connects, when it is open, and while nobody can be reached.
  Endpoint to = at(port), nobody = at(free_port());
  a.send(nobody, small);
  BOOST_REQUIRE(until(context, [&] { return a.bind.connections() == 0; }));
  for (Endpoint* const target : {&to, &to, &nobody}) {
    const std::size_t before = b.messages.size();
    const SendOutcome outcome = a.bind.send(0, *target, trains);
    BOOST_TEST(outcome.failed_datagrams == 1u);
    BOOST_TEST(outcome.error == EMSGSIZE);
    if (target == &nobody) break;
    BOOST_REQUIRE(until(context, [&] { return b.messages.size() == before + 2; }));
    BOOST_TEST(b.messages[before].size() == small.size());
    BOOST_TEST(b.messages[before + 1].size() == fits.size());
  }
  BOOST_TEST(b.bind.connections() == 1u);
}

BOOST_AUTO_TEST_CASE(when_descriptors_run_out_the_oldest_stranger_goes_and_it_is_logged_once) {
  boost::asio::io_context context{1};
  const auto lines = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(100);
  const auto log = std::make_shared<spdlog::logger>("", lines);
  log->info("UBSan takes descriptors when it first looks at a sink: it has to be now");
  Node b(context, log);
  const std::uint16_t port = b.listen();
  std::vector<Descriptor> strangers;
  for (int i = 0; i < 10; i++) strangers.push_back(unconnected());
  for (std::size_t i = 0; i < 5; i++) {
    connect_to(strangers[i], port);
    BOOST_REQUIRE(until(context, [&] { return b.bind.connections() == i + 1; }));
  }
  {
    const NoDescriptors none;
    for (std::size_t i = 5; i < 10; i++) {
      connect_to(strangers[i], port);
      BOOST_TEST(until(context, [&] { return closed(strangers[i - 5]); }));
    }
    BOOST_TEST(b.bind.connections() == 5u);
    write_all(strangers[9], framed(data(20)));
    BOOST_TEST(until(context, [&] { return b.messages.size() == 1; }));
    run_for(context, 300ms);
  }
  BOOST_TEST(lines->last_formatted().size() == 2u);
}

BOOST_AUTO_TEST_CASE(who_does_not_authenticate_in_time_is_sent_away) {
  boost::asio::io_context context{1};
  UnauthenticatedBounds bounds;
  bounds.time = 100ms;
  Node b(context, silent(), bounds);
  const std::uint16_t port = b.listen();
  const Descriptor known = stranger(port), talking = stranger(port), quiet = stranger(port);
  write_all(known, framed(data(20)));
  BOOST_REQUIRE(until(context, [&] { return b.messages.size() == 1; }));
  const auto peer = std::make_shared<Lost>();
  (void)b.bind.roam_to({}, b.last_source, peer);
  const auto began = std::chrono::steady_clock::now();
  BOOST_TEST(until(context, [&] {
    if (closed(talking)) return closed(quiet);
    // To say something is not enough. The end may come between the look and the write.
    const Bytes said = framed(data(20));
    (void)::send(talking.get(), said.data(), said.size(), MSG_NOSIGNAL);
    return false;
  }));
  BOOST_CHECK(std::chrono::steady_clock::now() - began > 50ms);
  run_for(context, 200ms);
  BOOST_TEST(!closed(known));
  BOOST_TEST(b.bind.connections() == 1u);
}

BOOST_AUTO_TEST_CASE(beginnings_of_frames_of_those_who_do_not_authenticate_are_bounded_together) {
  boost::asio::io_context context{1};
  UnauthenticatedBounds bounds;
  bounds.bytes = 5 * kPartialFrameLeast;
  Node b(context, silent(), bounds);
  const std::uint16_t port = b.listen();
  Bytes beginning = framed(data(kFrameMessageMax));
  beginning.resize(1000);
  std::vector<Descriptor> strangers;
  for (std::size_t i = 0; i < 8; i++) {
    strangers.push_back(stranger(port));
    write_all(strangers[i], beginning);
    BOOST_REQUIRE(until(context, [&] { return b.bind.connections() == std::min(i + 1, 5UL); }));
    run_for(context, 20ms);
  }
  for (std::size_t i = 0; i < 8; i++) BOOST_TEST(closed(strangers[i]) == (i < 3));
  // A long frame may still come first.
  const Descriptor honest = stranger(port);
  write_all(honest, framed(data(9000)));
  BOOST_TEST(until(context, [&] { return b.messages.size() == 1; }));
}
