// Which kernels the machine can run: the CPU must have the instructions (CPUID) and the system must
// save their registers (XGETBV).
#include "crypto/train/kernel.hpp"

#if defined(WG_TRAIN_KERNELS)
#include <cpuid.h>
#endif

namespace wg::train {

#if defined(WG_TRAIN_KERNELS)

extern const Kernel kAvx512Kernel;
extern const Kernel kAvx2Kernel;

namespace {

// Intel's Software Developer's Manual, volume 1, 13.2 and 14.3; volume 2, CPUID.
constexpr unsigned kLeafFeatures = 1;
constexpr unsigned kLeafExtended = 7;
constexpr unsigned kOsxsave = 1u << 27;  // leaf 1, ECX: XGETBV may be used
constexpr unsigned kAvx2 = 1u << 5;      // leaf 7, EBX, and the next four
constexpr unsigned kAvx512F = 1u << 16;
constexpr unsigned kAvx512Ifma = 1u << 21;
constexpr unsigned kAvx512Bw = 1u << 30;
constexpr unsigned kAvx512Vl = 1u << 31;
constexpr unsigned kAvx512Vbmi2 = 1u << 6;  // leaf 7, ECX
constexpr unsigned kSavesYmm = 0x06;        // XCR0: SSE and AVX state
constexpr unsigned kSavesZmm = 0xe6;        // and opmask, upper halves, upper sixteen

[[nodiscard]] unsigned saved_registers() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(kLeafFeatures, &a, &b, &c, &d) == 0 || (c & kOsxsave) == 0) return 0;
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

struct Usable {
  std::array<const Kernel*, 2> kernels;
  std::size_t count = 0;

  Usable() noexcept {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(kLeafExtended, 0, &a, &b, &c, &d) == 0) return;
    const unsigned saved = saved_registers();
    constexpr unsigned kAvx512 = kAvx512F | kAvx512Ifma | kAvx512Bw | kAvx512Vl;
    if ((b & kAvx512) == kAvx512 && (c & kAvx512Vbmi2) != 0 && (saved & kSavesZmm) == kSavesZmm) {
      kernels[count++] = &kAvx512Kernel;
    }
    if ((b & kAvx2) != 0 && (saved & kSavesYmm) == kSavesYmm) kernels[count++] = &kAvx2Kernel;
  }
};

}  // namespace

std::span<const Kernel* const> usable_kernels() noexcept {
  static const Usable usable;
  return {usable.kernels.data(), usable.count};
}

#else

std::span<const Kernel* const> usable_kernels() noexcept {
  return {};
}

#endif

const Kernel* usable_kernel(std::string_view name) noexcept {
  for (const Kernel* kernel : usable_kernels()) {
    if (name == kernel->name) return kernel;
  }
  return nullptr;
}

}  // namespace wg::train
