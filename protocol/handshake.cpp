#include "protocol/handshake.hpp"

#include <algorithm>

namespace wg::protocol {
namespace {

constexpr char kConstruction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
constexpr char kIdentifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";

/// The chaining key and hash that every handshake begins with.
struct InitialState {
  crypto::Hash chaining_key = crypto::hash({crypto::text_bytes(kConstruction)});
  crypto::Hash hash = crypto::hash({chaining_key, crypto::text_bytes(kIdentifier)});
};

const InitialState& initial_state() noexcept {
  static const InitialState state;
  return state;
}

}  // namespace

Transcript::Transcript(const PublicKey& responder) noexcept
    : chaining_key_(std::span(initial_state().chaining_key)), hash_(initial_state().hash) {
  mix_hash(responder.bytes);
}

void Transcript::mix_hash(ByteView data) noexcept {
  hash_ = crypto::hash({hash_, data});
}

void Transcript::mix_key(ByteView input) noexcept {
  const crypto::ChainingKey before = chaining_key_;
  crypto::kdf(before.bytes(), input, {chaining_key_.bytes()});
}

SymmetricKey Transcript::mix_key_and_derive(ByteView input) noexcept {
  const crypto::ChainingKey before = chaining_key_;
  SymmetricKey key;
  crypto::kdf(before.bytes(), input, {chaining_key_.bytes(), key.bytes()});
  return key;
}

SymmetricKey Transcript::mix_preshared(const PresharedKey& preshared) noexcept {
  const crypto::ChainingKey before = chaining_key_;
  SymmetricKey tau;
  SymmetricKey key;
  crypto::kdf(before.bytes(), preshared.bytes(), {chaining_key_.bytes(), tau.bytes(), key.bytes()});
  mix_hash(tau.bytes());
  return key;
}

void Transcript::seal(const SymmetricKey& key, ByteView plain, std::span<std::byte> out) noexcept {
  crypto::seal(key, crypto::nonce_of(0), plain, hash_, out);
  mix_hash(out);
}

bool Transcript::open(const SymmetricKey& key, ByteView sealed, std::span<std::byte> out) noexcept {
  if (!crypto::open(key, crypto::nonce_of(0), sealed, hash_, out)) return false;
  mix_hash(sealed);
  return true;
}

std::pair<SymmetricKey, SymmetricKey> Transcript::split() const noexcept {
  std::pair<SymmetricKey, SymmetricKey> keys;
  crypto::kdf(chaining_key_.bytes(), {}, {keys.first.bytes(), keys.second.bytes()});
  return keys;
}

std::optional<PendingInitiation> PendingInitiation::begin(const StaticKeys& keys,
                                                          ReceiverIndex sender, Tai64n stamp,
                                                          Initiation& message) noexcept {
  Transcript transcript(keys.remote);
  const PrivateKey ephemeral = crypto::generate_private_key();
  message.type = static_cast<std::uint32_t>(MessageType::Initiation);
  message.sender = sender;
  message.ephemeral = crypto::public_key_of(ephemeral);
  transcript.mix_key(message.ephemeral.bytes);
  transcript.mix_hash(message.ephemeral.bytes);

  const auto ephemeral_static = crypto::agree(ephemeral, keys.remote);
  if (!ephemeral_static) return std::nullopt;
  SymmetricKey key = transcript.mix_key_and_derive(ephemeral_static->bytes());
  transcript.seal(key, keys.local.public_key.bytes, message.sealed_static);

  key = transcript.mix_key_and_derive(keys.static_static.bytes());
  transcript.seal(key, stamp.bytes, message.sealed_timestamp);
  return PendingInitiation(std::move(transcript), ephemeral);
}

std::optional<SessionKeys> PendingInitiation::finish(const LocalIdentity& local,
                                                     const PresharedKey& preshared,
                                                     const Response& message) const noexcept {
  Transcript transcript = transcript_;
  transcript.mix_key(message.ephemeral.bytes);
  transcript.mix_hash(message.ephemeral.bytes);

  const auto ephemeral_ephemeral = crypto::agree(ephemeral_, message.ephemeral);
  const auto static_ephemeral = crypto::agree(local.private_key, message.ephemeral);
  if (!ephemeral_ephemeral || !static_ephemeral) return std::nullopt;
  transcript.mix_key(ephemeral_ephemeral->bytes());
  transcript.mix_key(static_ephemeral->bytes());

  const SymmetricKey key = transcript.mix_preshared(preshared);
  if (!transcript.open(key, message.sealed_nothing, {})) return std::nullopt;
  const auto [initiator, responder] = transcript.split();
  return SessionKeys{.send = initiator, .receive = responder};
}

ReceivedInitiation::ReceivedInitiation(Transcript transcript, const Initiation& message) noexcept
    : transcript_(std::move(transcript)),
      initiator_ephemeral_(message.ephemeral),
      sender_(message.sender),
      sealed_timestamp_(message.sealed_timestamp) {}

std::optional<ReceivedInitiation> ReceivedInitiation::open(const LocalIdentity& local,
                                                           const Initiation& message) noexcept {
  ReceivedInitiation received(Transcript(local.public_key), message);
  Transcript& transcript = received.transcript_;
  transcript.mix_key(message.ephemeral.bytes);
  transcript.mix_hash(message.ephemeral.bytes);

  const auto static_ephemeral = crypto::agree(local.private_key, message.ephemeral);
  if (!static_ephemeral) return std::nullopt;
  const SymmetricKey key = transcript.mix_key_and_derive(static_ephemeral->bytes());
  if (!transcript.open(key, message.sealed_static, received.initiator_.bytes)) return std::nullopt;
  return received;
}

std::optional<Tai64n> ReceivedInitiation::authenticate(const SharedSecret& static_static) noexcept {
  const SymmetricKey key = transcript_.mix_key_and_derive(static_static.bytes());
  Tai64n stamp;
  if (!transcript_.open(key, sealed_timestamp_, stamp.bytes)) return std::nullopt;
  return stamp;
}

std::optional<SessionKeys> ReceivedInitiation::respond(const PresharedKey& preshared,
                                                       ReceiverIndex sender,
                                                       const PrivateKey& ephemeral,
                                                       Response& message) noexcept {
  message.type = static_cast<std::uint32_t>(MessageType::Response);
  message.sender = sender;
  message.receiver = sender_;
  message.ephemeral = crypto::public_key_of(ephemeral);
  transcript_.mix_key(message.ephemeral.bytes);
  transcript_.mix_hash(message.ephemeral.bytes);

  const auto ephemeral_ephemeral = crypto::agree(ephemeral, initiator_ephemeral_);
  const auto ephemeral_static = crypto::agree(ephemeral, initiator_);
  if (!ephemeral_ephemeral || !ephemeral_static) return std::nullopt;
  transcript_.mix_key(ephemeral_ephemeral->bytes());
  transcript_.mix_key(ephemeral_static->bytes());

  const SymmetricKey key = transcript_.mix_preshared(preshared);
  transcript_.seal(key, {}, message.sealed_nothing);
  const auto [initiator, responder] = transcript_.split();
  return SessionKeys{.send = responder, .receive = initiator};
}

}  // namespace wg::protocol
