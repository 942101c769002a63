// Bytes from hex, for vectors, and little-endian integers.
#pragma once

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <sodium.h>

namespace wg::test {

using Bytes = std::vector<std::byte>;

[[nodiscard]] inline Bytes from_hex(std::string_view text) {
  if (text.empty()) return {};
  Bytes bytes(text.size() / 2);
  std::size_t size = 0;
  const char* end = nullptr;
  if (sodium_hex2bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), text.data(),
                     text.size(), " \n", &size, &end) != 0 ||
      end != text.data() + text.size()) {
    throw std::invalid_argument("no hex: " + std::string(text));
  }
  bytes.resize(size);
  return bytes;
}

[[nodiscard]] inline std::string to_hex(std::span<const std::byte> bytes) {
  std::string text(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                 bytes.size());
  text.pop_back();
  return text;
}

[[nodiscard]] inline Bytes text_bytes(std::string_view text) {
  const auto* const data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

/// The little-endian integer at the beginning of `bytes`.
template <class Integer>
[[nodiscard]] Integer little(std::span<const std::byte> bytes) {
  Integer value = 0;
  for (std::size_t i = 0; i < sizeof value; i++) {
    value |= std::to_integer<Integer>(bytes[i]) << (8 * i);
  }
  return value;
}

/// The first `Size` bytes as a fixed span.
template <std::size_t Size>
[[nodiscard]] std::span<const std::byte, Size> fixed(const Bytes& bytes) {
  return std::span<const std::byte>(bytes).first<Size>();
}

}  // namespace wg::test
