#include "settings/key_text.hpp"

#include <sodium.h>

namespace wg::settings {
namespace {

constexpr std::size_t kBase64Chars = 44;
constexpr std::size_t kHexChars = 64;

}  // namespace

std::string to_base64(std::span<const std::byte, crypto::kKeyBytes> key) {
  std::string text(kBase64Chars, '\0');
  sodium_bin2base64(text.data(), kBase64Chars + 1,
                    reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  return text;
}

std::string to_hex(std::span<const std::byte, crypto::kKeyBytes> key) {
  std::string text(kHexChars, '\0');
  sodium_bin2hex(text.data(), kHexChars + 1, reinterpret_cast<const unsigned char*>(key.data()),
                 key.size());
  return text;
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
  const std::string text = to_base64(key.bytes);
  return "peer(" + text.substr(0, 4) + "…" + text.substr(39, 4) + ")";
}

}  // namespace wg::settings
