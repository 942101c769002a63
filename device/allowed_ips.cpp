#include "device/allowed_ips.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <new>
#include <utility>

namespace wg::device {
namespace {

/// Entries that the pool asks memory for at once, at the most: what it asks for it touches.
constexpr std::size_t kEntriesAtOnce = 8192;

#ifdef __x86_64__
/// Whether the CPU counts bits by an instruction. x86-64's baseline does not, and a look-up takes
/// half as long again by the compiler's own function.
const bool kCountsBits = __builtin_cpu_supports("popcnt") != 0;
#endif

/// Slots of a node: first the children, by byte; then the prefixes that end within the byte, by
/// their bits: 1 for none of them, 2–3 for one, … 128–255 for seven.
constexpr unsigned kSlots = 512;
constexpr unsigned kFirstPrefix = 256;

constexpr unsigned child_slot(std::byte byte) noexcept {
  return std::to_integer<unsigned>(byte);
}
constexpr unsigned prefix_slot(std::byte byte, unsigned bits) noexcept {
  return kFirstPrefix + ((1U << bits) | (std::to_integer<unsigned>(byte) >> (8 - bits)));
}

/// The slots, in the bitmap's first word of prefixes, of those of 0–5 bits that cover a byte; by
/// its upper five bits.
constexpr auto kShortPrefixes = [] {
  std::array<std::uint64_t, 32> masks{};
  for (unsigned upper = 0; upper < masks.size(); upper++) {
    for (unsigned bits = 0; bits <= 5; bits++) {
      masks[upper] |= 1ULL << (prefix_slot(static_cast<std::byte>(upper << 3), bits) % 64);
    }
  }
  return masks;
}();

}  // namespace

/// What stands in a slot: a deeper node, or an entry. They are told apart by the lowest bit.
class AllowedIps::Slot {
 public:
  explicit Slot(Node* node) noexcept : bits_(reinterpret_cast<std::uintptr_t>(node)) {}
  explicit Slot(AllowedIp* entry) noexcept : bits_(reinterpret_cast<std::uintptr_t>(entry) | 1) {}
  [[nodiscard]] bool is_entry() const noexcept { return (bits_ & 1) != 0; }
  [[nodiscard]] Node* node() const noexcept { return reinterpret_cast<Node*>(bits_); }
  [[nodiscard]] AllowedIp* entry() const noexcept {
    return reinterpret_cast<AllowedIp*>(bits_ & ~std::uintptr_t{1});
  }

 private:
  std::uintptr_t bits_;
};

/// A bitmap of the slots in use, and what stands in them right behind it, in order.
class AllowedIps::Node {
 public:
  [[nodiscard]] static Node* make() { return new (memory_for(0)) Node; }
  /// With all that is below.
  static void destroy(Node* node) noexcept {
    for (unsigned i = 0, n = node->count(); i < n; i++) {
      if (!node->values()[i].is_entry()) destroy(node->values()[i].node());
    }
    ::operator delete(node);
  }
  /// Puts a value into a free slot; the node moves.
  static void insert(Node*& node, unsigned slot, Slot value) {
    const unsigned size = node->count();
    const unsigned at = node->rank(slot);
    Node* const grown = new (memory_for(size + 1)) Node(*node);
    grown->mark(slot, true);
    std::copy_n(node->values(), at, grown->values());
    new (grown->values() + at) Slot(value);
    std::copy_n(node->values() + at, size - at, grown->values() + at + 1);
    ::operator delete(std::exchange(node, grown));
  }
  /// Shrinks in place; the spare room goes with the next insertion.
  void erase(unsigned slot) noexcept {
    const unsigned at = rank(slot);
    std::copy(values() + at + 1, values() + count(), values() + at);
    mark(slot, false);
  }

