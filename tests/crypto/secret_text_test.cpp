#include "crypto/secret_text.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <type_traits>

using wg::crypto::SecretText;

BOOST_AUTO_TEST_CASE(text_is_gathered_and_cut) {
  SecretText text("private_key=");
  text.append("ab").push_back('c');
  const auto room = text.grow(3);
  std::ranges::fill(room, 'd');
  BOOST_TEST(text.view() == "private_key=abcddd");
  text.cut(11);
  BOOST_TEST(text.view() == "private_key");
  text.clear();
  BOOST_TEST(text.empty());
}

BOOST_AUTO_TEST_CASE(what_is_cut_off_is_wiped) {
  SecretText text("abcdef");
  const char* const memory = text.view().data();
  text.cut(2);
  BOOST_TEST(std::string(memory, 6) == std::string("ab\0\0\0\0", 6));
}

BOOST_AUTO_TEST_CASE(what_is_moved_leaves_nothing_in_the_object) {
  // A short std::string would: it has its characters within itself.
  SecretText text("abc");
  const SecretText moved(std::move(text));
  const std::string left(reinterpret_cast<const char*>(&text), sizeof text);
  const std::string object(reinterpret_cast<const char*>(&moved), sizeof moved);
  BOOST_TEST(left.find("abc") == std::string::npos);
  BOOST_TEST(object.find("abc") == std::string::npos);
  BOOST_TEST(moved.view() == "abc");
}

#ifndef WG_SANITIZED  // a sanitizer has an allocator of its own

namespace {

/// A block of memory, and what was in it when it was freed.
struct Watched {
  const void* memory;
  std::size_t size;
  bool freed;
  bool clean;
} watched{};

}  // namespace

void* operator new(std::size_t size) {
  void* const memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void operator delete(void* memory) noexcept {
  if (memory != nullptr && memory == watched.memory) {
    const std::string_view content(static_cast<const char*>(memory), watched.size);
    watched.freed = true;
    watched.clean = content.find_first_not_of('\0') == std::string_view::npos;
    watched.memory = nullptr;
  }
  std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
  operator delete(memory);
}

BOOST_AUTO_TEST_CASE(memory_is_wiped_before_it_is_freed) {
  static_assert(!std::is_copy_constructible_v<SecretText>);
  for (const bool grows : {false, true}) {
    auto text = std::make_unique<SecretText>(std::string(100, 'x'));
    watched = {.memory = text->view().data(), .size = 100, .freed = false, .clean = false};
    if (grows) {
      text->append(std::string(1000, 'x'));
    } else {
      text.reset();
    }
    BOOST_TEST(watched.freed);
    BOOST_TEST(watched.clean);
  }
}

#endif
