// What a running interface can be told, and what it tells: the structures between the front ends
// (UAPI, configuration files, sub-commands) and the device. An absent member leaves things as they
// are.
//
// Endpoints are text here: what they mean, only the outer end that carries them knows.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crypto/secret.hpp"
#include "settings/prefix.hpp"

namespace wg::settings {

struct AllowedIpChange {
  Prefix prefix;
  bool withdraw = false;  // take it from this peer instead of giving it
};

struct PeerSettings {
  crypto::PublicKey public_key;
  bool remove = false;
  bool update_only = false;                           // do nothing if the peer is unknown
  std::optional<crypto::PresharedKey> preshared_key;  // all zero: none
  std::optional<std::string> endpoint;                // as the device's outer end takes it
  std::optional<std::uint16_t> persistent_keepalive;  // seconds, 0: off
  bool replace_allowed_ips = false;
  std::vector<AllowedIpChange> allowed_ips;  // in order
};

struct Settings {
  std::optional<crypto::PrivateKey> private_key;  // all zero: removes it
  std::optional<std::uint16_t> listen_port;       // 0: any that is free
  std::optional<std::uint32_t> fwmark;            // 0: none
  bool replace_peers = false;
  std::vector<PeerSettings> peers;  // in order
};

/// How things are, for UAPI's `get`.
struct InterfaceState {
  std::optional<crypto::PrivateKey> private_key;
  std::uint16_t listen_port = 0;
  std::uint32_t fwmark = 0;

  friend bool operator==(const InterfaceState&, const InterfaceState&) = default;
};

struct PeerState {
  crypto::PublicKey public_key;
  crypto::PresharedKey preshared_key;
  std::optional<std::string> endpoint;         // as wg(8) understands it
  std::chrono::nanoseconds last_handshake{0};  // since the epoch; 0: never
  std::uint64_t tx_bytes = 0;                  // whole WireGuard messages, as on the wire
  std::uint64_t rx_bytes = 0;
  std::uint16_t persistent_keepalive = 0;
  std::vector<Prefix> allowed_ips;

  friend bool operator==(const PeerState&, const PeerState&) = default;
};

/// What a running daemon says of itself beyond UAPI: for a status, and for metrics.
struct Vitals {
  std::string version;
  std::string aead;         // what encrypts transport data
  std::string inner_end;    // "kernel TUN"
  std::string outer_end;    // "udp", "tcp", …
  std::size_t threads = 0;  // that carry packets
  struct Drops {
    std::string reason;
    std::uint64_t packets = 0;

    friend bool operator==(const Drops&, const Drops&) = default;
  };
  std::vector<Drops> drops = {};  // since the start, every reason
  struct Unanswered {
    crypto::PublicKey peer;
    std::chrono::seconds time{0};  // since the first initiation that is without an answer

    friend bool operator==(const Unanswered&, const Unanswered&) = default;
  };
  std::vector<Unanswered> unanswered = {};  // peers that are being called

  friend bool operator==(const Vitals&, const Vitals&) = default;
};

}  // namespace wg::settings
