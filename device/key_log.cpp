#include "device/key_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "settings/key_text.hpp"

namespace wg::device {

Result<std::unique_ptr<KeyLog>> KeyLog::open(const std::string& path) {
  Descriptor fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return std::unexpected(Failure::system(errno).during("key log {}", path));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) {
    return std::unexpected(Failure::system(errno).during("key log {}", path));
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return std::unexpected(Failure("key log " + path + ": others than its owner may read it")
                               .hint("'chmod 600 {}', or name another file", path));
  }
  return std::unique_ptr<KeyLog>(new KeyLog(std::move(fd)));
}

void KeyLog::write(const protocol::LocalIdentity& local,
                   const protocol::HandshakeSecrets& secrets) noexcept {
  using settings::to_base64;
  std::string text =
      "LOCAL_STATIC_PRIVATE_KEY = " + to_base64(local.private_key.bytes()) +
      "\nREMOTE_STATIC_PUBLIC_KEY = " + to_base64(secrets.remote_static.bytes) +
      "\nLOCAL_EPHEMERAL_PRIVATE_KEY = " + to_base64(secrets.local_ephemeral.bytes()) +
      "\nPRESHARED_KEY = " + to_base64(secrets.preshared.bytes()) + "\n";
  {
    const std::lock_guard lock(mutex_);
    if (::write(fd_.get(), text.data(), text.size()) < 0) {
      // A full disk must not end the tunnel; the log's reader sees that it ends early.
    }
  }
  sodium_memzero(text.data(), text.size());
}

}  // namespace wg::device
