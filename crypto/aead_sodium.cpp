// Trains by libsodium, packet after packet: for systems without an EVP_AEAD library.
#include "crypto/aead.hpp"

namespace wg::crypto {

struct TrainKey::State {
  SymmetricKey key;
  std::uint32_t nonce_prefix;
};

TrainKey::TrainKey(const SymmetricKey& key, std::uint32_t nonce_prefix)
    : state_(std::make_unique<State>(State{.key = key, .nonce_prefix = nonce_prefix})) {}

TrainKey::~TrainKey() = default;

void TrainKey::seal(std::span<const SealPacket> train) const noexcept {
  for (const SealPacket& packet : train) {
    crypto::seal(state_->key, nonce_of(packet.counter, state_->nonce_prefix),
                 {packet.source, packet.size}, {}, {packet.target, packet.size + kTagBytes});
  }
}

void TrainKey::open(std::span<OpenPacket> train) const noexcept {
  for (OpenPacket& packet : train) {
    packet.authentic =
        crypto::open(state_->key, nonce_of(packet.counter, state_->nonce_prefix),
                     {packet.source, packet.size + kTagBytes}, {}, {packet.target, packet.size});
  }
}

const char* train_library() noexcept {
  return "libsodium";
}

}  // namespace wg::crypto
