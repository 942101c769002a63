// Trains by libsodium, packet after packet: for systems without an EVP_AEAD library.
#include "crypto/aead.hpp"

namespace wg::crypto {

struct TrainKey::State {
  SymmetricKey key;
};

TrainKey::TrainKey(const SymmetricKey& key) : state_(std::make_unique<State>(State{key})) {}

TrainKey::~TrainKey() = default;

void TrainKey::seal(std::span<const SealPacket> train) const noexcept {
  for (const SealPacket& packet : train) {
    crypto::seal(state_->key, packet.counter, {packet.source, packet.size}, {},
                 {packet.target, packet.size + kTagBytes});
  }
}

void TrainKey::open(std::span<OpenPacket> train) const noexcept {
  for (OpenPacket& packet : train) {
    packet.authentic = crypto::open(state_->key, packet.counter,
                                    {packet.source, packet.size + kTagBytes}, {},
                                    {packet.target, packet.size});
  }
}

const char* train_library() noexcept {
  return "libsodium";
}

}  // namespace wg::crypto