  /// Fetches the slots while the bitmap is still on its way, instead of one after the other.
  void expect_look_up() const noexcept {
    __builtin_prefetch(values());
    __builtin_prefetch(values() + 8);
  }
  [[nodiscard]] bool has(unsigned slot) const noexcept {
    return (used_[slot / 64] >> (slot % 64) & 1) != 0;
  }
  [[nodiscard]] Slot& at(unsigned slot) noexcept { return values()[rank(slot)]; }
  [[nodiscard]] Slot at(unsigned slot) const noexcept { return values()[rank(slot)]; }
  /// The longest prefix that ends within the byte and covers it; null if there is none.
  [[nodiscard]] const AllowedIp* longest(std::byte byte) const noexcept {
    const std::uint64_t covering =
        used_[kFirstPrefix / 64] & kShortPrefixes[std::to_integer<unsigned>(byte) >> 3];
    auto slot = kFirstPrefix + static_cast<unsigned>(std::bit_width(covering)) - 1;
    if (has(prefix_slot(byte, 6))) slot = prefix_slot(byte, 6);
    if (has(prefix_slot(byte, 7))) slot = prefix_slot(byte, 7);
    return slot >= kFirstPrefix ? at(slot).entry() : nullptr;
  }
  /// The peer with the longest prefix over `address`, if this is the root.
  [[nodiscard, gnu::always_inline]] inline Peer* find(
      std::span<const std::byte> address) const noexcept;
#ifdef __x86_64__
  /// The same, for CPUs that count bits.
  [[nodiscard, gnu::target("popcnt"), gnu::flatten]] Peer* find_counting_bits(
      std::span<const std::byte> address) const noexcept {
    return find(address);
  }
#endif
  /// The single prefix that this node holds, if it holds nothing else.
  [[nodiscard]] AllowedIp* single() noexcept {
    return count() == 1 && values()[0].is_entry() ? values()[0].entry() : nullptr;
  }

 private:
  [[nodiscard]] static void* memory_for(unsigned values) {
    return ::operator new(sizeof(Node) + values * sizeof(Slot));
  }
  [[nodiscard]] Slot* values() noexcept { return reinterpret_cast<Slot*>(this + 1); }
  [[nodiscard]] const Slot* values() const noexcept {
    return reinterpret_cast<const Slot*>(this + 1);
  }
  static constexpr unsigned kWords = kSlots / 64;

  void mark(unsigned slot, bool used) noexcept {
    used_[slot / 64] ^= 1ULL << (slot % 64);
    for (unsigned word = slot / 64 + 1; word < kWords; word++) {
      used ? before_[word]++ : before_[word]--;
    }
  }
  /// How many slots before this one are in use.
  [[nodiscard]] unsigned rank(unsigned slot) const noexcept {
    const std::uint64_t before_in_word = used_[slot / 64] & ((1ULL << (slot % 64)) - 1);
    return before_[slot / 64] + static_cast<unsigned>(std::popcount(before_in_word));
  }
  [[nodiscard]] unsigned count() const noexcept {
    return before_.back() + static_cast<unsigned>(std::popcount(used_.back()));
  }

  std::array<std::uint64_t, kWords> used_{};
  /// How many slots are in use before each word.
  std::array<std::uint16_t, kWords> before_{};
};

void AllowedIp::set_peer(Peer& owner) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(&owner);
  for (std::size_t i = 0; i < peer_.size(); i++) {
    peer_[i] = static_cast<std::uint16_t>(address >> (16 * i));
  }
  if (peer() != &owner) std::abort();  // no system that we know gives out such an address
}

AllowedIps::AllowedIps()
    : entries_(sizeof(AllowedIp), 32, kEntriesAtOnce), v4_(Node::make()), v6_(Node::make()) {}

AllowedIps::~AllowedIps() {
  Node::destroy(v4_);
  Node::destroy(v6_);
}

Peer* AllowedIps::Node::find(std::span<const std::byte> address) const noexcept {
  const Node* node = this;
  const AllowedIp* best = nullptr;
  for (const std::byte byte : address) {
    if (const AllowedIp* const longer = node->longest(byte)) best = longer;
    if (!node->has(child_slot(byte))) break;
    const Slot child = node->at(child_slot(byte));
    if (child.is_entry()) {
      if (child.entry()->prefix.contains(address)) best = child.entry();
      break;
    }
    node = child.node();
    node->expect_look_up();
  }
  return best != nullptr ? best->peer() : nullptr;
}

