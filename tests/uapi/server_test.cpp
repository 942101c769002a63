// The UAPI server over a real socket, with a device that only remembers.
#include "uapi/server.hpp"

#include <spdlog/sinks/ostream_sink.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <filesystem>
#include <sstream>
#include <thread>

#include "uapi/client.hpp"

using namespace wg;
using namespace wg::uapi;
using namespace std::chrono_literals;

namespace {

class FakeDevice final : public settings::Configurable {
 public:
  Result<void> apply(const settings::Settings& settings) override {
    if (settings.listen_port == 777) return std::unexpected(Failure::system(EADDRINUSE));
    applied++;
    for (const auto& peer : settings.peers) keys.push_back(peer.public_key);
    return {};
  }
  settings::InterfaceState interface_state() const override {
    settings::InterfaceState state;
    state.listen_port = 51820;
    return state;
  }
  std::vector<crypto::PublicKey> peers() const override { return keys; }
  std::optional<settings::PeerState> peer_state(const crypto::PublicKey& key) const override {
    settings::PeerState state;
    state.public_key = key;
    return state;
  }
  settings::Vitals vitals() const override {
    return {.version = "7",
            .aead = "a b",
            .inner_end = "i",
            .outer_end = "o",
            .threads = 3,
            .drops = {{"bad_mac1", 5}, {"replayed", 0}},
            .unanswered = {{crypto::PublicKey{{std::byte{7}}}, 21s}}};
  }
  std::optional<std::string> endpoint_error(std::string_view) const override {
    return std::nullopt;
  }
  std::atomic<int> applied{0};
  std::vector<crypto::PublicKey> keys;
};

/// A server on a thread of its own.
struct Running {
  std::string folder;
  std::string path;
  FakeDevice device;
  std::ostringstream log_text;
  std::atomic<bool> removed{false};
  boost::asio::io_context context{1};
  std::unique_ptr<Server> server;
  std::thread thread;

  Running() {
    char text[] = "/tmp/wg-uapi-XXXXXX";
    BOOST_REQUIRE(::mkdtemp(text) != nullptr);
    folder = text;
    path = folder + "/wg0.sock";
  }
  void start(std::chrono::milliseconds idle_max = kIdleMax) {
    auto listening = Server::listen(context, path);
    BOOST_REQUIRE(listening.has_value());
    server = std::move(*listening);
    auto log = std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_text));
    server->serve(device, log, [this] { removed = true; }, idle_max);
    thread = std::thread([this] { context.run(); });
  }
  void stop() {
    context.stop();
    if (thread.joinable()) thread.join();
    server.reset();
  }
  ~Running() {
    stop();
    std::filesystem::remove_all(folder);
  }
};

