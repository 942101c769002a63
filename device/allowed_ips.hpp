// Which peer an inner address belongs to: cryptokey routing (whitepaper 2), by longest prefix over
// all peers.
//
// A trie of one byte a level. A node is one block of memory: a bitmap, and behind it one word for
// each prefix that ends within its byte (0–7 more bits) and for each child. A child that would hold
// a single prefix *is* that prefix, wherever it ends. So a look-up of an IPv4 address visits four
// nodes at the most, usually two, each a pair of neighbouring cache lines, and then one entry.
//
// Each prefix is an `AllowedIp`, which is linked into its peer's list as well: taking all of a
// peer's away, or moving one to another peer, costs nothing per prefix that is not concerned.
//
// Runs on: any worker, inside its pass: `find`. Under the gate's exclusive side: everything else.
// Lives: in the tables. An `AllowedIp` from `assign` until its prefix is withdrawn: one that moves
// to another peer stays where it is.
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <boost/pool/pool.hpp>
#include <cstdint>
#include <span>

#include "settings/prefix.hpp"

namespace wg::device {

class Peer;

/// A prefix that belongs to a peer. There may be millions: the peer's address takes six bytes (four
/// where pointers have 32 bits), which is what user space has (47 bits on x86-64, 48 on arm64)
/// unless a program asks for more.
class AllowedIp : public boost::intrusive::list_base_hook<
                      boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  AllowedIp(const settings::Prefix& owned, Peer& owner) : prefix(owned) { set_peer(owner); }

  [[nodiscard]] Peer* peer() const noexcept {
    std::uintptr_t address = 0;
    for (std::size_t i = 0; i < peer_.size(); i++) address |= std::uintptr_t{peer_[i]} << (16 * i);
    return reinterpret_cast<Peer*>(address);
  }
  void set_peer(Peer& owner) noexcept;

  const settings::Prefix prefix;

 private:
  std::array<std::uint16_t, sizeof(void*) == 8 ? 3 : 2> peer_;
};
static_assert(sizeof(AllowedIp) == 2 * sizeof(void*) + 24);
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
  void assign(const settings::Prefix& prefix, Peer& peer, AllowedIpList& list);
  /// Takes `prefix` from the peer, if it is the peer's.
  void withdraw(const settings::Prefix& prefix, const Peer& peer) noexcept;
  /// Takes all that is in `list`, a peer's.
  void withdraw_all(AllowedIpList& list) noexcept;

 private:
  class Node;
  class Slot;

  [[nodiscard]] AllowedIp* exact(const settings::Prefix& prefix) const noexcept;
  [[nodiscard]] Node*& root_of(const settings::Prefix& prefix) noexcept {
    return prefix.v6 ? v6_ : v4_;
  }
  static void place(Node*& node, unsigned depth, AllowedIp& entry);
  static void remove_from(Node& node, unsigned depth, const settings::Prefix& prefix) noexcept;
  void destroy(AllowedIp& entry) noexcept;

  boost::pool<> entries_;
  Node* v4_;
  Node* v6_;
};

}  // namespace wg::device
