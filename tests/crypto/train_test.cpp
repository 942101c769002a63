// Trains sealed side by side, every kernel forced: against libsodium byte for byte. WG_AEAD_PACKETS
// says how many random packets each kernel gets (10^5 here, 10^7 by `make verify-aead`).
#include "crypto/train/train.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <random>

#include "crypto/aead.hpp"
#include "crypto/train/kernel.hpp"
#include "tests/bytes.hpp"
#include "tests/printing.hpp"
#include "tests/vectors.hpp"

using namespace wg;
using namespace wg::test;

namespace {

constexpr std::size_t kGuard = 64;  // bytes around each packet that nobody may touch
constexpr std::byte kUntouched{0xa5};

std::size_t packets_wanted() {
  const char* const text = std::getenv("WG_AEAD_PACKETS");
  if (text != nullptr) return std::strtoull(text, nullptr, 10);
#if defined(WG_SANITIZED)
  return 10'000;
#else
  return 100'000;
#endif
}

/// A kernel that takes every group, whether it pays or not.
train::Kernel forced(const train::Kernel& kernel) {
  train::Kernel always = kernel;
  always.least = 1;
  always.pays = [](std::size_t, std::size_t) { return true; };
  return always;
}

/// The library of a train that must not need one, and says so.
class NoLibrary final : public train::OneByOne {
 public:
  void seal(const train::SealPacket&) const noexcept override { std::abort(); }
  void open(train::OpenPacket&) const noexcept override { std::abort(); }
};

/// A train in one buffer, each packet at an alignment of its own, with guards between them.
struct Layout {
  std::vector<std::size_t> offsets;
  Bytes bytes;

  Layout(const std::vector<std::size_t>& sizes, std::mt19937_64& random) {
    std::size_t at = kGuard;
    for (const std::size_t size : sizes) {
      at += random() % 64;
      offsets.push_back(at);
      at += size + train::kTagBytes + kGuard;
    }
    bytes.assign(at, kUntouched);
  }
};

/// Seals with `kernel` and compares with libsodium, guards included; then opens, one packet forged.
class Comparison {
 public:
  Comparison(const train::Kernel& kernel, std::mt19937_64& random)
      : kernel_(kernel), random_(random) {}

  void run(const std::vector<std::size_t>& sizes, bool in_place) {
    crypto::SymmetricKey key;
    for (auto& byte : key.bytes()) byte = std::byte(random_());
    const train::Key train_key = train::make_key(key.bytes());
    Layout plain(sizes, random_), sealed(sizes, random_), opened(sizes, random_);
    fill(plain, sizes);
    const Bytes original = plain.bytes;
    Layout& target = in_place ? plain : sealed;
    std::vector<train::SealPacket> seal;
    const std::uint64_t first = random_();
    for (std::size_t i = 0; i < sizes.size(); i++) {
      seal.push_back({.counter = first + i * (random_() % 3),
                      .source = plain.bytes.data() + plain.offsets[i],
                      .target = target.bytes.data() + target.offsets[i],
                      .size = sizes[i]});
    }
    Bytes expected = in_place ? original : sealed.bytes;
    for (std::size_t i = 0; i < sizes.size(); i++) {
      crypto::seal(key, crypto::nonce_of(seal[i].counter),
                   {original.data() + plain.offsets[i], sizes[i]}, {},
                   {expected.data() + target.offsets[i], sizes[i] + train::kTagBytes});
    }
    train::seal_train(&kernel_, train_key, seal, library_);
    BOOST_REQUIRE_MESSAGE(target.bytes == expected, kernel_.name << ": sealed differs");
    open(train_key, sizes, seal, target, in_place ? target : opened, original, plain.offsets);
  }

 private:
  void fill(Layout& plain, const std::vector<std::size_t>& sizes) {
    const auto kind = random_() % 8;  // all zeros, all ones, random
    for (std::size_t i = 0; i < sizes.size(); i++) {
      std::byte* const at = plain.bytes.data() + plain.offsets[i];
      std::generate_n(at, sizes[i], [&] {
        return kind == 0 ? std::byte{0} : kind == 1 ? std::byte{0xff} : std::byte(random_());
      });
    }
  }

