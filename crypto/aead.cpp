#include "crypto/aead.hpp"

#include <cassert>

namespace wg::crypto {
namespace {

const unsigned char* raw(ByteView bytes) noexcept {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* raw(std::span<std::byte> bytes) noexcept {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

}  // namespace

void seal(const SymmetricKey& key, const Nonce& nonce, ByteView plain, ByteView additional,
          std::span<std::byte> out) noexcept {
  assert(out.size() == plain.size() + kTagBytes);
  crypto_aead_chacha20poly1305_ietf_encrypt(raw(out), nullptr, raw(plain), plain.size(),
                                            raw(additional), additional.size(), nullptr,
                                            nonce.data(), key.data());
}

bool open(const SymmetricKey& key, const Nonce& nonce, ByteView sealed, ByteView additional,
          std::span<std::byte> out) noexcept {
  assert(sealed.size() == out.size() + kTagBytes);
  return crypto_aead_chacha20poly1305_ietf_decrypt(
             raw(out), nullptr, nullptr, raw(sealed), sealed.size(), raw(additional),
             additional.size(), nonce.data(), key.data()) == 0;
}

void xseal(const SymmetricKey& key, const XNonce& nonce, ByteView plain, ByteView additional,
           std::span<std::byte> out) noexcept {
  assert(out.size() == plain.size() + kTagBytes);
  crypto_aead_xchacha20poly1305_ietf_encrypt(raw(out), nullptr, raw(plain), plain.size(),
                                             raw(additional), additional.size(), nullptr,
                                             raw(nonce), key.data());
}

bool xopen(const SymmetricKey& key, const XNonce& nonce, ByteView sealed, ByteView additional,
           std::span<std::byte> out) noexcept {
  assert(sealed.size() == out.size() + kTagBytes);
  return crypto_aead_xchacha20poly1305_ietf_decrypt(raw(out), nullptr, nullptr, raw(sealed),
                                                    sealed.size(), raw(additional),
                                                    additional.size(), raw(nonce), key.data()) == 0;
}

}  // namespace wg::crypto
