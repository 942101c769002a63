#include "commands/status_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "crypto/x25519.hpp"
#include "settings/key_text.hpp"

namespace wg::commands {
namespace {

using namespace std::chrono_literals;

/// Reject-After-Time: an older session carries nothing.
constexpr std::chrono::seconds kSessionLives{180};

/// None: never. Negative: in the future, by our clock.
std::optional<std::chrono::seconds> handshake_age(const Sample& sample,
                                                  const settings::PeerState& peer) {
  if (peer.last_handshake.count() == 0) return std::nullopt;
  return std::chrono::floor<std::chrono::seconds>(sample.wall.time_since_epoch() -
                                                  peer.last_handshake);
}

std::optional<std::chrono::seconds> unanswered(const Sample& sample,
                                               const settings::PeerState& peer) {
  if (!sample.vitals) return std::nullopt;
  for (const auto& [key, time] : sample.vitals->unanswered) {
    if (key == peer.public_key) return time;
  }
  return std::nullopt;
}

std::optional<std::string> public_key_of(const settings::InterfaceState& interface) {
  if (!interface.private_key) return std::nullopt;
  return settings::to_base64(crypto::public_key_of(*interface.private_key));
}

class Text {
 public:
  explicit Text(const TextStyle& style) : colours_(style.colours) {}
  void head(const char* colour, std::string_view word, std::string_view value) {
    text_ += fmt::format("{}: {}\n", painted(colour, word), painted(colour, value));
  }
  void line(std::string_view word, std::string_view value) {
    text_ += fmt::format("  {}: {}\n", painted("\033[1m", word), value);
  }
  [[nodiscard]] std::string painted(const char* colour, std::string_view text) const {
    return colours_ ? fmt::format("{}{}\033[0m", colour, text) : std::string(text);
  }
  void blank() { text_ += '\n'; }
  std::string text_;

