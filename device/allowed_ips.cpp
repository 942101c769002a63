#include "device/allowed_ips.hpp"

#include <new>

namespace wg::device {
namespace {

/// A prefix's place among those that end within a byte: 1 for none of its bits, 2–3 for one, …
/// 128–255 for seven.
unsigned slot_of(std::byte byte, unsigned bits) noexcept {
  return (1U << bits) | (std::to_integer<unsigned>(byte) >> (8 - bits));
}

}  // namespace

/// A deeper node, or the one prefix that it would hold: told apart by the lowest bit.
class AllowedIps::Child {
 public:
  Child() noexcept = default;
  explicit Child(Node* node) noexcept : bits_(reinterpret_cast<std::uintptr_t>(node)) {}
  explicit Child(AllowedIp* leaf) noexcept : bits_(reinterpret_cast<std::uintptr_t>(leaf) | 1) {}
  [[nodiscard]] bool is_leaf() const noexcept { return (bits_ & 1) != 0; }
  [[nodiscard]] Node* node() const noexcept { return reinterpret_cast<Node*>(bits_); }
  [[nodiscard]] AllowedIp* leaf() const noexcept {
    return reinterpret_cast<AllowedIp*>(bits_ & ~std::uintptr_t{1});
  }

 private:
  std::uintptr_t bits_ = 0;
};

struct AllowedIps::Node {
  Sparse<AllowedIp*> prefixes;  // by slot_of
  Sparse<Child> children;       // by byte

