// A failure that somebody can act on: what was tried, on what, why it failed and the way out, in
// one line for the user.
//
//   wg0: listen-port 51820: Address already in use (EADDRINUSE); choose another port or stop the
//   program that has it
//
// The system call's error stays beside the text, since UAPI answers with its number. Whoever knows
// the user's word for the thing puts it in front with `during`. Packets never fail this way: they
// have outcomes and counters.
#pragma once

#include <fmt/format.h>

#include <cstring>
#include <expected>
#include <string>
#include <system_error>
#include <utility>

namespace wg {

class Failure {
 public:
  /// `reason` stands for itself, without a system error.
  explicit Failure(std::string reason) : text_(std::move(reason)) {}
  Failure(std::error_code code, std::string reason) : code_(code), text_(std::move(reason)) {}

  /// A system call failed with `error` (an errno): "Address already in use (EADDRINUSE)".
  [[nodiscard]] static Failure system(int error) {
    const char* const name = strerrorname_np(error);
    return {
        std::error_code(error, std::system_category()),
        fmt::format("{} ({})",
                    strerrordesc_np(error) != nullptr ? strerrordesc_np(error) : "unknown error",
                    name != nullptr ? name : "errno " + std::to_string(error))};
  }

  /// Puts what was being done in front: "<what>: <text so far>".
  template <class... Args>
  [[nodiscard]] Failure during(fmt::format_string<Args...> what, Args&&... args) const {
    return {code_, fmt::format(what, std::forward<Args>(args)...) + ": " + text_};
  }
  /// Appends the way out: "<text so far>; <hint>".
  template <class... Args>
  [[nodiscard]] Failure hint(fmt::format_string<Args...> what, Args&&... args) const {
    return {code_, text_ + "; " + fmt::format(what, std::forward<Args>(args)...)};
  }

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] std::error_code code() const noexcept { return code_; }

 private:
  std::error_code code_;
  std::string text_;
};

template <class Value = void>
using Result = std::expected<Value, Failure>;

}  // namespace wg