 private:
  bool colours_;
};

constexpr const char* kGreen = "\033[1;32m";
constexpr const char* kYellow = "\033[1;33m";
constexpr const char* kRed = "\033[1;31m";

std::string drops_text(const settings::Vitals& vitals) {
  std::string text;
  for (const auto& [reason, packets] : vitals.drops) {
    if (packets == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", reason, packets);
  }
  return text.empty() ? "none" : text;
}

void add_interface(Text& text, const Sample& sample) {
  const settings::InterfaceState& interface = sample.state.interface;
  text.head(kGreen, "interface", sample.name);
  text.line("public key", public_key_of(interface).value_or("(none: no private key is set)"));
  if (interface.listen_port != 0)
    text.line("listening port", std::to_string(interface.listen_port));
  if (interface.fwmark != 0) text.line("fwmark", fmt::format("{:#x}", interface.fwmark));
  if (!sample.vitals) return;
  const settings::Vitals& vitals = *sample.vitals;
  text.line("daemon",
            fmt::format("wireguard-cpp {}, {} thread{} for packets, {} inside, {} outside",
                        vitals.version, vitals.threads, vitals.threads == 1 ? "" : "s",
                        vitals.inner_end, vitals.outer_end));
  text.line("encryption", vitals.aead);
  text.line("dropped", drops_text(vitals));
}

void add_peer(Text& text, const Sample& sample, const settings::PeerState& peer,
              const Course* course) {
  text.head(kYellow, "peer", settings::to_base64(peer.public_key));
  if (!peer.preshared_key.is_zero()) text.line("preshared key", "(hidden)");
  if (peer.endpoint) text.line("endpoint", *peer.endpoint);
  const std::string allowed = settings::list_text(peer.allowed_ips);
  text.line("allowed ips", allowed.empty() ? "(none)" : allowed);
  if (const auto age = handshake_age(sample, peer)) {
    text.line("latest handshake", age->count() >= 0
                                      ? time_text(*age) + " ago"
                                      : text.painted(kRed, fmt::format("in {}: the clock went back",
                                                                       time_text(-*age))));
  }
  if (peer.rx_bytes != 0 || peer.tx_bytes != 0) {
    text.line("transfer",
              fmt::format("{} received, {} sent", size_text(static_cast<double>(peer.rx_bytes)),
                          size_text(static_cast<double>(peer.tx_bytes))));
  }
  if (course != nullptr && course->rate) {
    text.line("rate", fmt::format("{}/s received, {}/s sent{}{}", size_text(course->rate->received),
                                  size_text(course->rate->sent), course->graph.empty() ? "" : "  ",
                                  course->graph));
  }
  if (peer.persistent_keepalive != 0) {
    text.line("persistent keepalive",
              "every " + time_text(std::chrono::seconds(peer.persistent_keepalive)));
  }
  const auto calling = unanswered(sample, peer);
  if (calling && *calling >= kNoAnswer) {
    text.line("warning", text.painted(kRed, fmt::format("no answer for {}", time_text(*calling))));
  }
}

}  // namespace

std::string_view name_of(Health health) noexcept {
  switch (health) {
    case Health::Live:
      return "live";
    case Health::Idle:
      return "idle";
    case Health::Calling:
      return "calling";
    case Health::Dead:
      return "dead";
  }
  return "idle";
}

Health health_of(const Sample& sample, const settings::PeerState& peer) {
  if (const auto calling = unanswered(sample, peer)) {
    if (*calling >= kNoAnswer) return Health::Dead;
    const auto age = handshake_age(sample, peer);
    return age && *age < kSessionLives ? Health::Live : Health::Calling;
  }
  const auto age = handshake_age(sample, peer);
  return age && *age < kSessionLives ? Health::Live : Health::Idle;
}

std::optional<Rate> rate_of(const Sample& before, const Sample& now,
                            const settings::PeerState& peer) {
  const auto known =
      std::ranges::find(before.state.peers, peer.public_key, &settings::PeerState::public_key);
  const std::chrono::duration<double> time = now.taken - before.taken;
  if (known == before.state.peers.end() || peer.rx_bytes < known->rx_bytes ||
      peer.tx_bytes < known->tx_bytes || time.count() <= 0) {
    return std::nullopt;
  }
  return Rate{.received = static_cast<double>(peer.rx_bytes - known->rx_bytes) / time.count(),
              .sent = static_cast<double>(peer.tx_bytes - known->tx_bytes) / time.count()};
}

std::string as_text(const Sample& sample, const std::vector<Course>& course,
                    const TextStyle& style) {
  Text text(style);
  add_interface(text, sample);
  std::vector<std::size_t> order(sample.state.peers.size());
  for (std::size_t i = 0; i < order.size(); i++) order[i] = i;
  // The newest handshake first; else as they came.
  std::ranges::sort(order, {}, [&](std::size_t i) {
    return std::pair(-sample.state.peers[i].last_handshake, i);
  });
  for (const std::size_t i : order) {
    text.blank();
    add_peer(text, sample, sample.state.peers[i], i < course.size() ? &course[i] : nullptr);
  }
  return text.text_;
}

std::string as_json(const std::vector<Sample>& samples) {
  using Json = nlohmann::ordered_json;
  const auto or_null = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
  Json interfaces = Json::array();
  for (const Sample& sample : samples) {
    const settings::InterfaceState& state = sample.state.interface;
    Json interface{{"name", sample.name},
                   {"public_key", or_null(public_key_of(state))},
                   {"listen_port", state.listen_port},
                   {"fwmark", state.fwmark},
                   {"daemon", nullptr}};
    if (sample.vitals) {
      Json drops = Json::object();
      for (const auto& [reason, packets] : sample.vitals->drops) drops[reason] = packets;
      interface["daemon"] = {
          {"version", sample.vitals->version},     {"aead", sample.vitals->aead},
          {"inner_end", sample.vitals->inner_end}, {"outer_end", sample.vitals->outer_end},
          {"threads", sample.vitals->threads},     {"drops", std::move(drops)}};
    }
    Json peers = Json::array();
    for (const settings::PeerState& peer : sample.state.peers) {
      std::vector<std::string> allowed;
      for (const settings::Prefix& prefix : peer.allowed_ips) allowed.push_back(prefix.text());
      const auto calling = unanswered(sample, peer);
      const auto seconds = std::chrono::floor<std::chrono::seconds>(peer.last_handshake).count();
      peers.push_back({{"public_key", settings::to_base64(peer.public_key)},
                       {"has_preshared_key", !peer.preshared_key.is_zero()},
                       {"endpoint", or_null(peer.endpoint)},
                       {"allowed_ips", std::move(allowed)},
                       {"latest_handshake", seconds},
                       {"unanswered_seconds", calling ? Json(calling->count()) : Json(nullptr)},
                       {"rx_bytes", peer.rx_bytes},
                       {"tx_bytes", peer.tx_bytes},
                       {"persistent_keepalive", peer.persistent_keepalive},
                       {"health", name_of(health_of(sample, peer))}});
    }
    interface["peers"] = std::move(peers);
    interfaces.push_back(std::move(interface));
  }
  // What is no UTF-8 (an endpoint's zone can be anything) is replaced, not thrown at.
  return Json{{"interfaces", std::move(interfaces)}}.dump(2, ' ', false,
                                                          Json::error_handler_t::replace) +
         "\n";
}

std::string size_text(double bytes) {
  constexpr std::array<const char*, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    unit++;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.2f} {}", bytes, kUnits[unit]);
}

std::string time_text(std::chrono::seconds time) {
  if (time.count() == 0) return "0 seconds";
  struct Unit {
    std::chrono::seconds length;
    const char* name;
  };
  constexpr std::array<Unit, 4> kUnits{
      {{24h, "day"}, {1h, "hour"}, {1min, "minute"}, {1s, "second"}}};
  std::string text;
  for (const Unit& unit : kUnits) {
    const auto count = time / unit.length;
    time %= unit.length;
    if (count == 0) continue;
    text +=
        fmt::format("{}{} {}{}", text.empty() ? "" : ", ", count, unit.name, count == 1 ? "" : "s");
  }
  return text;
}

std::string graph_of(const std::vector<double>& rates) {
  constexpr std::array<const char*, 8> kBars{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const double most = rates.empty() ? 0 : *std::ranges::max_element(rates);
  std::string graph;
  for (const double rate : rates) {
    const double share = most > 0 ? rate / most : 0;
    graph += kBars[std::min(kBars.size() - 1, static_cast<std::size_t>(share * kBars.size()))];
  }
  return graph;
}

}  // namespace wg::commands
