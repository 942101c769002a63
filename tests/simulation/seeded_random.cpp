#include "tests/simulation/seeded_random.hpp"

#include <sodium.h>

#include <cstring>

namespace wg::test {
namespace {

struct Stream {
  unsigned char seed[randombytes_SEEDBYTES];
  std::uint64_t calls = 0;
} stream;

void fill(void* const out, const std::size_t size) {
  // Each call has a stream of its own: the seed, with the call's number in its last bytes.
  stream.calls++;
  std::memcpy(stream.seed + sizeof stream.seed - 8, &stream.calls, 8);
  randombytes_buf_deterministic(out, size, stream.seed);
}
std::uint32_t word() {
  std::uint32_t value;
  fill(&value, sizeof value);
  return value;
}
const char* name() {
  return "seeded";
}

randombytes_implementation implementation = {
    .implementation_name = name,
    .random = word,
    .stir = nullptr,
    .uniform = nullptr,
    .buf = fill,
    .close = nullptr,
};

}  // namespace

void seed_randomness(std::uint64_t seed) {
  stream = {};
  std::memcpy(stream.seed, &seed, sizeof seed);
  randombytes_set_implementation(&implementation);
}

}  // namespace wg::test
