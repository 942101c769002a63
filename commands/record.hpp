// What `up` has done to the host, written down so that `down` can undo it: without the file that it
// came from, without DNS, after a crash, and nothing but what is ours.
//
// Each change is written down before it is made, in /run/wireguard-cpp/INTERFACE.json (root only),
// so what is undone may not have come about: to undo it then does nothing. Undoing goes from the
// last change to the first. A lock keeps two commands off one interface.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commands/undo.hpp"
#include "config/conf_file.hpp"
#include "errors/descriptor.hpp"
#include "errors/failure.hpp"

namespace wg::commands {

struct Record {
  std::string interface;
  std::string file;             // the configuration, for messages
  std::vector<Undo> undo = {};  // in the order of the changes
  std::vector<config::Hook> pre_down = {};
  std::vector<config::Hook> post_down = {};
};

/// Held as long as a command works on an interface; its file goes with it.
class RecordLock {
 public:
  [[nodiscard]] static Result<RecordLock> take(const std::string& interface);
  RecordLock(RecordLock&&) noexcept = default;
  RecordLock& operator=(RecordLock&&) = delete;
  ~RecordLock();

 private:
  RecordLock(Descriptor file, std::string path) noexcept
      : file_(std::move(file)), path_(std::move(path)) {}
  Descriptor file_;
  std::string path_;
};

/// None: it was not brought up by us, or has been taken down.
[[nodiscard]] Result<std::optional<Record>> read_record(const std::string& interface);
[[nodiscard]] Result<void> write_record(const Record& record);
void remove_record(const std::string& interface) noexcept;
/// Of all interfaces but that one.
[[nodiscard]] std::vector<Record> other_records(const std::string& interface);

/// Undoes all of it, from the last to the first, and removes the record; what fails is told, and
/// the others are undone all the same. False if anything failed.
bool undo_all(Record& record);

}  // namespace wg::commands
