// What a client reads of UAPI's `get`.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "uapi/state_parser.hpp"
#include "uapi/state_writer.hpp"

using namespace wg;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto body = uapi::body_of(text);
  if (!body && body.error().text().empty()) std::abort();
  const auto state = uapi::parse_state(body ? *body : text);
  if (!state) {
    if (state.error().text().empty()) std::abort();
    return 0;
  }
  // What was understood can be written again, and is understood as the same.
  crypto::SecretText written;
  uapi::append(written, state->interface);
  for (const auto& peer : state->peers) uapi::append(written, peer);
  const auto again = uapi::parse_state(written.view());
  if (!again || !(*again == *state)) std::abort();
  return 0;
}
