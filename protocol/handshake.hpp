// The handshake Noise_IKpsk2 (whitepaper 5.4.1–5.4.5): two messages, after which both sides have
// the same two keys.
//
//   initiator                                   responder
//   PendingInitiation::begin   ── initiation ─► ReceivedInitiation::open  who is it? (one X25519)
//                                               …::authenticate           is it them, now?
//   PendingInitiation::finish  ◄── response ──  …::respond                (three X25519)
//
// Each step is a type, made only by the step before it: there is no response to an initiation that
// was not authenticated. The steps keep no clock, no peer and no index table; macs and cookies are
// added outside (cookie.hpp). Ephemeral keys, chaining keys and intermediate keys wipe themselves
// when their step ends.
//
// Not thread-safe, and slow (X25519): in the daemon it runs on the peer's strand.
#pragma once

#include <optional>

#include "crypto/x25519.hpp"
#include "protocol/messages.hpp"
#include "protocol/tai64n.hpp"

namespace wg::protocol {

using crypto::PresharedKey;
using crypto::PrivateKey;
using crypto::SharedSecret;

/// Our own static keypair.
struct LocalIdentity {
  explicit LocalIdentity(const PrivateKey& key) noexcept
      : private_key(key), public_key(crypto::public_key_of(key)) {}

  PrivateKey private_key;
  PublicKey public_key;
};

/// What both sides of a handshake know of each other before it.
struct StaticKeys {
  const LocalIdentity& local;
  const PublicKey& remote;
  const SharedSecret& static_static;  // DH(local, remote), computed once per peer
};

/// What a handshake yields. `send` of one side is `receive` of the other.
struct SessionKeys {
  SymmetricKey send;
  SymmetricKey receive;
};

/// What a reader of captures needs to decrypt a handshake; only ever made for `--keylog`.
struct HandshakeSecrets {
  PublicKey remote_static;
  PrivateKey local_ephemeral;
  PresharedKey preshared;
};

/// The chaining key and the hash of a handshake in progress (Noise's symmetric state).
class Transcript {
 public:
  /// For a handshake whose responder's static key is `responder`.
  explicit Transcript(const PublicKey& responder) noexcept;

  void mix_hash(ByteView data) noexcept;
  void mix_key(ByteView input) noexcept;  // C := KDF1(C, input)
  [[nodiscard]] SymmetricKey mix_key_and_derive(
      ByteView input) noexcept;  // (C, k) := KDF2(C, input)
  [[nodiscard]] SymmetricKey mix_preshared(
      const PresharedKey& key) noexcept;  // (C, τ, k) := KDF3; H := …τ

  /// Seals under `key` with the hash as additional data, then mixes what was sealed.
  void seal(const SymmetricKey& key, ByteView plain, std::span<std::byte> out) noexcept;
  [[nodiscard]] bool open(const SymmetricKey& key, ByteView sealed,
                          std::span<std::byte> out) noexcept;

  /// (T_initiator, T_responder) := KDF2(C, nothing).
  [[nodiscard]] std::pair<SymmetricKey, SymmetricKey> split() const noexcept;

  [[nodiscard]] const crypto::Hash& hash() const noexcept { return hash_; }
  [[nodiscard]] const crypto::ChainingKey& chaining_key() const noexcept { return chaining_key_; }

 private:
  crypto::ChainingKey chaining_key_;
  crypto::Hash hash_;
};

/// The initiator between its initiation and the response.
class PendingInitiation {
 public:
  /// Writes all of `message` but its macs. `sender`: the index that the response is to name.
  /// None if the remote key is of small order.
  [[nodiscard]] static std::optional<PendingInitiation> begin(const StaticKeys& keys,
                                                              ReceiverIndex sender, Tai64n stamp,
                                                              Initiation& message) noexcept;

  /// The session's keys if `message` answers this very initiation and knows `preshared`. Changes
  /// nothing otherwise, so that a forged response does not end the handshake.
  [[nodiscard]] std::optional<SessionKeys> finish(const LocalIdentity& local,
                                                  const PresharedKey& preshared,
                                                  const Response& message) const noexcept;

  [[nodiscard]] const PrivateKey& ephemeral() const noexcept { return ephemeral_; }

 private:
  PendingInitiation(Transcript transcript, const PrivateKey& ephemeral) noexcept
      : transcript_(std::move(transcript)), ephemeral_(ephemeral) {}

  Transcript transcript_;
  PrivateKey ephemeral_;
};

/// An initiation whose sender has proved to know *our* key, and claims to be `initiator()`. Not yet
/// authenticated: whoever knows two public keys can make it.
class ReceivedInitiation {
 public:
  [[nodiscard]] static std::optional<ReceivedInitiation> open(const LocalIdentity& local,
                                                              const Initiation& message) noexcept;

  [[nodiscard]] const PublicKey& initiator() const noexcept { return initiator_; }
  [[nodiscard]] ReceiverIndex sender() const noexcept { return sender_; }

  /// The stamp, if the initiator really is who it claims to be. The caller checks that it is later
  /// than the last.
  [[nodiscard]] std::optional<Tai64n> authenticate(const SharedSecret& static_static) noexcept;

  /// Writes all of `message` but its macs, and yields the session's keys. After `authenticate` has
  /// succeeded. `ephemeral`: a fresh private key. None if the initiator's ephemeral is of small
  /// order.
  [[nodiscard]] std::optional<SessionKeys> respond(const PresharedKey& preshared,
                                                   ReceiverIndex sender,
                                                   const PrivateKey& ephemeral,
                                                   Response& message) noexcept;

 private:
  ReceivedInitiation(Transcript transcript, const Initiation& message) noexcept;

  Transcript transcript_;
  PublicKey initiator_;
  PublicKey initiator_ephemeral_;
  ReceiverIndex sender_;
  Sealed<kTai64nBytes> sealed_timestamp_;
};

}  // namespace wg::protocol
