// The key log: the secrets of each handshake, in the format of tshark's `wg.keylog_file`, so that
// captures can be read.
//
// For debugging only, and only when the user names a file: who has it can decrypt the sessions of
// that time.
//
// Runs on: any thread.
// Guarded by: `mutex_`, so that a handshake's lines stay together.
#pragma once

#include <memory>
#include <string>

#include "errors/descriptor.hpp"
#include "errors/failure.hpp"
#include "protocol/handshake.hpp"
#include "threads/mutex.hpp"

namespace wg::device {

class KeyLog {
 public:
  /// Appends to `path`, made with mode 0600 if it is not there. Refused if it is no regular file,
  /// belongs to another user or may be read by others: whoever can read it has the keys.
  [[nodiscard]] static Result<std::unique_ptr<KeyLog>> open(const std::string& path);

  void write(const protocol::LocalIdentity& local,
             const protocol::HandshakeSecrets& secrets) noexcept;

 private:
  explicit KeyLog(Descriptor fd) noexcept : fd_(std::move(fd)) {}

  Mutex mutex_;
  Descriptor fd_ WG_GUARDED_BY(mutex_);  // and its position
};

}  // namespace wg::device
