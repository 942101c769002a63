#include "commands/status_report.hpp"

#include <boost/test/unit_test.hpp>

using namespace wg;
using namespace wg::commands;
using namespace std::chrono_literals;

namespace {

constexpr crypto::PublicKey kPeer{{std::byte{7}}};

Sample sample_of(std::chrono::seconds handshake_ago, std::optional<std::chrono::seconds> calling) {
  Sample sample{.name = "wg0", .state = {}, .vitals = settings::Vitals{}, .wall = {}, .taken = {}};
  sample.wall = std::chrono::system_clock::time_point(1'800'000'000s);
  settings::PeerState& peer = sample.state.peers.emplace_back();
  peer.public_key = kPeer;
  if (handshake_ago != 0s) peer.last_handshake = sample.wall.time_since_epoch() - handshake_ago;
  if (calling) sample.vitals->unanswered.push_back({.peer = kPeer, .time = *calling});
  return sample;
}

std::string_view health(std::chrono::seconds handshake_ago,
                        std::optional<std::chrono::seconds> calling) {
  const Sample sample = sample_of(handshake_ago, calling);
  return name_of(health_of(sample, sample.state.peers[0]));
}

}  // namespace

BOOST_AUTO_TEST_CASE(health_is_what_the_handshake_and_the_calls_say) {
  BOOST_TEST(health(0s, std::nullopt) == "idle");
  BOOST_TEST(health(179s, std::nullopt) == "live");
  BOOST_TEST(health(180s, std::nullopt) == "idle");
  BOOST_TEST(health(0s, 19s) == "calling");
  BOOST_TEST(health(130s, 5s) == "live");  // a rekey
  BOOST_TEST(health(0s, 20s) == "dead");
  BOOST_TEST(health(100s, 20s) == "dead");
}

BOOST_AUTO_TEST_CASE(a_text_says_what_is_wrong) {
  const auto text = [](const Sample& sample) { return as_text(sample, {}, {}); };
  BOOST_TEST(
      text(sample_of(-61s, std::nullopt)).contains("in 1 minute, 1 second: the clock went back"));
  BOOST_TEST(text(sample_of(0s, 25s)).contains("no answer for 25 seconds"));
  BOOST_TEST(!text(sample_of(0s, 19s)).contains("no answer"));
  BOOST_TEST(text(sample_of(0s, std::nullopt)).contains("(none: no private key is set)"));
}

BOOST_AUTO_TEST_CASE(no_form_shows_a_secret) {
  Sample sample = sample_of(5s, std::nullopt);
  sample.state.interface.private_key.emplace();
  sample.state.interface.private_key->data()[0] = 8;
  sample.state.peers[0].preshared_key.data()[0] = 9;
  const std::string both = as_text(sample, {}, {.colours = true}) + as_json({sample});
  BOOST_TEST(!both.contains("CAAAAAAAAAAA"));
  BOOST_TEST(!both.contains("CQAAAAAAAAAA"));
  BOOST_TEST(both.contains("\"has_preshared_key\": true"));
}

BOOST_AUTO_TEST_CASE(rates_are_of_the_time_between_two_samples) {
  Sample before = sample_of(5s, std::nullopt);
  Sample now = before;
  now.taken = before.taken + 2s;
  now.state.peers[0].rx_bytes = 2048;
  const auto rate = rate_of(before, now, now.state.peers[0]);
  BOOST_REQUIRE(rate.has_value());
  BOOST_TEST(rate->received == 1024);
  BOOST_TEST(rate->sent == 0);
  BOOST_TEST(!rate_of(now, before, before.state.peers[0]).has_value());  // it began anew
  before.state.peers.clear();
  BOOST_TEST(!rate_of(before, now, now.state.peers[0]).has_value());
}

BOOST_AUTO_TEST_CASE(sizes_times_and_graphs) {
  BOOST_TEST(size_text(0) == "0 B");
  BOOST_TEST(size_text(1023) == "1023 B");
  BOOST_TEST(size_text(1536) == "1.50 KiB");
  BOOST_TEST(size_text(5.0 * (1ULL << 50)) == "5120.00 TiB");
  BOOST_TEST(time_text(0s) == "0 seconds");
  BOOST_TEST(time_text(90061s) == "1 day, 1 hour, 1 minute, 1 second");
  BOOST_TEST(time_text(7200s) == "2 hours");
  BOOST_TEST(graph_of({}).empty());
  BOOST_TEST(graph_of({0, 0}) == "▁▁");
  BOOST_TEST(graph_of({0, 50, 100}) == "▁▅█");
}
