// The grammar of UAPI's `set`.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "conn/endpoint.hpp"
#include "uapi/settings_parser.hpp"
#include "uapi/state_writer.hpp"

using namespace wg;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  uapi::SettingsParser parser([](std::string_view text) -> std::optional<std::string> {
    if (const auto endpoint = conn::Endpoint::parse(text); !endpoint) return endpoint.error();
    return std::nullopt;
  });
  std::string_view text(reinterpret_cast<const char*>(data), size);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    parser.line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto settings = parser.finish();
  if (!settings) {
    if (settings.error().error <= 0 || settings.error().text.empty()) std::abort();
    return 0;
  }
  // What was understood can be said again, and is understood as the same.
  for (const auto& peer : settings->peers) {
    for (const auto& change : peer.allowed_ips) {
      if (settings::Prefix::parse(change.prefix.text()) != change.prefix) std::abort();
    }
    if (peer.endpoint) {
      const auto endpoint = conn::Endpoint::parse(*peer.endpoint);
      if (!endpoint) std::abort();
      const auto again = conn::Endpoint::parse(endpoint->text());
      if (!again || !(*again == *endpoint)) std::abort();
    }
  }
  return 0;
}
