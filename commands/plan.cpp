#include "commands/plan.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "commands/console.hpp"
#include "commands/hooks.hpp"
#include "commands/interfaces.hpp"
#include "commands/name_servers.hpp"
#include "commands/process.hpp"
#include "crypto/secret_text.hpp"
#include "settings/word.hpp"
#include "uapi/settings_writer.hpp"

namespace wg::commands {
namespace {

constexpr std::uint32_t kFirstMark = 51820;
constexpr unsigned kTunnelOverhead = 80;
constexpr unsigned kMtuWithoutRoute = 1500;
constexpr unsigned kMtuLeast = 576;
constexpr const char* kSrcValidMark = "/proc/sys/net/ipv4/conf/all/src_valid_mark";

netlink::Network network_of(const settings::Prefix& prefix) {
  netlink::Network network{.v6 = prefix.v6, .length = prefix.length};
  std::ranges::copy(prefix.address, network.address.begin());
  return network;
}

netlink::Network network_of(const config::InterfaceAddress& address) {
  return {.address = address.address, .v6 = address.v6, .length = address.length};
}

std::string text_of(const netlink::Network& network) {
  char name[INET6_ADDRSTRLEN];
  inet_ntop(network.v6 ? AF_INET6 : AF_INET, network.address.data(), name, sizeof name);
  return fmt::format("{}/{}", name, network.length);
}

/// The peers' allowed IPs as they are in the end: a prefix that is given twice is the later peer's.
/// The longest first, as wg-quick(8) adds their routes.
std::vector<netlink::Network> routed(const settings::Settings& settings) {
  std::map<std::string, settings::Prefix> all;
  for (const settings::PeerSettings& peer : settings.peers) {
    for (const settings::AllowedIpChange& change : peer.allowed_ips) {
      if (change.withdraw) {
        all.erase(change.prefix.text());
      } else {
        all.insert_or_assign(change.prefix.text(), change.prefix);
      }
    }
  }
  std::vector<std::pair<std::string, settings::Prefix>> ordered(all.begin(), all.end());
  std::ranges::sort(ordered, std::ranges::greater{},
                    [](const auto& item) { return std::pair(item.second.length, item.first); });
  std::vector<netlink::Network> networks;
  for (const auto& [text, prefix] : ordered) networks.push_back(network_of(prefix));
  return networks;
}

// ---- MTU

std::optional<netlink::Network> address_of(const std::string& endpoint) {
  std::string host = endpoint.substr(0, endpoint.rfind(':'));
  const bool v6 = host.starts_with('[');
  if (v6) host = host.substr(1, host.size() - 2);
  host = host.substr(0, host.find('%'));
  netlink::Network network{.v6 = v6, .length = static_cast<std::uint8_t>(v6 ? 128 : 32)};
  if (inet_pton(v6 ? AF_INET6 : AF_INET, host.c_str(), network.address.data()) != 1) {
    return std::nullopt;
  }
  return network;
}

std::optional<unsigned> mtu_of(netlink::Host& host, int interface, std::optional<unsigned> route) {
  if (route) return route;
  const auto link = host.link(interface);
  return link && *link ? std::optional((*link)->mtu) : std::nullopt;
}

/// The smallest on the way to any of the peers, or that of the default route, less what the tunnel
/// puts around a packet.
unsigned path_mtu(netlink::Host& host, const settings::Settings& settings) {
  std::optional<unsigned> least;
  const auto take = [&least](std::optional<unsigned> mtu) {
    if (mtu) least = std::min(least.value_or(*mtu), *mtu);
  };
  for (const settings::PeerSettings& peer : settings.peers) {
    const auto address = peer.endpoint ? address_of(*peer.endpoint) : std::nullopt;
    if (!address) continue;
    if (const auto way = host.way_to(*address)) take(mtu_of(host, way->interface, way->mtu));
  }
  if (!least) {
    if (const auto routes = host.routes(false)) {
      for (const netlink::Route& route : *routes) {
        if (route.to.length != 0 || route.table != netlink::kMainTable) continue;
        take(mtu_of(host, route.interface, route.mtu));
        break;
      }
    }
  }
  return std::max(least.value_or(kMtuWithoutRoute), kMtuLeast + kTunnelOverhead) - kTunnelOverhead;
}

// ---- Tables

/// By its number, or its name in rt_tables; none: nobody knows it.
std::optional<std::uint32_t> table_number(const std::string& table) {
  std::uint32_t number = 0;
  if (settings::read_decimal(table, number)) return number;
  if (table == "main") return netlink::kMainTable;
  if (table == "default") return 253;
  if (table == "local") return 255;
  for (const char* const path : {"/etc/iproute2/rt_tables", "/usr/share/iproute2/rt_tables",
                                 "/usr/lib/iproute2/rt_tables"}) {
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
      char name[256];
      unsigned of_line = 0;
      if (std::sscanf(line.c_str(), "%u %255s", &of_line, name) == 2 && table == name) {
        return of_line;
      }
    }
  }
  return std::nullopt;
}

/// A number that is no table with a route in it.
Result<std::uint32_t> free_table(netlink::Host& host) {
  std::vector<std::uint32_t> used;
  for (const bool v6 : {false, true}) {
    const auto routes = host.routes(v6);
    if (!routes) return std::unexpected(routes.error());
    for (const netlink::Route& route : *routes) used.push_back(route.table);
  }
  std::uint32_t table = kFirstMark;
  while (std::ranges::find(used, table) != used.end()) table++;
  return table;
}

// ---- The steps

class Planner {
 public:
  Planner(UpRequest& request, netlink::Host& host)
      : request_(request), host_(host), name_(request.interface) {}

