// up and down: a tunnel by one file.
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "commands/console.hpp"
#include "commands/hooks.hpp"
#include "commands/interfaces.hpp"
#include "commands/plan.hpp"
#include "commands/record.hpp"
#include "commands/resolve.hpp"
#include "settings/interface_name.hpp"

namespace wg::commands {
namespace {

std::atomic<bool> interrupted = false;

void on_signal(int) {
  interrupted = true;
}

/// Ctrl-C between two steps undoes what was done; a step itself is not cut short.
void catch_signals() {
  struct sigaction action{};
  action.sa_handler = on_signal;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

/// For tests: what happens if we are killed in front of the step of that number.
void die_if_asked(std::size_t step) {
  const char* const at = std::getenv("WG_TEST_DIE_BEFORE_STEP");
  if (at != nullptr && std::to_string(step) == at) ::raise(SIGKILL);
}

void warn_if_others_may_read(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IRWXO) != 0) {
    remark(fmt::format("wireguard-cpp: {}: others may read its keys; 'chmod 600' it", path));
  }
}

Result<config::ConfFile> read_conf(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return std::unexpected(text.error());
  auto file = config::parse(text->view(), path);
  if (!file) return std::unexpected(Failure(file.error().text(path)));
  for (const std::string& warning : file->warnings) remark("wireguard-cpp: " + warning);
  return std::move(*file);
}

Result<void> resolve_endpoints(config::ConfFile& conf, const std::string& path) {
  const Retries retries = Retries::from_environment();
  for (std::size_t i = 0; i < conf.settings.peers.size(); i++) {
    auto& endpoint = conf.settings.peers[i].endpoint;
    if (!endpoint) continue;
    auto address = resolve(*endpoint, retries);
    if (!address) {
      return std::unexpected(
          address.error().during("{}: the peer of line {}", path, conf.peer_lines[i]));
    }
    endpoint = std::move(*address);
  }
  return {};
}

/// Nobody could ever begin.
void hint_if_nobody_calls(const config::ConfFile& conf) {
  if (conf.settings.listen_port.value_or(0) != 0 || conf.settings.peers.empty()) return;
  for (const settings::PeerSettings& peer : conf.settings.peers) {
    if (peer.endpoint) return;
  }
  remark(
      "wireguard-cpp: no peer has an Endpoint, and there is no ListenPort: nobody can call the "
      "other, unless they are told the port of 'status'");
}

int undo_and_fail(Record& record, const Failure& failure) {
  const int code = fail(failure);
  remark(undo_all(record) ? "wireguard-cpp: what was done is undone"
                          : "wireguard-cpp: not all that was done could be undone");
  return code;
}

int perform_all(std::vector<Step>& steps, Record& record, bool verbose) {
  for (std::size_t i = 0; i < steps.size(); i++) {
    Step& step = steps[i];
    if (interrupted) return undo_and_fail(record, Failure("interrupted"));
    if (verbose) remark("[#] " + step.text);
    if (!step.undo.empty()) {
      record.undo.insert(record.undo.end(), step.undo.rbegin(), step.undo.rend());
      if (auto written = write_record(record); !written) {
        record.undo.resize(record.undo.size() - step.undo.size());
        return undo_and_fail(record, written.error());
      }
    }
    die_if_asked(i);
    auto done = step.perform();
    if (done) continue;
    Failure failure = done.error();
    if (step.line != 0) failure = failure.during("{}:{}", record.file, step.line);
    if (!step.may_fail) return undo_and_fail(record, failure);
    (void)fail(failure);
  }
  return EXIT_SUCCESS;
}

/// Makes way: after a crash, what the last `up` has left is undone first.
Result<void> make_way(const std::string& interface, netlink::Host& host) {
  auto record = read_record(interface);
  if (!record) return std::unexpected(record.error());
  const auto link = host.link(interface);
  if (!link) return std::unexpected(link.error());
  if (!*link && !is_running(interface)) {
    if (!*record) return {};
    remark(fmt::format("wireguard-cpp: {}: it ended without 'down'; what it has left is undone",
                       interface));
    (void)undo_all(**record);
    return {};
  }
  return std::unexpected(
      *record
          ? Failure(interface + ": it is up already")
                .hint("'wireguard-cpp down {}' first", interface)
          : Failure(interface + ": there is an interface of that name already")
                .hint("choose another name with -i, or remove it: 'ip link delete {}'", interface));
}

int take_down(Record& record, bool run_hooks) {
  if (run_hooks) {
    for (const config::Hook& hook : record.pre_down) {
      if (auto ran = run_hook(hook, record.interface, record.file); !ran) return fail(ran.error());
    }
  }
  bool good = undo_all(record);
  if (run_hooks) {
    for (const config::Hook& hook : record.post_down) {
      if (auto ran = run_hook(hook, record.interface, record.file); !ran) {
        (void)fail(ran.error());
        good = false;
      }
    }
  }
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/// In the foreground: until a signal, or the daemon's end.
int stay(Record& record) {
  while (!interrupted && is_running(record.interface)) ::usleep(200'000);
  return take_down(record, true);
}

struct UpOptions {
  std::string file;
  std::string interface;
  std::optional<std::uint16_t> port;
  bool server = false;
  bool foreground = false;
  bool dry_run = false;
  int verbosity = 0;
};

int bring_up(const UpOptions& options) {
  constexpr std::uint16_t kServerPort = 51820;
  const std::string path = conf_path(options.file);
  UpRequest request{.interface = options.interface,
                    .file = path,
                    .conf = {},
                    .verbosity = static_cast<unsigned>(options.verbosity),
                    .foreground = options.foreground};
  if (request.interface.empty()) request.interface = std::filesystem::path(path).stem().string();
  if (const auto wrong = settings::interface_name_error(request.interface)) {
    return fail(Failure(fmt::format("the interface's name '{}' {}", request.interface, *wrong))
                    .hint("give another one with -i"));
  }
  if (request.interface.contains('%')) {
    return fail(Failure("'%d' stands for no number here").hint("name the interface"));
  }
  auto conf = read_conf(path);
  if (!conf) return fail(conf.error());
  warn_if_others_may_read(path);
  request.conf = std::move(*conf);
  if (options.port) request.conf.settings.listen_port = *options.port;
  if (options.server && request.conf.settings.listen_port.value_or(0) == 0) {
    request.conf.settings.listen_port = kServerPort;
  }
  if (request.conf.host.save_config) {
    remark(
        "wireguard-cpp: SaveConfig is not carried out: the file stays as it is; 'wireguard-cpp "
        "showconf' prints what runs");
  }
  hint_if_nobody_calls(request.conf);
  if (auto resolved = resolve_endpoints(request.conf, path); !resolved)
    return fail(resolved.error());
  if (const std::string why = why_no_hooks(path); !why.empty()) {
    const config::HostSettings& host = request.conf.host;
    request.run_hooks = false;
    if (!host.pre_up.empty() || !host.post_up.empty() || !host.pre_down.empty() ||
        !host.post_down.empty()) {
      remark("wireguard-cpp: " + why);
    }
  }
  auto host = netlink::Host::open();
  if (!host) return fail(host.error());
  if (options.dry_run) {
    const auto steps = plan_up(request, **host);
    if (!steps) return fail(steps.error());
    std::string text;
    for (const Step& step : *steps) text += step.text + "\n";
    return print(text);
  }
  if (::geteuid() != 0) remark("wireguard-cpp: not root: this works only with its capabilities");
  auto lock = RecordLock::take(request.interface);
  if (!lock) return fail(lock.error());
  if (auto free = make_way(request.interface, **host); !free) return fail(free.error());
  auto steps = plan_up(request, **host);
  if (!steps) return fail(steps.error());
  catch_signals();
  Record record{.interface = request.interface, .file = path, .undo = {}};
  if (request.run_hooks) {
    record.pre_down = request.conf.host.pre_down;
    record.post_down = request.conf.host.post_down;
  }
  const int code = perform_all(*steps, record, options.verbosity > 0);
  if (code != EXIT_SUCCESS || !options.foreground) return code;
  return stay(record);
}

}  // namespace

int up(const CommandRow& row, Arguments arguments) {
  CommandLine line(row);
  UpOptions options;
  line.add_option("FILE,-c,--config", options.file,
                  "The configuration file, or a NAME for /etc/wireguard/NAME.conf")
      ->required();
  line.add_option("-i,--interface", options.interface, "its name; else it is named after the file");
  line.add_option("-p,--port", options.port, "listen on this port instead of the file's");
  line.add_flag("--server", options.server, "listen on 51820 if the file names no port");
  line.add_flag("-f,--foreground", options.foreground, "stay, and take it down at the end");
  line.add_flag("--dry-run", options.dry_run, "say what would be done, and do nothing");
  line.add_flag("-v,--verbose", options.verbosity, "say what is done; -vv: and debug the daemon");
  if (const auto code = line.read(arguments)) return *code;
  return bring_up(options);
}

int down(const CommandRow& row, Arguments arguments) {
  CommandLine line(row);
  std::string interface;
  line.add_option("INTERFACE", interface, "Its name")->required();
  if (const auto code = line.read(arguments)) return *code;
  // A file's name does as well: it is what `up` was given.
  if (interface.ends_with(".conf")) interface = std::filesystem::path(interface).stem().string();
  if (const auto wrong = settings::interface_name_error(interface)) {
    return fail(Failure(fmt::format("the interface's name '{}' {}", interface, *wrong)));
  }
  auto lock = RecordLock::take(interface);
  if (!lock) return fail(lock.error());
  auto record = read_record(interface);
  if (!record) return fail(record.error());
  if (!*record) {
    const bool runs = is_running(interface);
    return fail(Failure(fmt::format("{}: it was not brought up by 'wireguard-cpp up'", interface))
                    .hint("{}", runs ? "'ip link delete' ends it"
                                     : "'wireguard-cpp status' tells what runs"));
  }
  return take_down(**record, true);
}

}  // namespace wg::commands
