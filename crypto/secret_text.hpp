// Text that holds a key: hex and base64 of secrets, and lines and files in which they stand.
//
// It wipes itself wherever its memory is given back: when it ends, when it grows into a larger
// block, when it is cleared or cut. It has no buffer within the object, as std::string has for
// short texts: what is moved away or passed on leaves nothing behind in a coroutine's frame or on
// the stack. It cannot be copied, and like a Secret it cannot be printed.
//
// What is formatted into it (fmt::format_to through std::back_inserter) goes through a buffer on
// the stack; so only what is public is written that way, and secrets through `grow`.
#pragma once

#include <sodium.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace wg::crypto {

/// Memory that is wiped before it is freed.
template <class T>
struct WipingAllocator {
  using value_type = T;

  WipingAllocator() noexcept = default;
  template <class Other>
  explicit(false) WipingAllocator(const WipingAllocator<Other>&) noexcept {}

  [[nodiscard]] T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* memory, std::size_t count) noexcept {
    sodium_memzero(memory, count * sizeof(T));
    std::allocator<T>().deallocate(memory, count);
  }
  friend bool operator==(const WipingAllocator&, const WipingAllocator&) noexcept { return true; }
};

class SecretText {
 public:
  using value_type = char;

  SecretText() noexcept = default;
  explicit SecretText(std::string_view text) : chars_(text.begin(), text.end()) {}
  SecretText(SecretText&&) noexcept = default;
  SecretText& operator=(SecretText&&) noexcept = default;
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() = default;  // the allocator wipes

  [[nodiscard]] std::string_view view() const noexcept { return {chars_.data(), chars_.size()}; }
  [[nodiscard]] std::size_t size() const noexcept { return chars_.size(); }
  [[nodiscard]] bool empty() const noexcept { return chars_.empty(); }

  void reserve(std::size_t size) { chars_.reserve(size); }
  void push_back(char c) { chars_.push_back(c); }
  SecretText& append(std::string_view text) {
    chars_.insert(chars_.end(), text.begin(), text.end());
    return *this;
  }
  /// Room for `size` more characters, to be filled in place; good until the text changes.
  [[nodiscard]] std::span<char> grow(std::size_t size) {
    chars_.resize(chars_.size() + size);
    return std::span(chars_).last(size);
  }
  /// Keeps the first `size` characters, of which there are as many; the others are wiped.
  void cut(std::size_t size) noexcept {
    sodium_memzero(chars_.data() + size, chars_.size() - size);
    chars_.resize(size);
  }
  void clear() noexcept { cut(0); }

 private:
  std::vector<char, WipingAllocator<char>> chars_;
};

}  // namespace wg::crypto
