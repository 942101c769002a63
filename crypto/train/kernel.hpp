// What a kernel is, and which there are. Each is one source, built with its own flags for its own
// instructions; nothing else in the program is (tests/instruction-sets proves it), and a kernel
// runs only where the CPU has the instructions and the system saves their registers.
#pragma once

#include <string_view>

#include "crypto/train/train.hpp"

namespace wg::train {

inline constexpr std::size_t kLanesMax = 16;
/// Bytes of stack that a kernel may use; one with a larger frame does not compile.
inline constexpr std::size_t kKernelFrameMax = WG_TRAIN_FRAME_MAX;

/// Packets of one length, side by side: at most as many as the kernel has lanes.
struct Group {
  const Key* key;
  std::size_t size;   // of each, without its tag
  std::size_t count;  // of the lanes in use; the others compute something that nobody sees
  std::array<std::uint64_t, kLanesMax> counters;
  std::array<const std::byte*, kLanesMax> sources;
  std::array<std::byte*, kLanesMax> targets;
};

/// For the tests of Poly1305 alone: one message a lane, whole blocks of 16 bytes each, with the
/// one-time key of 32 bytes (RFC 8439 2.5), to a tag of 16.
struct MacGroup {
  std::size_t blocks;
  std::array<const std::byte*, kLanesMax> keys;
  std::array<const std::byte*, kLanesMax> messages;
  std::array<std::byte*, kLanesMax> tags;
};

/// The functions of one instruction set. They branch on lengths, counts and addresses, never on
/// keys, plaintext or what is computed of them.
struct Kernel {
  const char* name;
  std::size_t lanes;
  std::size_t least;  // packets: fewer never pay
  /// True if `count` packets of `size` bytes are done faster here than one by one; from
  /// measurements (docs/performance.md).
  bool (*pays)(std::size_t size, std::size_t count);
  /// Writes ciphertext and tag of each packet.
  void (*seal)(const Group& group);
  /// Writes each plaintext; bit i of the result: packet i's tag is right.
  std::uint32_t (*open)(const Group& group);
  void (*authenticate)(const MacGroup& group);
  /// Zeroes the vector registers that the others used.
  void (*wipe_registers)();
};

/// The kernels that this CPU and system can run, fastest first. Empty on other architectures.
[[nodiscard]] std::span<const Kernel* const> usable_kernels() noexcept;

/// The usable kernel of that name ("avx512", "avx2"); null if there is none.
[[nodiscard]] const Kernel* usable_kernel(std::string_view name) noexcept;

}  // namespace wg::train
