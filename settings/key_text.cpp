#include "settings/key_text.hpp"

#include <sodium.h>

namespace wg::settings {
namespace {

const unsigned char* raw(std::span<const std::byte, crypto::kKeyBytes> key) noexcept {
  return reinterpret_cast<const unsigned char*>(key.data());
}

/// libsodium ends what it writes with a NUL, for which there must be room.
void write_base64(char* text, std::span<const std::byte, crypto::kKeyBytes> key) noexcept {
  sodium_bin2base64(text, kBase64Chars + 1, raw(key), key.size(), sodium_base64_VARIANT_ORIGINAL);
}

void write_hex(char* text, std::span<const std::byte, crypto::kKeyBytes> key) noexcept {
  sodium_bin2hex(text, kHexChars + 1, raw(key), key.size());
}

}  // namespace

std::string to_base64(const crypto::PublicKey& key) {
  std::string text(kBase64Chars, '\0');
  write_base64(text.data(), key.bytes);
  return text;
}

std::string to_hex(const crypto::PublicKey& key) {
  std::string text(kHexChars, '\0');
  write_hex(text.data(), key.bytes);
  return text;
}

void append_base64(crypto::SecretText& text, std::span<const std::byte, crypto::kKeyBytes> key) {
  write_base64(text.grow(kBase64Chars + 1).data(), key);
  text.cut(text.size() - 1);
}

void append_hex(crypto::SecretText& text, std::span<const std::byte, crypto::kKeyBytes> key) {
  write_hex(text.grow(kHexChars + 1).data(), key);
  text.cut(text.size() - 1);
}

bool from_hex(std::string_view text, std::span<std::byte, crypto::kKeyBytes> out) noexcept {
  if (text.size() != kHexChars) return false;
  std::size_t size = 0;
  const char* end = nullptr;
  return sodium_hex2bin(reinterpret_cast<unsigned char*>(out.data()), out.size(), text.data(),
                        text.size(), nullptr, &size, &end) == 0 &&
         size == out.size() && end == text.data() + text.size();
}

bool from_base64(std::string_view text, std::span<std::byte, crypto::kKeyBytes> out) noexcept {
  if (text.size() != kBase64Chars) return false;
  std::size_t size = 0;
  const char* end = nullptr;
  return sodium_base642bin(reinterpret_cast<unsigned char*>(out.data()), out.size(), text.data(),
                           text.size(), nullptr, &size, &end,
                           sodium_base64_VARIANT_ORIGINAL) == 0 &&
         size == out.size() && end == text.data() + text.size();
}

std::string peer_name(const crypto::PublicKey& key) {
  const std::string text = to_base64(key);
  return "peer(" + text.substr(0, 4) + "…" + text.substr(39, 4) + ")";
}

}  // namespace wg::settings
