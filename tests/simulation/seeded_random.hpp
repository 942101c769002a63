// libsodium's randomness, replaced by a stream from a seed, so that a simulation replays exactly:
// keys, indices, jitter.
#pragma once

#include <cstdint>

namespace wg::test {

/// From now on all of the process's randomness follows from `seed`.
void seed_randomness(std::uint64_t seed);

}  // namespace wg::test
