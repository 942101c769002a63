// Configuration files.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/conf_file.hpp"

using namespace wg;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto file = config::parse(text, "f");
  if (!file) {
    const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
    if (file.error().what.empty() || file.error().line == 0 || file.error().line > lines ||
        file.error().column == 0 || file.error().column > size + 1) {
      std::abort();
    }
    return 0;
  }
  if (file->peer_lines.size() != file->settings.peers.size()) std::abort();
  for (const auto& peer : file->settings.peers) {
    for (const auto& change : peer.allowed_ips) {
      if (settings::Prefix::parse(change.prefix.text()) != change.prefix) std::abort();
    }
    if (peer.endpoint && !peer.endpoint->contains(':')) std::abort();
  }
  for (const auto& address : file->host.addresses) {
    if (address.length > (address.v6 ? 128 : 32) || address.line == 0) std::abort();
  }
  return 0;
}
