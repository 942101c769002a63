// A bad line, where the kernel has no netem: a TUN interface that gives back every packet it is
// sent after a delay, or loses it. Whoever routes through it makes a line of it (bench/lossy.py).
// What is lost is drawn from a seed.
//
// The kernel cuts super-packets before it hands them to a TUN without offloads, so each packet is
// lost by itself.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <random>
#include <vector>

#include "errors/descriptor.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

/// More is not kept: a queue that never overflows would hide what the line cannot carry.
constexpr std::size_t kPacketsMax = 100'000;

struct Packet {
  Clock::time_point due;
  std::vector<char> bytes;
};

wg::Descriptor make_interface(const std::string& name) {
  wg::Descriptor fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (!fd || ::ioctl(fd.get(), TUNSETIFF, &request) != 0) {
    fmt::print(stderr, "wg-line: {}: {}\n", name, std::strerror(errno));
    std::exit(1);
  }
  return fd;
}

void wait(int fd, const std::deque<Packet>& under_way) {
  pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
  if (under_way.empty()) {
    ::ppoll(&readable, 1, nullptr, nullptr);
    return;
  }
  const auto left = std::max(Clock::duration::zero(), under_way.front().due - Clock::now());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  const timespec time{.tv_sec = seconds.count(),
                      .tv_nsec = std::chrono::nanoseconds(left - seconds).count()};
  ::ppoll(&readable, 1, &time, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("A TUN interface that delays packets and loses some");
  std::string name = "line";
  double delay = 20;
  double loss = 2;
  unsigned seed = 1;
  app.add_option("--interface", name);
  app.add_option("--delay", delay, "milliseconds, one way");
  app.add_option("--loss", loss, "per cent");
  app.add_option("--seed", seed);
  CLI11_PARSE(app, argc, argv);

  const wg::Descriptor fd = make_interface(name);
  std::mt19937 random(seed);
  std::bernoulli_distribution lost(loss / 100);
  const auto took = std::chrono::duration_cast<Clock::duration>(Milliseconds(delay));
  std::deque<Packet> under_way;
  std::array<char, 65'536> buffer;
  for (;;) {
    wait(fd.get(), under_way);
    for (ssize_t size; (size = ::read(fd.get(), buffer.data(), buffer.size())) > 0;) {
      if (lost(random) || under_way.size() == kPacketsMax) continue;
      under_way.push_back({Clock::now() + took, {buffer.data(), buffer.data() + size}});
    }
    if (errno != EAGAIN && errno != EIO) return 0;  // the interface is gone
    while (!under_way.empty() && under_way.front().due <= Clock::now()) {
      const std::vector<char>& bytes = under_way.front().bytes;
      if (::write(fd.get(), bytes.data(), bytes.size()) < 0 && errno == EBADFD) return 0;
      under_way.pop_front();
    }
  }
}
