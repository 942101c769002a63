#include "crypto/x25519.hpp"

namespace wg::crypto {

PrivateKey generate_private_key() noexcept {
  PrivateKey key;
  randombytes_buf(key.data(), PrivateKey::kSize);
  clamp(key);
  return key;
}

void clamp(PrivateKey& key) noexcept {
  unsigned char* const bytes = key.data();
  bytes[0] = static_cast<unsigned char>(bytes[0] & 248);
  bytes[31] = static_cast<unsigned char>((bytes[31] & 127) | 64);
}

PublicKey public_key_of(const PrivateKey& key) noexcept {
  PublicKey out;
  crypto_scalarmult_base(out.data(), key.data());
  return out;
}

std::optional<SharedSecret> agree(const PrivateKey& local, const PublicKey& remote) noexcept {
  SharedSecret out;
  if (crypto_scalarmult(out.data(), local.data(), remote.data()) != 0) return std::nullopt;
  return out;
}

}  // namespace wg::crypto
