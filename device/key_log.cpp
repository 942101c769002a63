#include "device/key_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "settings/key_text.hpp"

namespace wg::device {

Result<std::unique_ptr<KeyLog>> KeyLog::open(const std::string& path) {
  // Not blocking, so that a FIFO without a reader is refused instead of waited for.
  Descriptor fd(::open(path.c_str(),
                       O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!fd) {
    const Failure failure = Failure::system(errno).during("key log {}", path);
    if (failure.code().value() != ELOOP) {
      return std::unexpected(failure.hint("name another file with --keylog"));
    }
    return std::unexpected(failure.hint("name the file itself, no symbolic link"));
  }
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) {
    return std::unexpected(Failure::system(errno).during("key log {}", path));
  }
  if (!S_ISREG(status.st_mode)) {
    return std::unexpected(
        Failure("key log " + path + ": it is no regular file").hint("name another file"));
  }
  if (status.st_uid != ::geteuid()) {
    return std::unexpected(
        Failure(fmt::format("key log {}: it belongs to another user, number {}, who could read it",
                            path, status.st_uid))
            .hint("remove it, or name another file"));
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return std::unexpected(Failure("key log " + path + ": others than its owner may read it")
                               .hint("'chmod 600 {}', or name another file", path));
  }
  return std::unique_ptr<KeyLog>(new KeyLog(std::move(fd)));
}

void KeyLog::write(const protocol::LocalIdentity& local,
                   const protocol::HandshakeSecrets& secrets) noexcept {
  crypto::SecretText text;
  const auto line = [&text](std::string_view name,
                            std::span<const std::byte, crypto::kKeyBytes> key) {
    text.append(name).append(" = ");
    settings::append_base64(text, key);
    text.push_back('\n');
  };
  text.reserve(512);  // the four lines
  line("LOCAL_STATIC_PRIVATE_KEY", local.private_key.bytes());
  line("REMOTE_STATIC_PUBLIC_KEY", secrets.remote_static.bytes);
  line("LOCAL_EPHEMERAL_PRIVATE_KEY", secrets.local_ephemeral.bytes());
  line("PRESHARED_KEY", secrets.preshared.bytes());
  const Lock lock(mutex_);
  if (::write(fd_.get(), text.view().data(), text.size()) < 0) {
    // A full disk must not end the tunnel; the log's reader sees that it ends early.
  }
}

}  // namespace wg::device
