#include "daemon/background.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace wg::daemon {
namespace {

constexpr mode_t kUmask = 0022;

/// Waits for the child's word; does not return.
[[noreturn]] void wait_as_parent(pid_t child, int pipe) {
  char word = 0;
  ssize_t size = 0;
  do {
    size = ::read(pipe, &word, 1);
  } while (size < 0 && errno == EINTR);
  if (size == 1) ::_exit(EXIT_SUCCESS);
  int status = 0;  // the child has ended without a word; it has said why on stderr
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    fmt::print(stderr, "wireguard-cpp: the daemon was ended at its start by signal {} ({})\n",
               WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  }
  ::_exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EXIT_FAILURE);
}

void close_others(std::vector<int> keep) {
  std::ranges::sort(keep);
  unsigned first = 3;
  for (const int fd : keep) {
    if (static_cast<unsigned>(fd) > first) ::close_range(first, static_cast<unsigned>(fd) - 1, 0);
    first = static_cast<unsigned>(fd) + 1;
  }
  ::close_range(first, ~0U, 0);
}

}  // namespace

void open_standard_descriptors() noexcept {
  int fd = 0;
  do {
    fd = ::open("/dev/null", O_RDWR);  // the lowest number that is free
  } while (fd >= 0 && fd <= 2);
  if (fd > 2) ::close(fd);
}

Result<Background> Background::enter(std::vector<int> keep) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(Failure::system(errno).during("pipe"));
  Descriptor read_end(ends[0]);
  Descriptor write_end(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return std::unexpected(Failure::system(errno).during("fork"));
  if (child > 0) {
    write_end = Descriptor();
    wait_as_parent(child, read_end.get());
  }
  ::setsid();
  ::umask(kUmask);
  if (::chdir("/") != 0) return std::unexpected(Failure::system(errno).during("chdir /"));
  keep.push_back(write_end.get());
  (void)read_end.release();  // closed below with the others
  close_others(std::move(keep));
  return Background(std::move(write_end));
}

void Background::ready() {
  const Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd = 0; null && fd <= 2; fd++) ::dup2(null.get(), fd);
  const char word = 'R';
  if (::write(pipe_.get(), &word, 1) != 1) {
    // The caller has gone meanwhile; the tunnel is up all the same.
  }
  pipe_ = Descriptor();
}

}  // namespace wg::daemon