/// A client that says anything.
class RawClient {
 public:
  explicit RawClient(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    BOOST_REQUIRE(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    timeval limit{.tv_sec = 3, .tv_usec = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  bool say(const std::string& text) {
    return ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }
  /// Up to the empty line, or what came before the end.
  std::string hear() {
    std::string text;
    char c;
    while (!text.ends_with("\n\n") && ::recv(fd_.get(), &c, 1, 0) == 1) text += c;
    return text;
  }

 private:
  Descriptor fd_;
};

const std::string kPeer = "public_key=" + std::string(64, 'b') + "\n";

}  // namespace

BOOST_AUTO_TEST_CASE(one_connection_carries_many_operations) {
  Running running;
  running.start();
  auto client = Client::connect(running.path);
  BOOST_REQUIRE(client.has_value());
  for (int i = 0; i < 3; i++) {
    BOOST_TEST(client->set(kPeer).has_value());
    const auto state = client->state();
    BOOST_REQUIRE(state.has_value());
    BOOST_TEST(state->interface.listen_port == 51820u);
    BOOST_TEST(state->peers.size() == static_cast<std::size_t>(i) + 1);
  }
  BOOST_TEST(running.device.applied == 3);
}

BOOST_AUTO_TEST_CASE(status_tells_how_the_daemon_is_and_nothing_of_it_is_lost_on_the_way) {
  Running running;
  running.start();
  auto client = Client::connect(running.path);
  BOOST_REQUIRE(client.has_value());
  const auto vitals = client->vitals();
  BOOST_REQUIRE(vitals.has_value());
  BOOST_CHECK(*vitals == running.device.vitals());
  BOOST_TEST(client->state().has_value());  // the connection goes on
}

BOOST_AUTO_TEST_CASE(refusals_carry_errno_and_apply_nothing) {
  Running running;
  running.start();
  RawClient client(running.path);
  for (const auto& [request, answer] : std::vector<std::pair<std::string, std::string>>{
           {"set=1\nlisten_port=x\n" + kPeer + "\n", "errno=-22\n\n"},
           {"set=1\nno equals sign\n\n", "errno=-71\n\n"},
           {"set=1\nlisten_port=777\n\n", "errno=-98\n\n"},
           {"set=1\n\n", "errno=0\n\n"}}) {
    BOOST_TEST(client.say(request));
    BOOST_TEST(client.hear() == answer);
  }
  running.stop();
  BOOST_TEST(running.device.applied == 1);
  BOOST_TEST(running.log_text.str().find("line 2: listen_port: expected 0…65535") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_unknown_operation_closes_the_connection) {
  Running running;
  running.start();
  RawClient client(running.path);
  BOOST_TEST(client.say("hello=1\n\n"));
  BOOST_TEST(client.hear() == "");
}

BOOST_AUTO_TEST_CASE(of_what_is_no_operation_only_the_word_is_logged) {
  Running running;
  running.start();
  for (const std::string& line : {"private_key=" + std::string(64, '7'), std::string(64, '7')}) {
    RawClient client(running.path);
    BOOST_TEST(client.say(line + "\n\n"));
    BOOST_TEST(client.hear() == "");
  }
  running.stop();
  const std::string log = running.log_text.str();
  BOOST_TEST(log.find("'private_key'") != std::string::npos, log);
  BOOST_TEST(log.find("7777") == std::string::npos, log);
}

BOOST_AUTO_TEST_CASE(requests_may_come_byte_by_byte_and_many_at_once) {
  Running running;
  running.start();
  RawClient client(running.path);
  for (const char c : "set=1\n" + kPeer + "\n") BOOST_TEST(client.say(std::string(1, c)));
  BOOST_TEST(client.hear() == "errno=0\n\n");
  BOOST_TEST(client.say("set=1\n\nset=1\n\nget=1\n\n"));
  BOOST_TEST(client.hear() == "errno=0\n\n");
  BOOST_TEST(client.hear() == "errno=0\n\n");
  BOOST_TEST(client.hear().starts_with("listen_port=51820\n"));
}

BOOST_AUTO_TEST_CASE(a_line_without_end_closes_the_connection_and_disturbs_nobody) {
  Running running;
  running.start();
  RawClient endless(running.path);
  RawClient stalled(running.path);
  BOOST_TEST(stalled.say("set=1\npriv"));
  const std::string much(100'000, 'x');
  for (int i = 0; i < 1000 && endless.say(much); i++) {
  }
  BOOST_TEST(endless.hear() == "");
  RawClient honest(running.path);
  BOOST_TEST(honest.say("set=1\n\n"));
  BOOST_TEST(honest.hear() == "errno=0\n\n");
}

BOOST_AUTO_TEST_CASE(a_reader_that_stalls_within_a_long_get_does_not_block_another) {
  Running running;
  running.device.keys.resize(20'000);
  running.start();
  RawClient stalled(running.path);
  BOOST_TEST(stalled.say("get=1\n\n"));  // and reads nothing
  auto client = Client::connect(running.path);
  const auto state = client->state();
  BOOST_REQUIRE(state.has_value());
  BOOST_TEST(state->peers.size() == 20'000u);
}

BOOST_AUTO_TEST_CASE(who_neither_sends_nor_reads_is_closed) {
  Running running;
  running.device.keys.resize(20'000);
  running.start(200ms);
  RawClient silent(running.path);
  RawClient stalled(running.path);
  BOOST_TEST(stalled.say("get=1\n\n"));  // and reads nothing
  RawClient busy(running.path);
  for (int i = 0; i < 10; i++) {  // longer than that, in all
    BOOST_TEST(busy.say("set=1\n\n"));
    BOOST_TEST(busy.hear() == "errno=0\n\n");
    std::this_thread::sleep_for(50ms);
  }
  BOOST_TEST(silent.hear() == "");
  BOOST_TEST(!stalled.hear().ends_with("errno=0\n\n"));
}

BOOST_AUTO_TEST_CASE(a_refusal_has_its_errno_at_the_client) {
  Running running;
  running.start();
  auto client = Client::connect(running.path);
  BOOST_REQUIRE(client.has_value());
  const auto refused = client->set("listen_port=777\n");
  BOOST_REQUIRE(!refused.has_value());
  BOOST_TEST(refused.error().code().value() == EADDRINUSE);
}

BOOST_AUTO_TEST_CASE(the_socket_is_roots_alone) {
  Running running;
  running.start();
  struct stat status{};
  BOOST_REQUIRE(::stat(running.path.c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0777) == 0700u);
}

BOOST_AUTO_TEST_CASE(a_stale_file_is_replaced_and_a_live_one_is_an_error) {
  Running running;
  {
    Descriptor abandoned(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    running.path.copy(address.sun_path, running.path.size());
    BOOST_REQUIRE(::bind(abandoned.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) ==
                  0);
  }
  running.start();
  boost::asio::io_context other(1);
  const auto second = Server::listen(other, running.path);
  BOOST_REQUIRE(!second.has_value());
  BOOST_TEST(second.error().text().find("in use") != std::string::npos);
  RawClient client(running.path);  // the first one still answers
  BOOST_TEST(client.say("set=1\n\n"));
  BOOST_TEST(client.hear() == "errno=0\n\n");
}

BOOST_AUTO_TEST_CASE(the_socket_never_refuses_a_client_while_it_is_made) {
  // wg(8) removes a socket that refuses it: between bind and listen ours would be gone.
  Running running;
  std::atomic<bool> done{false};
  std::atomic<int> refused{0};
  std::thread impatient([&] {
    while (!done) {
      const auto client = Client::connect(running.path);
      if (!client && client.error().code().value() == ECONNREFUSED) refused++;
    }
  });
  boost::asio::io_context context(1);
  std::vector<std::unique_ptr<Server>> servers;  // none ends before the last client has asked
  for (int i = 0; i < 50; i++) {  // each watches its folder, of which a user may have 128
    auto server = Server::listen(context, running.path);
    BOOST_TEST(server.has_value());
    if (!server) break;
    servers.push_back(std::move(*server));
    std::filesystem::rename(running.path, running.path + ".old");
  }
  done = true;
  impatient.join();
  BOOST_TEST(refused == 0);
}

BOOST_AUTO_TEST_CASE(the_files_removal_is_noticed) {
  Running running;
  running.start();
  std::filesystem::remove(running.path);
  for (int i = 0; i < 2000 && !running.removed; i++) std::this_thread::sleep_for(1ms);
  BOOST_TEST(running.removed.load());
}

BOOST_AUTO_TEST_CASE(the_end_removes_our_file_and_nobody_elses) {
  Running running;
  running.start();
  running.stop();
  BOOST_TEST(!std::filesystem::exists(running.path));
  Running other;
  other.start();
  std::filesystem::remove(other.path);
  boost::asio::io_context context(1);
  const auto successor = Server::listen(context, other.path);
  BOOST_REQUIRE(successor.has_value());
  other.stop();
  BOOST_TEST(std::filesystem::exists(other.path));
}
