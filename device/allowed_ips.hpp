// Which peer an inner address belongs to: cryptokey routing (whitepaper 2), by longest prefix over
// all peers.
//
// A trie of one byte a level. A node holds, in compact arrays behind bitmaps, the prefixes that end
// within its byte (0–7 more bits) and its children; a child that would hold a single prefix *is*
// that prefix, wherever it ends. So a look-up of an IPv4 address visits four nodes at the most,
// usually two, and the trie stays small when prefixes are far apart.
//
// Each prefix is an `AllowedIp`, which is linked into its peer's list as well: taking all of a
// peer's away, or moving one to another peer, costs nothing per prefix that is not concerned.
//
// `find`: workers inside their pass. Everything else: under `BatchGate::exclusive`.
#pragma once

#include <array>
#include <bit>
#include <boost/intrusive/list.hpp>
#include <boost/pool/pool.hpp>
#include <cstdint>
#include <memory>

#include "device/prefix.hpp"

namespace wg::device {

class Peer;

/// A prefix that belongs to a peer.
struct AllowedIp
    : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  AllowedIp(const Prefix& owned, Peer& owner) noexcept : prefix(owned), peer(&owner) {}
  Prefix prefix;
  Peer* peer;
};
using AllowedIpList =
    boost::intrusive::list<AllowedIp, boost::intrusive::constant_time_size<false>>;

class AllowedIps {
 public:
  AllowedIps();
  ~AllowedIps();
  AllowedIps(const AllowedIps&) = delete;
  AllowedIps& operator=(const AllowedIps&) = delete;

  /// The peer with the longest prefix over `address` (4 or 16 bytes); null if there is none.
  [[nodiscard]] Peer* find(std::span<const std::byte> address) const noexcept;

  /// Gives `prefix` to the peer, taking it from whoever has it, and puts it at the end of `list`,
  /// the peer's own.
  void assign(const Prefix& prefix, Peer& peer, AllowedIpList& list);
  /// Takes `prefix` from the peer, if it is the peer's.
  void withdraw(const Prefix& prefix, const Peer& peer) noexcept;
  /// Takes all that is in `list`, a peer's.
  void withdraw_all(AllowedIpList& list) noexcept;

 private:
  struct Node;
  class Child;

  /// A sparse array of 256 slots: a bitmap, and the slots in use one behind the other.
  template <class Value>
  class Sparse {
   public:
    Sparse() noexcept = default;
    Sparse(const Sparse&) = delete;
    Sparse& operator=(const Sparse&) = delete;
    [[nodiscard]] bool empty() const noexcept {
      return (used_[0] | used_[1] | used_[2] | used_[3]) == 0;
    }
    [[nodiscard]] bool has(unsigned slot) const noexcept {
      return (used_[slot / 64] >> (slot % 64) & 1) != 0;
    }
    [[nodiscard]] Value& at(unsigned slot) const noexcept { return values_[rank(slot)]; }
    [[nodiscard]] unsigned count() const noexcept;
    [[nodiscard]] Value& only() const noexcept { return values_[0]; }
    void insert(unsigned slot, Value value);
    void erase(unsigned slot) noexcept;
    template <class Visit>
    void for_each(Visit visit) const {
      for (unsigned i = 0, n = count(); i < n; i++) visit(values_[i]);
    }

   private:
    /// How many slots before this one are in use.
    [[nodiscard]] unsigned rank(unsigned slot) const noexcept;

    std::array<std::uint64_t, 4> used_{};
    std::unique_ptr<Value[]> values_;
  };

  [[nodiscard]] AllowedIp* exact(const Prefix& prefix) const noexcept;
  void place(Node& root, unsigned depth, AllowedIp& entry);
  void remove_from(Node& node, unsigned depth, const Prefix& prefix) noexcept;
  void destroy(AllowedIp& entry) noexcept;

  boost::pool<> entries_;
  std::unique_ptr<Node> v4_;
  std::unique_ptr<Node> v6_;
};

}  // namespace wg::device