  void open(const train::Key& key, const std::vector<std::size_t>& sizes,
            const std::vector<train::SealPacket>& sealed, Layout& from, Layout& to,
            const Bytes& original, const std::vector<std::size_t>& original_offsets) {
    const std::size_t forged = random_() % sizes.size();
    const std::size_t bit = random_() % (8 * (sizes[forged] + train::kTagBytes));
    from.bytes[from.offsets[forged] + bit / 8] ^= std::byte{1} << (bit % 8);
    Bytes expected = to.bytes;
    if (&from == &to) expected = from.bytes;
    std::vector<train::OpenPacket> open;
    for (std::size_t i = 0; i < sizes.size(); i++) {
      open.push_back({.counter = sealed[i].counter,
                      .source = from.bytes.data() + from.offsets[i],
                      .target = to.bytes.data() + to.offsets[i],
                      .size = sizes[i]});
      if (i == forged) {
        std::fill_n(expected.begin() + static_cast<std::ptrdiff_t>(to.offsets[i]), sizes[i],
                    std::byte{0});
      } else {
        std::copy_n(original.begin() + static_cast<std::ptrdiff_t>(original_offsets[i]), sizes[i],
                    expected.begin() + static_cast<std::ptrdiff_t>(to.offsets[i]));
      }
    }
    train::open_train(&kernel_, key, open, library_);
    for (std::size_t i = 0; i < sizes.size(); i++) {
      BOOST_REQUIRE_MESSAGE(open[i].authentic == (i != forged), kernel_.name << ": packet " << i);
    }
    BOOST_REQUIRE_MESSAGE(to.bytes == expected, kernel_.name << ": opened differs");
  }

