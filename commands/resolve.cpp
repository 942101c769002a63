#include "commands/resolve.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>

#include "commands/console.hpp"
#include "settings/word.hpp"

namespace wg::commands {
namespace {

/// As wg(8) waits: 1 s at first, a fifth longer each time, 20 s at most.
constexpr std::chrono::milliseconds kFirstPause{1000};
constexpr std::chrono::milliseconds kPauseMax{20'000};

bool is_for_good(int error) noexcept {
  return error == EAI_NONAME || error == EAI_FAIL || error == EAI_NODATA || error == EAI_SERVICE;
}

std::string text_of(const addrinfo& found, std::string_view port) {
  char host[NI_MAXHOST];
  if (::getnameinfo(found.ai_addr, found.ai_addrlen, host, sizeof host, nullptr, 0,
                    NI_NUMERICHOST) != 0) {
    return {};
  }
  return fmt::format(fmt::runtime(found.ai_family == AF_INET6 ? "[{}]:{}" : "{}:{}"), host, port);
}

}  // namespace

Retries Retries::from_environment() {
  const char* const said = std::getenv("WG_ENDPOINT_RESOLUTION_RETRIES");
  if (said == nullptr || *said == '\0') return {};
  const std::string_view text(said);
  if (text == "infinity") return {.count = std::nullopt};
  unsigned count = 0;
  if (settings::read_decimal(text, count)) return {.count = count};
  remark("WG_ENDPOINT_RESOLUTION_RETRIES: expected a number, or infinity; it counts as not set");
  return {};
}

Result<std::string> resolve(const std::string& endpoint, const Retries& retries) {
  const std::size_t colon = endpoint.rfind(':');
  const std::string port = endpoint.substr(colon + 1);
  std::string host = endpoint.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_DGRAM;
  wanted.ai_protocol = IPPROTO_UDP;
  std::chrono::milliseconds pause = kFirstPause;
  for (unsigned tried = 0;; tried++) {
    addrinfo* raw = nullptr;
    const int error = ::getaddrinfo(host.c_str(), port.c_str(), &wanted, &raw);
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> found(raw, &::freeaddrinfo);
    if (error == 0) return text_of(*found, port);
    const bool last = retries.count && (is_for_good(error) || tried >= *retries.count);
    if (last) {
      return std::unexpected(
          Failure(fmt::format("{}: {}", host, ::gai_strerror(error)))
              .hint("look at the name; where there may be no name server yet, as at boot, "
                    "WG_ENDPOINT_RESOLUTION_RETRIES=infinity waits"));
    }
    remark(fmt::format("wireguard-cpp: {}: {}; trying again in {:.1f} s", host,
                       ::gai_strerror(error), static_cast<double>(pause.count()) / 1000));
    std::this_thread::sleep_for(pause);
    pause = std::min(kPauseMax, pause * 6 / 5);
  }
}

}  // namespace wg::commands