  ~Node() {
    children.for_each([](Child child) {
      if (!child.is_leaf()) delete child.node();
    });
  }
  [[nodiscard]] bool empty() const noexcept { return prefixes.empty() && children.empty(); }
  /// The single prefix that this node holds, if it holds nothing else.
  [[nodiscard]] AllowedIp* single() const noexcept {
    const unsigned own = prefixes.count();
    const unsigned below = children.count();
    if (own == 1 && below == 0) return prefixes.only();
    if (own == 0 && below == 1 && children.only().is_leaf()) return children.only().leaf();
    return nullptr;
  }
};

template <class Value>
unsigned AllowedIps::Sparse<Value>::rank(unsigned slot) const noexcept {
  int before = std::popcount(used_[slot / 64] & ((1ULL << (slot % 64)) - 1));
  for (unsigned word = 0; word < slot / 64; word++) before += std::popcount(used_[word]);
  return static_cast<unsigned>(before);
}

template <class Value>
unsigned AllowedIps::Sparse<Value>::count() const noexcept {
  int all = 0;
  for (const std::uint64_t word : used_) all += std::popcount(word);
  return static_cast<unsigned>(all);
}

template <class Value>
void AllowedIps::Sparse<Value>::insert(unsigned slot, Value value) {
  const unsigned size = count();
  const unsigned at = rank(slot);
  auto grown = std::make_unique_for_overwrite<Value[]>(size + 1);
  std::copy_n(values_.get(), at, grown.get());
  grown[at] = value;
  std::copy_n(values_.get() + at, size - at, grown.get() + at + 1);
  values_ = std::move(grown);
  used_[slot / 64] |= 1ULL << (slot % 64);
}

template <class Value>
void AllowedIps::Sparse<Value>::erase(unsigned slot) noexcept {
  // Shrinks in place; the spare slot goes with the next insertion.
  const unsigned size = count();
  const unsigned at = rank(slot);
  std::copy(values_.get() + at + 1, values_.get() + size, values_.get() + at);
  used_[slot / 64] &= ~(1ULL << (slot % 64));
}

AllowedIps::AllowedIps()
    : entries_(sizeof(AllowedIp)), v4_(std::make_unique<Node>()), v6_(std::make_unique<Node>()) {}

AllowedIps::~AllowedIps() = default;

Peer* AllowedIps::find(std::span<const std::byte> address) const noexcept {
  const Node* node = address.size() == 4 ? v4_.get() : v6_.get();
  Peer* best = nullptr;
  for (const std::byte byte : address) {
    if (!node->prefixes.empty()) {
      for (unsigned slot = slot_of(byte, 7); slot != 0;
           slot /= 2) {  // from the longest to the shortest
        if (!node->prefixes.has(slot)) continue;
        best = node->prefixes.at(slot)->peer;
        break;
      }
    }
    const auto index = std::to_integer<unsigned>(byte);
    if (!node->children.has(index)) return best;
    const Child child = node->children.at(index);
    if (child.is_leaf()) {
      const AllowedIp& leaf = *child.leaf();
      return leaf.prefix.contains(address) ? leaf.peer : best;
    }
    node = child.node();
  }
  return best;
}

AllowedIp* AllowedIps::exact(const Prefix& prefix) const noexcept {
  const Node* node = prefix.v6 ? v6_.get() : v4_.get();
  for (unsigned depth = 0;; depth++) {
    if (depth == prefix.length / 8) {
      const unsigned slot = slot_of(prefix.address[depth], prefix.length % 8);
      return node->prefixes.has(slot) ? node->prefixes.at(slot) : nullptr;
    }
    const auto index = std::to_integer<unsigned>(prefix.address[depth]);
    if (!node->children.has(index)) return nullptr;
    const Child child = node->children.at(index);
    if (child.is_leaf()) return child.leaf()->prefix == prefix ? child.leaf() : nullptr;
    node = child.node();
  }
}

void AllowedIps::place(Node& root, unsigned depth, AllowedIp& entry) {
  const Prefix& prefix = entry.prefix;
  Node* node = &root;
  for (;; depth++) {
    if (depth == prefix.length / 8) {
      node->prefixes.insert(slot_of(prefix.address[depth], prefix.length % 8), &entry);
      return;
    }
    const auto index = std::to_integer<unsigned>(prefix.address[depth]);
    if (!node->children.has(index)) {
      node->children.insert(index, Child(&entry));
      return;
    }
    Child& child = node->children.at(index);
    if (child.is_leaf()) {  // two prefixes below here: they need a node
      AllowedIp& other = *child.leaf();
      auto deeper = std::make_unique<Node>();
      place(*deeper, depth + 1, other);
      child = Child(deeper.release());
    }
    node = child.node();
  }
}

void AllowedIps::remove_from(Node& node, unsigned depth, const Prefix& prefix) noexcept {
  if (depth == prefix.length / 8) {
    node.prefixes.erase(slot_of(prefix.address[depth], prefix.length % 8));
    return;
  }
  const auto index = std::to_integer<unsigned>(prefix.address[depth]);
  Child& child = node.children.at(index);
  if (child.is_leaf()) {
    node.children.erase(index);
    return;
  }
  Node* const deeper = child.node();
  remove_from(*deeper, depth + 1, prefix);
  // A node of one prefix becomes that prefix again.
  if (AllowedIp* const single = deeper->single()) {
    child = Child(single);
    delete deeper;
  }
}

void AllowedIps::destroy(AllowedIp& entry) noexcept {
  remove_from(entry.prefix.v6 ? *v6_ : *v4_, 0, entry.prefix);
  entry.~AllowedIp();  // leaves its peer's list
  entries_.free(&entry);
}

void AllowedIps::assign(const Prefix& prefix, Peer& peer, AllowedIpList& list) {
  if (AllowedIp* const entry = exact(prefix)) {
    if (entry->peer == &peer) return;
    entry->peer = &peer;
    entry->unlink();
    list.push_back(*entry);
    return;
  }
  void* const memory = entries_.malloc();
  if (memory == nullptr) throw std::bad_alloc();
  auto* const entry = new (memory) AllowedIp(prefix, peer);
  list.push_back(*entry);
  place(prefix.v6 ? *v6_ : *v4_, 0, *entry);
}

void AllowedIps::withdraw(const Prefix& prefix, const Peer& peer) noexcept {
  AllowedIp* const entry = exact(prefix);
  if (entry != nullptr && entry->peer == &peer) destroy(*entry);
}

void AllowedIps::withdraw_all(AllowedIpList& list) noexcept {
  while (!list.empty()) destroy(list.front());
}

}  // namespace wg::device