  const train::Kernel& kernel_;
  std::mt19937_64& random_;
  NoLibrary library_;
};

std::uint64_t seed() {
  const char* const text = std::getenv("WG_SEED");
  const std::uint64_t value =
      text != nullptr ? std::strtoull(text, nullptr, 10) : std::random_device{}();
  BOOST_TEST_MESSAGE("WG_SEED=" << value);
  return value;
}

/// Calls `check` with each kernel of this machine, forced.
template <class Check>
void with_each_kernel(Check&& check) {
  for (const train::Kernel* usable : train::usable_kernels()) {
    BOOST_TEST_MESSAGE("kernel " << usable->name);
    check(forced(*usable));
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_length_and_group_size_is_sealed_and_opened_as_libsodium_does) {
  with_each_kernel([](const train::Kernel& kernel) {
    const std::uint64_t value = seed();
    std::mt19937_64 random(value);
    BOOST_TEST_CONTEXT("WG_SEED=" << value) {
      Comparison comparison(kernel, random);
      const std::size_t wanted = packets_wanted();
      std::size_t length = 0;
      for (std::size_t done = 0; done < wanted;) {
        const std::size_t count = 1 + random() % 64;
        length = length % 2048 + 1;  // each in turn, many times over
        comparison.run(std::vector<std::size_t>(count, length), random() % 2 == 0);
        done += count;
      }
    }
  });
}

BOOST_AUTO_TEST_CASE(trains_of_mixed_lengths_are_sealed_and_opened_as_libsodium_does) {
  with_each_kernel([](const train::Kernel& kernel) {
    std::mt19937_64 random(seed());
    Comparison comparison(kernel, random);
    for (std::size_t done = 0; done < packets_wanted() / 20;) {
      std::vector<std::size_t> sizes(1 + random() % 200);
      const std::size_t kinds = 1 + random() % 20;  // more than there are buckets
      for (auto& size : sizes) size = (random() % kinds) * (random() % 3 == 0 ? 64 : 61);
      comparison.run(sizes, random() % 2 == 0);
      done += sizes.size();
    }
  });
}

BOOST_AUTO_TEST_CASE(the_longest_packets_are_sealed_and_opened_as_libsodium_does) {
  with_each_kernel([](const train::Kernel& kernel) {
    std::mt19937_64 random(seed());
    Comparison comparison(kernel, random);
    for (const std::size_t size : {8'900u, 16'384u, 65'519u, 65'535u}) {
      comparison.run(std::vector<std::size_t>(1 + random() % 20, size), true);
      comparison.run(std::vector<std::size_t>(kernel.lanes, size - random() % 64), false);
    }
  });
}

BOOST_AUTO_TEST_CASE(published_cases_pass_in_every_lane) {
  with_each_kernel([](const train::Kernel& kernel) {
    const NoLibrary library;
    std::size_t taken = 0;
    for (const Row& row : read_vectors("chacha20_poly1305.txt")) {
      if (!row[4].empty()) continue;  // additional data: none in a train
      taken++;
      const Bytes nonce = from_hex(row[3]);
      const auto prefix = little<std::uint32_t>(nonce);
      const auto counter = little<std::uint64_t>(std::span(nonce).subspan(4));
      const train::Key key = train::make_key(fixed<32>(from_hex(row[2])), prefix);
      const Bytes plain = from_hex(row[5]);
      Bytes sealed = from_hex(row[6]);
      const Bytes tag = from_hex(row[7]);
      sealed.insert(sealed.end(), tag.begin(), tag.end());
      for (std::size_t lane = 0; lane < kernel.lanes; lane++) {
        // The case in one lane, and other packets of its length in the others.
        std::vector<Bytes> packets(kernel.lanes, Bytes(sealed.size(), std::byte{0x5a}));
        packets[lane] = sealed;
        std::vector<train::OpenPacket> train;
        for (std::size_t i = 0; i < packets.size(); i++) {
          train.push_back({.counter = i == lane ? counter : counter + 1 + i,
                           .source = packets[i].data(),
                           .target = packets[i].data(),
                           .size = plain.size()});
        }
        train::open_train(&kernel, key, train, library);
        BOOST_TEST(train[lane].authentic == (row[1] == "valid"), "case " << row[0]);
        if (row[1] == "valid") {
          BOOST_TEST(std::equal(plain.begin(), plain.end(), packets[lane].begin()));
        }
      }
    }
    BOOST_TEST(taken > 20);
  });
}

BOOST_AUTO_TEST_CASE(a_nonce_prefix_counts) {
  with_each_kernel([](const train::Kernel& kernel) {
    const NoLibrary library;
    crypto::SymmetricKey key;
    Bytes packet(100), expected(116), plain(100);
    packet.resize(116);
    const train::SealPacket train{
        .counter = 5, .source = plain.data(), .target = packet.data(), .size = 100};
    const std::vector<train::SealPacket> two(2, train);
    train::seal_train(&kernel, train::make_key(key.bytes(), 0x01020304), two, library);
    crypto::seal(key, crypto::nonce_of(5, 0x01020304), plain, {}, expected);
    BOOST_TEST(packet == expected, per_element());
  });
}

BOOST_AUTO_TEST_CASE(what_no_kernel_pays_for_goes_to_the_library) {
  struct Counting final : train::OneByOne {
    mutable std::size_t sealed = 0, opened = 0;
    void seal(const train::SealPacket&) const noexcept override { sealed++; }
    void open(train::OpenPacket& packet) const noexcept override {
      opened++;
      packet.authentic = true;
    }
  } library;
  train::Kernel kernel{
      .name = "none of them",
      .lanes = 4,
      .least = 2,
      .pays = [](std::size_t size, std::size_t count) { return size == 8 && count >= 3; },
      .seal = [](const train::Group& group) { group.targets[0][0] = std::byte(group.count); },
      .open = [](const train::Group&) { return 0b1011u; },
      .authenticate = nullptr,
      .wipe_registers = [] {}};
  std::array<std::array<std::byte, 24>, 9> room{};
  std::vector<train::SealPacket> seal;
  std::vector<train::OpenPacket> open;
  for (std::size_t i = 0; i < room.size(); i++) {  // eight of 8 bytes, one of 4 amid them
    const std::size_t size = i == 2 ? 4 : 8;
    seal.push_back(
        {.counter = i, .source = room[i].data(), .target = room[i].data(), .size = size});
    open.push_back(
        {.counter = i, .source = room[i].data(), .target = room[i].data(), .size = size});
  }
  const train::Key key{};
  train::seal_train(&kernel, key, seal, library);
  BOOST_TEST(library.sealed == 1u);
  BOOST_TEST(room[0][0] == std::byte{4});
  BOOST_TEST(room[5][0] == std::byte{4});
  for (auto& packet : room) packet.fill(std::byte{0x77});
  train::open_train(&kernel, key, open, library);
  BOOST_TEST(library.opened == 1u);
  const bool expected[] = {true, true, true, false, true, true, true, false, true};
  for (std::size_t i = 0; i < room.size(); i++) BOOST_TEST(open[i].authentic == expected[i], i);
  BOOST_TEST(room[3][7] == std::byte{0});
  BOOST_TEST(room[3][8] == std::byte{0x77});
  // Two only: the library's.
  train::seal_train(&kernel, key, std::span(seal).first(2), library);
  BOOST_TEST(library.sealed == 3u);
  // No kernel at all.
  train::seal_train(nullptr, key, seal, library);
  BOOST_TEST(library.sealed == 12u);
}

#if !defined(WG_SANITIZED)
namespace {

constexpr std::size_t kSearched = 16 * 1024;

/// How often a key's word stands twice beside each other, as in a broadcast, in the stack below.
[[gnu::noinline]] std::size_t key_words_below(const train::Key& key) {
  volatile unsigned char here = 0;
  const auto top = reinterpret_cast<std::uintptr_t>(&here) & ~std::uintptr_t{7};
  std::size_t found = 0;
  for (std::uintptr_t at = top - kSearched; at < top; at += sizeof(std::uint64_t)) {
    const auto value = *reinterpret_cast<const volatile std::uint64_t*>(at);
    for (const std::uint64_t word : key.words) found += value == (word << 32 | word);
  }
  return found;
}

[[gnu::noinline]] void clear_below() {
  volatile unsigned char area[kSearched];
  for (auto& byte : area) byte = 0;
}

}  // namespace

BOOST_AUTO_TEST_CASE(no_key_is_left_on_the_stack) {
  with_each_kernel([](const train::Kernel& kernel) {
    constexpr std::size_t kSize = 1000;
    std::mt19937_64 random(7);
    train::Key key{};
    for (auto& word : key.words) word = static_cast<std::uint32_t>(random());
    std::vector<Bytes> packets(kernel.lanes, Bytes(kSize + train::kTagBytes));
    train::Group group{};
    group.key = &key;
    group.size = kSize;
    group.count = kernel.lanes;
    std::vector<train::SealPacket> train;
    for (std::size_t i = 0; i < kernel.lanes; i++) {
      group.counters[i] = i;
      group.sources[i] = group.targets[i] = packets[i].data();
      train.push_back(
          {.counter = i, .source = packets[i].data(), .target = packets[i].data(), .size = kSize});
    }
    clear_below();
    kernel.seal(group);
    BOOST_TEST(key_words_below(key) > 0u, "the search finds what a kernel leaves");
    clear_below();
    train::seal_train(&kernel, key, train, NoLibrary());
    BOOST_TEST(key_words_below(key) == 0u);
  });
}
#endif

BOOST_AUTO_TEST_CASE(a_kernel_is_chosen_by_name) {
  const std::string fastest = crypto::train_kernel();
  BOOST_TEST(crypto::choose_train_kernel("quick") == crypto::KernelChoice::Unknown);
  BOOST_TEST(crypto::train_kernel() == fastest);
  for (const char* name : {"avx512", "avx2"}) {
    const bool usable = train::usable_kernel(name) != nullptr;
    BOOST_TEST(crypto::choose_train_kernel(name) ==
               (usable ? crypto::KernelChoice::Taken : crypto::KernelChoice::NotUsableHere));
    if (usable) BOOST_TEST(crypto::train_kernel() == std::string(name));
  }
  BOOST_TEST(crypto::choose_train_kernel("library") == crypto::KernelChoice::Taken);
  BOOST_TEST(crypto::train_kernel() == std::string("library"));
  BOOST_TEST(crypto::choose_train_kernel("auto") == crypto::KernelChoice::Taken);
  BOOST_TEST(crypto::train_kernel() == fastest);
}
