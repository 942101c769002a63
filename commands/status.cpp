// status: how interfaces, their peers and the daemon are. Once, again and again, for a program, or
// as a health check.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <map>
#include <thread>

#include "commands/console.hpp"
#include "commands/interfaces.hpp"
#include "commands/status_report.hpp"

namespace wg::commands {
namespace {

constexpr std::chrono::milliseconds kRateTime{300};
constexpr std::chrono::seconds kRedraw{1};
constexpr std::size_t kGraphSamples = 30;
/// Exit codes of --check.
constexpr int kAlive = 0;
constexpr int kDead = 1;
constexpr int kNotThere = 2;

Result<Sample> look(const std::string& name) {
  auto client = connect(name);
  if (!client) return std::unexpected(client.error());
  auto state = client->state();
  if (!state) return std::unexpected(state.error().during("{}", name));
  return Sample{.name = name,
                .state = std::move(*state),
                .vitals = client->vitals(),
                .wall = std::chrono::system_clock::now(),
                .taken = std::chrono::steady_clock::now()};
}

/// Of the one interface, or of all; one that ends meanwhile is left out of all.
Result<std::vector<Sample>> look_at(const std::string& interface) {
  std::vector<Sample> samples;
  if (!interface.empty()) {
    auto sample = look(interface);
    if (!sample) return std::unexpected(sample.error());
    samples.push_back(std::move(*sample));
    return samples;
  }
  for (const std::string& name : running_interfaces()) {
    if (auto sample = look(name)) samples.push_back(std::move(*sample));
  }
  return samples;
}

bool wants_colours(int fd) {
  const char* const mode = std::getenv("WG_COLOR_MODE");
  if (mode != nullptr && std::string_view(mode) == "always") return true;
  if (mode != nullptr && std::string_view(mode) == "never") return false;
  return ::isatty(fd) == 1 && std::getenv("NO_COLOR") == nullptr;
}

/// The rates of each interface's peers, as they went.
class Courses {
 public:
  /// One a peer.
  std::vector<Course> add(const Sample& sample, bool graphs) {
    std::vector<Course> courses;
    const auto before = last_.find(sample.name);
    for (const settings::PeerState& peer : sample.state.peers) {
      Course course;
      if (before != last_.end()) course.rate = rate_of(before->second, sample, peer);
      if (graphs && course.rate) course.graph = graph(sample.name, peer, *course.rate);
      courses.push_back(std::move(course));
    }
    last_.insert_or_assign(sample.name, sample);
    return courses;
  }

 private:
  std::string graph(const std::string& interface, const settings::PeerState& peer,
                    const Rate& rate) {
    auto& rates = rates_[{interface, peer.public_key.bytes}];
    rates.push_back(rate.received + rate.sent);
    if (rates.size() > kGraphSamples) rates.pop_front();
    return graph_of({rates.begin(), rates.end()});
  }

  std::map<std::string, Sample> last_;
  std::map<std::pair<std::string, std::array<std::byte, crypto::kKeyBytes>>, std::deque<double>>
      rates_;
};

std::string text_of(const std::vector<Sample>& samples, Courses& courses, bool graphs) {
  std::string text;
  for (const Sample& sample : samples) {
    if (!text.empty()) text += '\n';
    text += as_text(sample, courses.add(sample, graphs), {.colours = wants_colours(STDOUT_FILENO)});
  }
  return text;
}

int show_once(const std::string& interface) {
  Courses courses;
  auto samples = look_at(interface);
  if (!samples) return fail(samples.error());
  if (samples->empty()) {
    remark("no WireGuard interface is running");
    return EXIT_SUCCESS;
  }
  (void)text_of(*samples, courses, false);
  std::this_thread::sleep_for(kRateTime);
  samples = look_at(interface);
  if (!samples) return fail(samples.error());
  return print(text_of(*samples, courses, false));
}

/// Until it is interrupted, or what is shown has gone.
int watch(const std::string& interface) {
  Courses courses;
  for (;;) {
    const auto samples = look_at(interface);
    if (!samples) return fail(samples.error());
    const std::string text = text_of(*samples, courses, true);
    constexpr std::string_view kHome = "\033[H\033[J";
    const std::string_view before = ::isatty(STDOUT_FILENO) == 1 ? kHome : "";
    if (const int code = print(fmt::format("{}{}\n", before, text)); code != 0) return code;
    std::this_thread::sleep_for(kRedraw);
  }
}

int check(const std::string& interface) {
  const auto samples = look_at(interface);
  if (!samples || samples->empty()) {
    (void)fail(samples ? Failure("no WireGuard interface is running") : samples.error());
    return kNotThere;
  }
  int code = kAlive;
  for (const Sample& sample : *samples) {
    std::map<std::string_view, std::size_t> count;
    for (const settings::PeerState& peer : sample.state.peers) {
      const Health health = health_of(sample, peer);
      count[name_of(health)]++;
      if (health == Health::Dead) code = kDead;
    }
    std::string text;
    for (const auto& [health, peers] : count) text += fmt::format(", {} {}", peers, health);
    if (print(fmt::format("{}: {} peers{}\n", sample.name, sample.state.peers.size(), text)) != 0) {
      return kNotThere;
    }
  }
  return code;
}

}  // namespace

int status(const CommandRow& row, Arguments arguments) {
  CommandLine line(row);
  std::string interface;
  bool json = false, watching = false, checking = false;
  line.add_option("INTERFACE", interface, "Its name; all that run, if it is left out");
  auto* const form = line.add_option_group("form");
  form->add_flag("--json", json, "for programs: docs/status.md says what stands where");
  form->add_flag("--watch", watching, "again every second, with a graph of each peer's rate");
  form->add_flag("--check", checking,
                 "exit code 0: live or idle, 1: a peer is called for 20 s and does not answer, 2: "
                 "not there");
  form->require_option(0, 1);
  if (const auto code = line.read(arguments)) return *code;
  if (checking) return check(interface);
  if (watching) return watch(interface);
  if (!json) return show_once(interface);
  const auto samples = look_at(interface);
  if (!samples) return fail(samples.error());
  return print(as_json(*samples));
}

}  // namespace wg::commands
