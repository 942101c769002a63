// How tests print what has no words of its own, so that a check that fails shows both sides: bytes,
// and whatever is named by its bytes, in hex; times in seconds. A `Secret` stays without: it has no
// stream operator, and gets none here.
//
// Enums print themselves, by an operator beside them. Collections are compared `per_element()`:
// that shows where they differ, whereas a plain comparison of two shows neither.
#pragma once

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <concepts>
#include <cstdlib>
#include <iomanip>
#include <ostream>
#include <span>

#include "tests/bytes.hpp"

namespace wg::test {

using boost::test_tools::per_element;

template <class Value>
concept BytesInRow = std::convertible_to<const Value&, std::span<const std::byte>>;
/// A public key, a time stamp, a datagram.
template <class Value>
concept NamedByItsBytes =
    requires(const Value& value) { requires BytesInRow<decltype(value.bytes)>; };

/// In seconds, exactly: nothing is rounded that a test compares.
inline void print_seconds(std::ostream& out, std::chrono::nanoseconds time) {
  constexpr std::int64_t kOneSecond = 1'000'000'000;
  const std::int64_t count = time.count();
  const char fill = out.fill('0');
  out << (count < 0 ? "-" : "") << std::abs(count / kOneSecond) << '.' << std::setw(9)
      << std::abs(count % kOneSecond) << " s";
  out.fill(fill);
}

}  // namespace wg::test

namespace boost::test_tools::tt_detail {

template <>
struct print_log_value<std::byte> {
  void operator()(std::ostream& out, std::byte value) { out << wg::test::to_hex({&value, 1}); }
};

template <wg::test::BytesInRow Value>
struct print_log_value<Value> {
  void operator()(std::ostream& out, const Value& value) { out << wg::test::to_hex(value); }
};

template <wg::test::NamedByItsBytes Value>
struct print_log_value<Value> {
  void operator()(std::ostream& out, const Value& value) { out << wg::test::to_hex(value.bytes); }
};

template <class Number, class Period>
struct print_log_value<std::chrono::duration<Number, Period>> {
  void operator()(std::ostream& out, const std::chrono::duration<Number, Period>& time) {
    wg::test::print_seconds(out, time);
  }
};

template <class Clock, class Duration>
struct print_log_value<std::chrono::time_point<Clock, Duration>> {
  void operator()(std::ostream& out, const std::chrono::time_point<Clock, Duration>& time) {
    wg::test::print_seconds(out, time.time_since_epoch());
  }
};

}  // namespace boost::test_tools::tt_detail
