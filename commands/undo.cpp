#include "commands/undo.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "commands/process.hpp"
#include "commands/record.hpp"
#include "errors/descriptor.hpp"
#include "settings/word.hpp"

namespace wg::commands {
namespace {

using Words = std::vector<std::string>;

std::uint32_t number(const std::string& text) {
  std::uint32_t value = 0;
  (void)settings::read_decimal(text, value);  // we have written it
  return value;
}

Result<void> delete_link(const Words& words, const std::string&) {
  auto host = netlink::Host::open();
  if (!host) return std::unexpected(host.error());
  const auto link = (*host)->link(words[0]);
  if (!link) return std::unexpected(link.error());
  if (!*link) return {};
  return (*host)->delete_link((*link)->index);
}

netlink::Rule rule_of(const Words& words) {
  netlink::Rule rule{.v6 = words[0] == "6",
                     .priority = number(words[1]),
                     .table = number(words[2]),
                     .mark = std::nullopt,
                     .suppress_prefix_length = std::nullopt};
  if (!words[3].empty()) {
    rule.mark = number(words[3]);
    rule.inverted = true;
  }
  if (!words[4].empty()) rule.suppress_prefix_length = number(words[4]);
  return rule;
}

Result<void> delete_rule(const Words& words, const std::string&) {
  auto host = netlink::Host::open();
  if (!host) return std::unexpected(host.error());
  return (*host)->delete_rule(rule_of(words));
}

Result<void> delete_nft_table(const Words& words, const std::string&) {
  // To add it first makes it certain that there is one: then there is nothing else that may fail.
  const std::string table = words[0] + " " + words[1];
  return run({"nft", "-f", "-"}, fmt::format("add table {0}\ndelete table {0}\n", table));
}

Result<void> revert_resolvectl(const Words& words, const std::string&) {
  (void)run({"resolvectl", "revert", words[0]});  // it has gone with the link, mostly
  return {};
}

Result<void> delete_resolvconf(const Words& words, const std::string&) {
  return run({"resolvconf", "-f", "-d", words[0]});
}

Result<void> set_sysctl_back(const Words& words, const std::string& interface) {
  for (Record& other : other_records(interface)) {
    const bool needs_it =
        std::ranges::any_of(other.undo, [](const Undo& undo) { return undo.kind == "nft-table"; });
    if (!needs_it) continue;
    // It undoes it in our place.
    other.undo.insert(other.undo.begin(), {.kind = "sysctl", .words = words});
    return write_record(other);
  }
  const Descriptor file(::open(words[0].c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), words[1].data(), words[1].size()) < 0) {
    return std::unexpected(Failure::system(errno).during("{}", words[0]));
  }
  return {};
}

struct Kind {
  std::string_view name;
  std::size_t words;
  const char* text;  // of fmt, with that many places
  Result<void> (*perform)(const Words& words, const std::string& interface);
};
constexpr Kind kKinds[] = {
    {"link", 1, "ip link delete {}", delete_link},
    {"rule", 5,
     "ip -{} rule delete priority {} table {} not fwmark '{}' suppress_prefixlength '{}'",
     delete_rule},
    {"nft-table", 2, "nft delete table {} {}", delete_nft_table},
    {"resolvectl", 1, "resolvectl revert {}", revert_resolvectl},
    {"resolvconf", 1, "resolvconf -f -d {}", delete_resolvconf},
    {"sysctl", 2, "sysctl {}={}", set_sysctl_back},
};

const Kind* find(const Undo& undo) {
  for (const Kind& kind : kKinds) {
    if (kind.name == undo.kind && kind.words == undo.words.size()) return &kind;
  }
  return nullptr;
}

}  // namespace

Undo undo_link(const std::string& interface) {
  return {.kind = "link", .words = {interface}};
}

Undo undo_rule(const netlink::Rule& rule) {
  const auto text = [](const auto& value) { return value ? std::to_string(*value) : ""; };
  return {.kind = "rule",
          .words = {rule.v6 ? "6" : "4", std::to_string(rule.priority), std::to_string(rule.table),
                    text(rule.mark), text(rule.suppress_prefix_length)}};
}

Undo undo_nft_table(const std::string& family, const std::string& table) {
  return {.kind = "nft-table", .words = {family, table}};
}

Undo undo_resolvectl(const std::string& interface) {
  return {.kind = "resolvectl", .words = {interface}};
}

Undo undo_resolvconf(const std::string& name) {
  return {.kind = "resolvconf", .words = {name}};
}

Undo undo_sysctl(const std::string& path, const std::string& value) {
  return {.kind = "sysctl", .words = {path, value}};
}

std::string text_of(const Undo& undo) {
  const Kind* const kind = find(undo);
  if (kind == nullptr) return undo.kind;
  std::string text = kind->text;
  for (const std::string& word : undo.words) {
    if (const std::size_t place = text.find("{}"); place != std::string::npos) {
      text.replace(place, 2, word);
    }
  }
  return text;
}

Result<void> perform(const Undo& undo, const std::string& interface) {
  const Kind* const kind = find(undo);
  if (kind == nullptr) {
    return std::unexpected(
        Failure(fmt::format("'{}' in the record of {} is not known here", undo.kind, interface))
            .hint("the version that brought it up takes it down"));
  }
  return kind->perform(undo.words, interface);
}

}  // namespace wg::commands