  Result<std::vector<Step>> make();

 private:
  /// The interface's number, once the daemon has made it.
  [[nodiscard]] Result<int> index();
  void add(Step step) { steps_.push_back(std::move(step)); }
  void add_daemon();
  void add_hooks(const std::vector<config::Hook>& hooks);
  void add_settings();
  void add_addresses();
  void add_link();
  [[nodiscard]] Result<void> add_routes();
  void add_route(const netlink::Network& to, std::uint32_t table, bool unless_covered);
  /// Whether a route of the main table leads what is in `to` into the interface already.
  [[nodiscard]] Result<bool> is_covered(int index, const netlink::Network& to);
  [[nodiscard]] Result<void> add_default_route(const netlink::Network& to);
  void add_rule(const netlink::Rule& rule, const std::string& text);
  void add_firewall(bool v6);
  void add_src_valid_mark();

  UpRequest& request_;
  netlink::Host& host_;
  const std::string& name_;
  std::vector<Step> steps_;
  std::optional<std::uint32_t> mark_;
  std::optional<int> index_;
  /// Of the main table, into the interface, by family; looked up when the first is to be added.
  std::map<bool, std::optional<std::set<netlink::Network>>> on_link_;
};

Result<std::vector<Step>> Planner::make() {
  const config::HostSettings& file = request_.conf.host;
  add_daemon();
  add_hooks(file.pre_up);
  add_settings();
  add_addresses();
  add_link();
  if (!file.dns_servers.empty()) add(set_name_servers(name_, file));
  if (auto added = add_routes(); !added) return std::unexpected(added.error());
  add_hooks(file.post_up);
  return std::move(steps_);
}

Result<int> Planner::index() {
  if (index_) return *index_;
  const auto link = host_.link(name_);
  if (!link) return std::unexpected(link.error());
  if (!*link) return std::unexpected(Failure(name_ + ": the interface has gone"));
  index_ = (*link)->index;
  return *index_;
}

void Planner::add_daemon() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  std::vector<std::string> words{error ? "wireguard-cpp" : self.string()};
  if (request_.foreground) words.emplace_back("--foreground");
  words.emplace_back("--");
  words.push_back(name_);
  Variables variables;
  if (request_.verbosity >= 2) variables.emplace_back("LOG_LEVEL", "debug");
  add({.text = "wireguard-cpp -- " + name_,
       .undo = {undo_link(name_)},
       .perform = [this_name = name_, words, variables,
                   foreground = request_.foreground]() -> Result<void> {
         if (!foreground) return run(words, {}, variables);
         auto process = start(words, variables);
         if (!process) return std::unexpected(process.error());
         for (int i = 0; i < 500 && !is_running(this_name); i++) {
           std::this_thread::sleep_for(std::chrono::milliseconds(10));
         }
         if (is_running(this_name)) return {};
         return std::unexpected(Failure(this_name + ": the daemon did not start"));
       }});
}

