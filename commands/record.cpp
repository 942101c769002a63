#include "commands/record.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "commands/console.hpp"

namespace wg::commands {
namespace {

using Json = nlohmann::json;

constexpr const char* kFolder = "/run/wireguard-cpp";

std::string path_of(const std::string& interface) {
  return fmt::format("{}/{}.json", kFolder, interface);
}

Result<void> make_folder() {
  if (::mkdir(kFolder, 0700) == 0 || errno == EEXIST) return {};
  return std::unexpected(Failure::system(errno)
                             .during("{}", kFolder)
                             .hint("what is changed is written down there: make it writable"));
}

Json json_of(const std::vector<config::Hook>& hooks) {
  Json all = Json::array();
  for (const config::Hook& hook : hooks)
    all.push_back({{"command", hook.command}, {"line", hook.line}});
  return all;
}

std::vector<config::Hook> hooks_of(const Json& json) {
  std::vector<config::Hook> hooks;
  for (const Json& hook : json) {
    hooks.push_back({.command = hook.at("command"), .line = hook.at("line")});
  }
  return hooks;
}

Result<Record> parse(const std::string& path, std::string_view text) try {
  const Json json = Json::parse(text);
  Record record{.interface = json.at("interface"),
                .file = json.at("file"),
                .undo = {},
                .pre_down = hooks_of(json.at("pre_down")),
                .post_down = hooks_of(json.at("post_down"))};
  for (const Json& undo : json.at("undo")) {
    record.undo.push_back({.kind = undo.at("kind"), .words = undo.at("words")});
  }
  return record;
} catch (const Json::exception& error) {
  return std::unexpected(Failure(error.what())
                             .during("{}", path)
                             .hint("'ip link delete' the interface, and remove this file"));
}

}  // namespace

Result<RecordLock> RecordLock::take(const std::string& interface) {
  if (auto made = make_folder(); !made) return std::unexpected(made.error());
  const std::string path = fmt::format("{}/{}.lock", kFolder, interface);
  for (;;) {
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return std::unexpected(Failure::system(errno).during("{}", path));
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      return std::unexpected(Failure(fmt::format("{}: another command is at work on it", interface))
                                 .hint("wait for it"));
    }
    // Whoever held it has removed the file, perhaps, between the two calls: then this is no lock.
    struct stat held{};
    struct stat there{};
    if (::fstat(file.get(), &held) == 0 && ::stat(path.c_str(), &there) == 0 &&
        held.st_ino == there.st_ino && held.st_dev == there.st_dev) {
      return RecordLock(std::move(file), path);
    }
  }
}

RecordLock::~RecordLock() {
  if (file_) ::unlink(path_.c_str());
}

Result<std::optional<Record>> read_record(const std::string& interface) {
  const std::string path = path_of(interface);
  if (::access(path.c_str(), F_OK) != 0) return std::nullopt;
  const auto text = read_file(path);
  if (!text) return std::unexpected(text.error());
  auto record = parse(path, text->view());
  if (!record) return std::unexpected(record.error());
  return std::move(*record);
}

Result<void> write_record(const Record& record) {
  Json undo = Json::array();
  for (const Undo& one : record.undo) undo.push_back({{"kind", one.kind}, {"words", one.words}});
  const std::string text = Json{{"interface", record.interface},
                                {"file", record.file},
                                {"undo", std::move(undo)},
                                {"pre_down", json_of(record.pre_down)},
                                {"post_down", json_of(record.post_down)}}
                               .dump(1, ' ', false, Json::error_handler_t::replace) +
                           "\n";
  const std::string path = path_of(record.interface);
  const std::string unready = path + ".new";
  const Descriptor file(
      ::open(unready.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return std::unexpected(Failure::system(errno).during("{}", unready));
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::rename(unready.c_str(), path.c_str()) != 0) {
    const Failure failure = Failure::system(errno).during("{}", path);
    ::unlink(unready.c_str());
    return std::unexpected(failure);
  }
  return {};
}

void remove_record(const std::string& interface) noexcept {
  ::unlink(path_of(interface).c_str());
}

std::vector<Record> other_records(const std::string& interface) {
  std::vector<Record> records;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder, error)) {
    if (entry.path().extension() != ".json" || entry.path().stem() == interface) continue;
    if (auto record = read_record(entry.path().stem().string()); record && *record) {
      records.push_back(std::move(**record));
    }
  }
  return records;
}

bool undo_all(Record& record) {
  bool good = true;
  while (!record.undo.empty()) {
    const Undo last = record.undo.back();
    if (auto undone = perform(last, record.interface); !undone) {
      (void)fail(undone.error().during("{}: {}", record.interface, text_of(last)));
      good = false;
    }
    record.undo.pop_back();
    // After a kill it goes on here; that nothing can be written keeps nothing from being undone.
    (void)write_record(record);
  }
  remove_record(record.interface);
  return good;
}

}  // namespace wg::commands
