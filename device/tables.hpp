// What the workers of an interface share and only its owner changes.
//
// Guarded by: the gate (batch_gate.hpp): looked at inside a pass, changed under its exclusive side.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstring>
#include <memory>

#include "conn/bind.hpp"
#include "device/allowed_ips.hpp"
#include "device/batch_gate.hpp"
#include "protocol/cookie.hpp"
#include "protocol/handshake.hpp"

namespace wg::device {

class Peer;
using PeerPtr = std::shared_ptr<Peer>;

/// Our static key and what follows from it. Replaced as a whole.
struct Identity {
  explicit Identity(const crypto::PrivateKey& key) : keys(key), cookies(keys.public_key) {}
  protocol::LocalIdentity keys;
  protocol::CookieChecker cookies;
};

/// Public keys are random already, unless somebody chose them: the hash is keyed by nothing, but
/// peers are configured by the administrator, and by nobody else.
struct PublicKeyHash {
  std::size_t operator()(const crypto::PublicKey& key) const noexcept {
    std::size_t value;
    std::memcpy(&value, key.bytes.data(), sizeof value);
    return value;
  }
};
using PeersByKey = boost::unordered_flat_map<crypto::PublicKey, PeerPtr, PublicKeyHash>;

struct Tables {
  explicit Tables(conn::Bind& outer) : bind(outer) {}

  [[nodiscard]] PeerPtr find_peer(const crypto::PublicKey& key) const {
    const auto found = peers.find(key);
    return found == peers.end() ? nullptr : found->second;
  }

  conn::Bind& bind;  // its sockets change; sending and receiving are for whoever passes
  AllowedIps allowed_ips;
  PeersByKey peers;
  std::unique_ptr<Identity> identity;  // null: no private key
  bool up = false;                     // the bind is open, and handshakes may begin
};

using Gate = BatchGate<Tables>;
using Pass = Gate::Pass;

}  // namespace wg::device