void Planner::add_hooks(const std::vector<config::Hook>& hooks) {
  if (!request_.run_hooks) return;
  for (const config::Hook& hook : hooks) {
    add({.text = hook.command,
         .undo = {},
         .perform = [this_name = name_, file = request_.file,
                     hook] { return run_hook(hook, this_name, file); },
         .line = 0});  // the failure says where it stands
  }
}

void Planner::add_settings() {
  settings::Settings& settings = request_.conf.settings;
  add({.text = fmt::format("wg setconf {} <(wireguard-cpp strip {})", name_, request_.file),
       .undo = {},
       .perform = [this_name = name_, &settings]() -> Result<void> {
         auto client = connect(this_name);
         if (!client) return std::unexpected(client.error());
         crypto::SecretText text;
         uapi::append(text, settings);
         return client->set(text.view());
       }});
}

void Planner::add_addresses() {
  for (const config::InterfaceAddress& address : request_.conf.host.addresses) {
    add({.text =
             fmt::format("ip -{} address add {} dev {}", address.v6 ? 6 : 4, address.text(), name_),
         .undo = {},
         .perform = [this, address]() -> Result<void> {
           const auto index = this->index();
           if (!index) return std::unexpected(index.error());
           auto added = host_.add_address(*index, network_of(address));
           if (added || !address.v6) return added;
           return std::unexpected(added.error().hint(
               "where IPv6 is switched off (sysctl net.ipv6.conf.all.disable_ipv6), leave its "
               "addresses out"));
         },
         .line = address.line});
  }
}

void Planner::add_link() {
  const config::HostSettings& file = request_.conf.host;
  const unsigned mtu = file.mtu ? *file.mtu : path_mtu(host_, request_.conf.settings);
  add({.text = fmt::format("ip link set mtu {} up dev {}", mtu, name_),
       .undo = {},
       .perform = [this, mtu]() -> Result<void> {
         const auto index = this->index();
         if (!index) return std::unexpected(index.error());
         return host_.bring_up(*index, mtu);
       },
       .line = file.mtu_line});
}

Result<void> Planner::add_routes() {
  const std::string& table = request_.conf.host.table;
  if (table == "off") return {};
  std::optional<std::uint32_t> into;
  if (table != "auto") {
    into = table_number(table);
    if (!into) {
      return std::unexpected(
          Failure(fmt::format("{}:{}: there is no routing table '{}'", request_.file,
                              request_.conf.host.table_line, table))
              .hint("give its number, or name it in /etc/iproute2/rt_tables"));
    }
  }
  for (const netlink::Network& to : routed(request_.conf.settings)) {
    if (into) {
      add_route(to, *into, false);
    } else if (to.length > 0) {
      add_route(to, netlink::kMainTable, true);
    } else if (auto added = add_default_route(to); !added) {
      return added;
    }
  }
  return {};
}

Result<bool> Planner::is_covered(int index, const netlink::Network& to) {
  auto& known = on_link_[to.v6];
  if (!known) {
    const auto routes = host_.routes(to.v6);
    if (!routes) return std::unexpected(routes.error());
    known.emplace();
    for (const netlink::Route& route : *routes) {
      if (route.table == netlink::kMainTable && route.interface == index) known->insert(route.to);
    }
  }
  for (int length = to.length; length >= 0; length--) {
    if (known->contains(to.shortened(static_cast<std::uint8_t>(length)))) return true;
  }
  return false;
}

void Planner::add_route(const netlink::Network& to, std::uint32_t table, bool unless_covered) {
  add({.text = fmt::format("ip -{} route add {} dev {}{}", to.v6 ? 6 : 4, text_of(to), name_,
                           table == netlink::kMainTable ? "" : fmt::format(" table {}", table)),
       .undo = {},
       .perform = [this, to, table, unless_covered]() -> Result<void> {
         const auto index = this->index();
         if (!index) return std::unexpected(index.error());
         if (!unless_covered) return host_.add_route(*index, to, table);
         const auto covered = is_covered(*index, to);
         if (!covered) return std::unexpected(covered.error());
         if (*covered) return {};
         on_link_[to.v6]->insert(to);
         return host_.add_route(*index, to, table);
       }});
}

