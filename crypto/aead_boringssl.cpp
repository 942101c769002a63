// Single packets by an EVP_AEAD library (BoringSSL, AWS-LC).
#include <openssl/aead.h>

#include <new>

#include "crypto/aead.hpp"

namespace wg::crypto {
namespace {

class BoringSslKey final : public train::OneByOne {
 public:
  BoringSslKey(const SymmetricKey& key, std::uint32_t nonce_prefix) : nonce_prefix_(nonce_prefix) {
    if (EVP_AEAD_CTX_init(&context_, EVP_aead_chacha20_poly1305(), key.data(), kKeyBytes, kTagBytes,
                          nullptr) != 1) {
      throw std::bad_alloc();  // with these constants, memory is all that can be missing
    }
  }
  BoringSslKey(const BoringSslKey&) = delete;
  BoringSslKey& operator=(const BoringSslKey&) = delete;
  ~BoringSslKey() override {
    EVP_AEAD_CTX_cleanup(&context_);
    sodium_memzero(&context_, sizeof context_);
  }

  void seal(const SealPacket& packet) const noexcept override {
    const auto nonce = nonce_of(packet.counter, nonce_prefix_);
    std::size_t size = 0;
    EVP_AEAD_CTX_seal(&context_, reinterpret_cast<std::uint8_t*>(packet.target), &size,
                      packet.size + kTagBytes, nonce.data(), nonce.size(),
                      reinterpret_cast<const std::uint8_t*>(packet.source), packet.size, nullptr,
                      0);
  }

  void open(OpenPacket& packet) const noexcept override {
    const auto nonce = nonce_of(packet.counter, nonce_prefix_);
    std::size_t size = 0;
    packet.authentic = EVP_AEAD_CTX_open(&context_, reinterpret_cast<std::uint8_t*>(packet.target),
                                         &size, packet.size, nonce.data(), nonce.size(),
                                         reinterpret_cast<const std::uint8_t*>(packet.source),
                                         packet.size + kTagBytes, nullptr, 0) == 1;
  }

 private:
  EVP_AEAD_CTX context_;
  std::uint32_t nonce_prefix_;
};

}  // namespace

std::unique_ptr<const train::OneByOne> make_library_key(const SymmetricKey& key,
                                                        std::uint32_t nonce_prefix) {
  return std::make_unique<BoringSslKey>(key, nonce_prefix);
}

const char* train_library() noexcept {
  return "BoringSSL";
}

}  // namespace wg::crypto
