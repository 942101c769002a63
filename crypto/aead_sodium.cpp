// Single packets by libsodium: for systems without an EVP_AEAD library.
#include "crypto/aead.hpp"

namespace wg::crypto {
namespace {

class SodiumKey final : public train::OneByOne {
 public:
  SodiumKey(const SymmetricKey& key, std::uint32_t nonce_prefix)
      : key_(key), nonce_prefix_(nonce_prefix) {}

  void seal(const SealPacket& packet) const noexcept override {
    crypto::seal(key_, nonce_of(packet.counter, nonce_prefix_), {packet.source, packet.size}, {},
                 {packet.target, packet.size + kTagBytes});
  }

  void open(OpenPacket& packet) const noexcept override {
    packet.authentic =
        crypto::open(key_, nonce_of(packet.counter, nonce_prefix_),
                     {packet.source, packet.size + kTagBytes}, {}, {packet.target, packet.size});
  }

 private:
  SymmetricKey key_;
  std::uint32_t nonce_prefix_;
};

}  // namespace

std::unique_ptr<const train::OneByOne> make_library_key(const SymmetricKey& key,
                                                        std::uint32_t nonce_prefix) {
  return std::make_unique<SodiumKey>(key, nonce_prefix);
}

const char* train_library() noexcept {
  return "libsodium";
}

}  // namespace wg::crypto