Result<void> Planner::add_default_route(const netlink::Network& to) {
  if (!mark_) {
    const std::uint32_t set = request_.conf.settings.fwmark.value_or(0);
    const auto mark = set != 0 ? Result<std::uint32_t>(set) : free_table(host_);
    if (!mark) return std::unexpected(mark.error());
    mark_ = *mark;
    add({.text = fmt::format("wg set {} fwmark {}", name_, *mark),
         .undo = {},
         .perform = [this_name = name_, mark = *mark]() -> Result<void> {
           auto client = connect(this_name);
           if (!client) return std::unexpected(client.error());
           return client->set(fmt::format("fwmark={}\n", mark));
         }});
  }
  const auto rules = host_.rules(to.v6);
  if (!rules) return std::unexpected(rules.error());
  const char family = to.v6 ? '6' : '4';
  const std::uint32_t first = netlink::next_priority(*rules);
  add_rule({.v6 = to.v6,
            .priority = first,
            .table = *mark_,
            .mark = *mark_,
            .inverted = true,
            .suppress_prefix_length = std::nullopt},
           fmt::format("ip -{} rule add not fwmark {} table {}", family, *mark_, *mark_));
  add_rule({.v6 = to.v6,
            .priority = first > 0 ? first - 1 : 0,
            .table = netlink::kMainTable,
            .mark = std::nullopt,
            .suppress_prefix_length = 0},
           fmt::format("ip -{} rule add table main suppress_prefixlength 0", family));
  add_route(to, *mark_, false);
  add_firewall(to.v6);
  if (!to.v6) add_src_valid_mark();
  return {};
}

void Planner::add_rule(const netlink::Rule& rule, const std::string& text) {
  add({.text = text, .undo = {undo_rule(rule)}, .perform = [this, rule] {
         return host_.add_rule(rule);
       }});
}

void Planner::add_firewall(bool v6) {
  const std::string family = v6 ? "ip6" : "ip";
  const std::string table = "wg-quick-" + name_;
  std::string text = fmt::format(
      "add table {0} {1}\n"
      "add chain {0} {1} preraw {{ type filter hook prerouting priority -300; }}\n"
      "add chain {0} {1} premangle {{ type filter hook prerouting priority -150; }}\n"
      "add chain {0} {1} postmangle {{ type filter hook postrouting priority -150; }}\n",
      family, table);
  for (const config::InterfaceAddress& address : request_.conf.host.addresses) {
    if (address.v6 != v6) continue;
    const std::string whole = address.text();
    text += fmt::format(
        "add rule {0} {1} preraw iifname != \"{2}\" {0} daddr {3} fib saddr type != local drop\n",
        family, table, name_, whole.substr(0, whole.find('/')));
  }
  text += fmt::format(
      "add rule {0} {1} postmangle meta l4proto udp mark {2} ct mark set mark\n"
      "add rule {0} {1} premangle meta l4proto udp meta mark set ct mark\n",
      family, table, *mark_);
  add({.text = fmt::format("nft -f - (table {} {})", family, table),
       .undo = {undo_nft_table(family, table)},
       .perform = [text]() -> Result<void> {
         auto set = run({"nft", "-f", "-"}, text);
         if (set) return set;
         return std::unexpected(set.error().hint(
             "a default route needs nftables: install it, or set routes by hand (Table = off)"));
       }});
}

void Planner::add_src_valid_mark() {
  char before = '0';
  {
    const Descriptor file(::open(kSrcValidMark, O_RDONLY | O_CLOEXEC));
    if (!file || ::read(file.get(), &before, 1) != 1 || before == '1') return;
  }
  add({.text = "sysctl net.ipv4.conf.all.src_valid_mark=1",
       .undo = {undo_sysctl(kSrcValidMark, std::string(1, before))},
       .perform = []() -> Result<void> {
         const Descriptor file(::open(kSrcValidMark, O_WRONLY | O_CLOEXEC));
         if (file && ::write(file.get(), "1", 1) == 1) return {};
         return std::unexpected(
             Failure::system(errno)
                 .during("sysctl net.ipv4.conf.all.src_valid_mark")
                 .hint("a container is given --sysctl net.ipv4.conf.all.src_valid_mark=1"));
       }});
}

}  // namespace

Result<std::vector<Step>> plan_up(UpRequest& request, netlink::Host& host) {
  // The steps keep what they need of the planner.
  const auto planner = std::make_shared<Planner>(request, host);
  auto steps = planner->make();
  if (!steps) return steps;
  for (Step& step : *steps) {
    step.perform = [planner, perform = std::move(step.perform)] { return perform(); };
  }
  return steps;
}

}  // namespace wg::commands
