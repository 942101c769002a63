// A key for trains, and the choice of what seals them.
#include <ostream>

#include "crypto/aead.hpp"
#include "crypto/train/kernel.hpp"

namespace wg::crypto {
namespace {

const train::Kernel* fastest_kernel() noexcept {
  const auto kernels = train::usable_kernels();
  return kernels.empty() ? nullptr : kernels.front();
}

/// One for the process, as its CPU is: keys are made in places that know nothing of options.
const train::Kernel*& chosen_kernel() noexcept {
  static const train::Kernel* chosen = fastest_kernel();
  return chosen;
}

}  // namespace

TrainKey::TrainKey(const SymmetricKey& key, std::uint32_t nonce_prefix)
    : kernel_(chosen_kernel()),
      key_(train::make_key(key.bytes(), nonce_prefix)),
      library_(make_library_key(key, nonce_prefix)) {}

TrainKey::~TrainKey() {
  sodium_memzero(&key_, sizeof key_);
}

std::ostream& operator<<(std::ostream& out, KernelChoice choice) {
  switch (choice) {
    case KernelChoice::Taken:
      return out << "taken";
    case KernelChoice::NotUsableHere:
      return out << "not usable here";
    case KernelChoice::Unknown:
      return out << "unknown";
  }
  return out;
}

KernelChoice choose_train_kernel(std::string_view name) noexcept {
  if (name == "library") {
    chosen_kernel() = nullptr;
  } else if (name == "auto") {
    chosen_kernel() = fastest_kernel();
  } else if (const train::Kernel* kernel = train::usable_kernel(name)) {
    chosen_kernel() = kernel;
  } else {
    return name == "avx512" || name == "avx2" ? KernelChoice::NotUsableHere : KernelChoice::Unknown;
  }
  return KernelChoice::Taken;
}

const char* train_kernel() noexcept {
  return chosen_kernel() == nullptr ? "library" : chosen_kernel()->name;
}

}  // namespace wg::crypto
