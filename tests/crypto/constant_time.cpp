// Runs a kernel with secrets that valgrind counts as undefined: it reports each branch and each
// address that depends on them. For `valgrind --error-exitcode=1 constant_time KERNEL`; with `leak`
// as a second argument, a branch on a secret is added that valgrind must find.
#include <valgrind/memcheck.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "crypto/train/kernel.hpp"

using namespace wg;

namespace {

/// Seals and opens `count` packets of `size` bytes; key and plaintext are secret, lengths and
/// ciphertext are not.
bool run(const train::Kernel& kernel, std::size_t size, std::size_t count, bool leak) {
  train::Key key{};
  std::vector<std::vector<std::byte>> packets(count,
                                              std::vector<std::byte>(size + train::kTagBytes));
  train::Group group{};
  group.key = &key;
  group.size = size;
  group.count = count;
  for (std::size_t i = 0; i < count; i++) {
    group.counters[i] = i;
    group.sources[i] = group.targets[i] = packets[i].data();
    VALGRIND_MAKE_MEM_UNDEFINED(packets[i].data(), size);
  }
  VALGRIND_MAKE_MEM_UNDEFINED(&key, sizeof key);
  if (leak && key.words[0] == 1) std::puts("a branch on the key");
  kernel.seal(group);
  for (auto& packet : packets) VALGRIND_MAKE_MEM_DEFINED(packet.data(), packet.size());
  std::uint32_t right = kernel.open(group);
  VALGRIND_MAKE_MEM_DEFINED(&right, sizeof right);  // whether a tag is right is no secret
  return right == (1u << count) - 1;
}

}  // namespace

int main(int argc, char** argv) {
  const train::Kernel* const kernel = argc > 1 ? train::usable_kernel(argv[1]) : nullptr;
  if (kernel == nullptr) {
    std::fprintf(stderr, "constant_time: no kernel of that name can run here\n");
    return 2;
  }
  const bool leak = argc > 2 && std::strcmp(argv[2], "leak") == 0;
  for (std::size_t size = 0; size < 300; size += size < 70 ? 1 : 17) {
    for (const std::size_t count : {std::size_t{1}, kernel->lanes - 1, kernel->lanes}) {
      if (!run(*kernel, size, count, leak)) return 3;
    }
  }
  std::printf("constant_time: %s: no branch and no address depends on key or plaintext\n",
              kernel->name);
}
