// What `status` shows of an interface, as text for people and as JSON for programs.
//
// The JSON is a promise (docs/status.md): keys stay, new ones may come. No form shows a secret.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "settings/settings.hpp"
#include "uapi/state_parser.hpp"

namespace wg::commands {

/// No answer for so long: something is wrong on the way, or at the other side.
inline constexpr std::chrono::seconds kNoAnswer{20};

/// How a peer is.
enum class Health : std::uint8_t {
  Live,     // a session, not too old to be used
  Idle,     // nothing wants it: no session needed, or none yet
  Calling,  // being called, not long enough to worry
  Dead,     // being called for kNoAnswer or longer, and nobody answers
};
[[nodiscard]] std::string_view name_of(Health health) noexcept;

struct Sample {
  std::string name;
  uapi::DeviceState state;
  std::optional<settings::Vitals> vitals;  // none: another WireGuard's, or an older one's
  std::chrono::system_clock::time_point wall;
  std::chrono::steady_clock::time_point taken;
};

[[nodiscard]] Health health_of(const Sample& sample, const settings::PeerState& peer);

/// Bytes a second, received and sent.
struct Rate {
  double received = 0;
  double sent = 0;
};
/// Of a peer between two samples; none if it was not there, or its counters began anew.
[[nodiscard]] std::optional<Rate> rate_of(const Sample& before, const Sample& now,
                                          const settings::PeerState& peer);

/// For a peer's line in text.
struct Course {
  std::optional<Rate> rate;
  std::string graph;  // of its rate, a character a sample; empty: none
};

struct TextStyle {
  bool colours = false;
};

/// `course`: of each of the sample's peers, in their order; empty: none.
[[nodiscard]] std::string as_text(const Sample& sample, const std::vector<Course>& course,
                                  const TextStyle& style);
[[nodiscard]] std::string as_json(const std::vector<Sample>& samples);

/// "1.50 MiB".
[[nodiscard]] std::string size_text(double bytes);
/// "1 hour, 2 minutes, 3 seconds".
[[nodiscard]] std::string time_text(std::chrono::seconds time);
/// Of rates, scaled to the largest of them.
[[nodiscard]] std::string graph_of(const std::vector<double>& rates);

}  // namespace wg::commands
