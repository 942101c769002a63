// A message as a frame of its own.
#pragma once

#include <algorithm>

#include "conn/frame.hpp"
#include "tests/bytes.hpp"

namespace wg::test {

[[nodiscard]] inline Bytes framed(const Bytes& message) {
  Bytes frame(conn::kFrameHeaderBytes + message.size());
  std::ranges::copy(conn::frame_header(message), frame.begin());
  std::ranges::copy(message, frame.begin() + conn::kFrameHeaderBytes);
  return frame;
}

}  // namespace wg::test