Peer* AllowedIps::find(std::span<const std::byte> address) const noexcept {
  const Node* const root = address.size() == 4 ? v4_ : v6_;
#ifdef __x86_64__
  if (kCountsBits) return root->find_counting_bits(address);
#endif
  return root->find(address);
}

AllowedIp* AllowedIps::exact(const settings::Prefix& prefix) const noexcept {
  const Node* node = prefix.v6 ? v6_ : v4_;
  for (unsigned depth = 0;; depth++) {
    const std::byte byte = prefix.address[depth];
    if (depth == prefix.length / 8) {
      const unsigned slot = prefix_slot(byte, prefix.length % 8);
      return node->has(slot) ? node->at(slot).entry() : nullptr;
    }
    if (!node->has(child_slot(byte))) return nullptr;
    const Slot child = node->at(child_slot(byte));
    if (child.is_entry()) return child.entry()->prefix == prefix ? child.entry() : nullptr;
    node = child.node();
  }
}

/// `node`: the slot that refers to the node of this depth, since a node moves as it grows.
void AllowedIps::place(Node*& node, unsigned depth, AllowedIp& entry) {
  const settings::Prefix& prefix = entry.prefix;
  const std::byte byte = prefix.address[depth];
  if (depth == prefix.length / 8) {
    return Node::insert(node, prefix_slot(byte, prefix.length % 8), Slot(&entry));
  }
  if (!node->has(child_slot(byte))) return Node::insert(node, child_slot(byte), Slot(&entry));
  const Slot child = node->at(child_slot(byte));
  Node* deeper = nullptr;
  if (child.is_entry()) {  // two prefixes below here: they need a node
    deeper = Node::make();
    place(deeper, depth + 1, *child.entry());
  } else {
    deeper = child.node();
  }
  place(deeper, depth + 1, entry);
  node->at(child_slot(byte)) = Slot(deeper);
}

void AllowedIps::remove_from(Node& node, unsigned depth, const settings::Prefix& prefix) noexcept {
  const std::byte byte = prefix.address[depth];
  if (depth == prefix.length / 8) return node.erase(prefix_slot(byte, prefix.length % 8));
  Slot& child = node.at(child_slot(byte));
  if (child.is_entry()) return node.erase(child_slot(byte));
  Node* const deeper = child.node();
  remove_from(*deeper, depth + 1, prefix);
  // A node of one prefix becomes that prefix again.
  if (AllowedIp* const single = deeper->single()) {
    child = Slot(single);
    Node::destroy(deeper);
  }
}

void AllowedIps::destroy(AllowedIp& entry) noexcept {
  remove_from(*root_of(entry.prefix), 0, entry.prefix);
  entry.~AllowedIp();  // leaves its peer's list
  entries_.free(&entry);
}

void AllowedIps::assign(const settings::Prefix& prefix, Peer& peer, AllowedIpList& list) {
  if (AllowedIp* const entry = exact(prefix)) {
    if (entry->peer() == &peer) return;
    entry->set_peer(peer);
    entry->unlink();
    list.push_back(*entry);
    return;
  }
  void* const memory = entries_.malloc();
  if (memory == nullptr) throw std::bad_alloc();
  auto* const entry = new (memory) AllowedIp(prefix, peer);
  list.push_back(*entry);
  place(root_of(prefix), 0, *entry);
}

void AllowedIps::withdraw(const settings::Prefix& prefix, const Peer& peer) noexcept {
  AllowedIp* const entry = exact(prefix);
  if (entry != nullptr && entry->peer() == &peer) destroy(*entry);
}

void AllowedIps::withdraw_all(AllowedIpList& list) noexcept {
  while (!list.empty()) destroy(list.front());
}

}  // namespace wg::device
