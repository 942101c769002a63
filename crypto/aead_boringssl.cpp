// Trains by an EVP_AEAD library (BoringSSL, AWS-LC), packet after packet.
#include <openssl/aead.h>

#include <new>

#include "crypto/aead.hpp"

namespace wg::crypto {

struct TrainKey::State {
  EVP_AEAD_CTX context;
  std::uint32_t nonce_prefix;
};

TrainKey::TrainKey(const SymmetricKey& key, std::uint32_t nonce_prefix)
    : state_(std::make_unique<State>()) {
  state_->nonce_prefix = nonce_prefix;
  if (EVP_AEAD_CTX_init(&state_->context, EVP_aead_chacha20_poly1305(), key.data(), kKeyBytes,
                        kTagBytes, nullptr) != 1) {
    throw std::bad_alloc();  // with these constants, memory is all that can be missing
  }
}

TrainKey::~TrainKey() {
  EVP_AEAD_CTX_cleanup(&state_->context);
  sodium_memzero(state_.get(), sizeof(State));
}

void TrainKey::seal(std::span<const SealPacket> train) const noexcept {
  for (const SealPacket& packet : train) {
    const auto nonce = nonce_of(packet.counter, state_->nonce_prefix);
    std::size_t size = 0;
    EVP_AEAD_CTX_seal(&state_->context, reinterpret_cast<std::uint8_t*>(packet.target), &size,
                      packet.size + kTagBytes, nonce.data(), nonce.size(),
                      reinterpret_cast<const std::uint8_t*>(packet.source), packet.size, nullptr,
                      0);
  }
}

void TrainKey::open(std::span<OpenPacket> train) const noexcept {
  for (OpenPacket& packet : train) {
    const auto nonce = nonce_of(packet.counter, state_->nonce_prefix);
    std::size_t size = 0;
    packet.authentic =
        EVP_AEAD_CTX_open(&state_->context, reinterpret_cast<std::uint8_t*>(packet.target), &size,
                          packet.size, nonce.data(), nonce.size(),
                          reinterpret_cast<const std::uint8_t*>(packet.source),
                          packet.size + kTagBytes, nullptr, 0) == 1;
  }
}

const char* train_library() noexcept {
  return "BoringSSL";
}

}  // namespace wg::crypto
