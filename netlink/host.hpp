// What bringing a tunnel up changes on the host, over rtnetlink: the link itself, its addresses,
// routes, and rules that choose a table; and how these are now.
//
// Messages are built here: libnl-route's rules know neither "not" nor suppress_prefixlength. What
// is added looks as ip(8) would have added it (protocol boot, scope link, rules without a
// protocol).
//
// One thread at a time; everything blocks until the kernel has answered.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "errors/failure.hpp"

namespace wg::netlink {

/// An address with the length of a prefix; IPv4: the first four bytes.
struct Network {
  std::array<std::byte, 16> address{};
  bool v6 = false;
  std::uint8_t length = 0;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return std::span(address).first(v6 ? 16 : 4);
  }
  /// The network of that many of its leading bits.
  [[nodiscard]] Network shortened(std::uint8_t to) const noexcept;
  friend auto operator<=>(const Network&, const Network&) = default;
};

struct HostLink {
  int index = 0;
  unsigned mtu = 0;
  bool up = false;
};

struct Route {
  Network to;
  int interface = 0;  // 0: none, or several
  std::uint32_t table = 0;
  std::optional<unsigned> mtu;
};

/// Packets whose mark is (or, inverted, is not) `mark` look into `table`.
struct Rule {
  bool v6 = false;
  std::uint32_t priority = 0;
  std::uint32_t table = 0;
  std::optional<std::uint32_t> mark = {};
  bool inverted = false;
  /// Routes of prefixes that are no longer are passed over: 0 leaves out default routes.
  std::optional<std::uint32_t> suppress_prefix_length = {};

  friend bool operator==(const Rule&, const Rule&) = default;
};

/// The way to an address.
struct Way {
  int interface = 0;
  std::optional<unsigned> mtu;  // of the route itself
};

inline constexpr std::uint32_t kMainTable = 254;

class Host {
 public:
  /// In this thread's network namespace.
  [[nodiscard]] static Result<std::unique_ptr<Host>> open();
  virtual ~Host() = default;

  /// None: there is no interface of that name.
  [[nodiscard]] virtual Result<std::optional<HostLink>> link(const std::string& name) = 0;
  [[nodiscard]] virtual Result<std::optional<HostLink>> link(int index) = 0;
  [[nodiscard]] virtual Result<void> bring_up(int index, unsigned mtu) = 0;
  [[nodiscard]] virtual Result<void> delete_link(int index) = 0;

  /// `address` keeps its host part.
  [[nodiscard]] virtual Result<void> add_address(int index, const Network& address) = 0;
  [[nodiscard]] virtual Result<void> add_route(int index, const Network& to,
                                               std::uint32_t table) = 0;
  /// Of one family, in all tables but `local`.
  [[nodiscard]] virtual Result<std::vector<Route>> routes(bool v6) = 0;
  [[nodiscard]] virtual Result<Way> way_to(const Network& address) = 0;

  /// In the kernel's order.
  [[nodiscard]] virtual Result<std::vector<Rule>> rules(bool v6) = 0;
  [[nodiscard]] virtual Result<void> add_rule(const Rule& rule) = 0;
  /// Exactly this one; none of that kind is no failure.
  [[nodiscard]] virtual Result<void> delete_rule(const Rule& rule) = 0;
};

/// The priority that the kernel gives a new rule if none is asked for: in front of all but the
/// first.
[[nodiscard]] std::uint32_t next_priority(const std::vector<Rule>& rules) noexcept;

}  // namespace wg::netlink
