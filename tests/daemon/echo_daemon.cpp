// The whole daemon around another inner end than the kernel's TUN.
//
// usage: wg-echo-daemon NAME     (UAPI: /var/run/wireguard/NAME.sock; SIGTERM ends it)
#include "conn/network.hpp"
#include "crypto/secret.hpp"
#include "daemon/log.hpp"
#include "daemon/tunnel.hpp"
#include "tests/daemon/echo_end.hpp"

using namespace wg;

int main(int argc, char** argv) {
  if (argc != 2 || !crypto::initialise()) return EXIT_FAILURE;
  daemon::Options options;
  options.foreground = true;
  options.interface = argv[1];
  std::string notice;
  auto log = daemon::open_log(options, notice);
  if (!log) return EXIT_FAILURE;
  auto tunnel = daemon::Tunnel::open(
      options, *log,
      [&](auto& main, const auto& shards, const auto& logger) -> Result<daemon::Ends> {
        auto outer = conn::make_bind(conn::Network::Udp, shards, logger);
        if (!outer) return std::unexpected(outer.error());
        return daemon::Ends{.inner = std::make_unique<tests::EchoEnd>(argv[1], main, *shards[0]),
                            .outer = std::move(*outer)};
      });
  if (!tunnel || !(*tunnel)->start()) return EXIT_FAILURE;
  const auto ended = (*tunnel)->run();
  daemon::close_log(**log);
  return ended ? EXIT_SUCCESS : EXIT_FAILURE;
}
