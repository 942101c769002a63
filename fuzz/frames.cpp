// A stream's bytes, cut anywhere: what comes out must not depend on where the reads ended.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "conn/frame.hpp"

using namespace wg::conn;

namespace {

using Bytes = std::vector<std::byte>;

struct Outcome {
  std::vector<Bytes> messages;
  FrameStatus end = FrameStatus::Incomplete;
  bool operator==(const Outcome&) const = default;
};

/// Reads `piece` bytes at a time and carries over what is no whole frame, as a shard does.
Outcome read(const Bytes& stream, std::size_t piece) {
  Outcome outcome;
  Bytes buffer;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    const std::size_t end = std::min(at + piece, stream.size());
    buffer.insert(buffer.end(), stream.begin() + static_cast<std::ptrdiff_t>(at),
                  stream.begin() + static_cast<std::ptrdiff_t>(end));
    std::size_t done = 0;
    while (true) {
      const Frame frame = first_frame(std::span(buffer).subspan(done));
      outcome.end = frame.status;
      if (frame.status != FrameStatus::Whole) break;
      if (frame.message.empty() || frame.size != frame.message.size() + kFrameHeaderBytes) {
        std::abort();
      }
      const FrameHeader header = frame_header(frame.message);
      if (!std::equal(header.begin(), header.end(),
                      buffer.begin() + static_cast<std::ptrdiff_t>(done))) {
        std::abort();
      }
      outcome.messages.emplace_back(frame.message.begin(), frame.message.end());
      done += frame.size;
    }
    buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(done));
    if (outcome.end != FrameStatus::Incomplete) return outcome;  // the connection is closed
  }
  return outcome;
}

/// The input's chunks as valid frames: a fuzzer does not find checksums by itself.
Bytes framed(const Bytes& input) {
  Bytes stream;
  for (std::size_t at = 0; at < input.size();) {
    const std::size_t size =
        std::min(1 + std::to_integer<std::size_t>(input[at]) * 3, input.size() - at);
    const auto message = std::span(input).subspan(at, size);
    const FrameHeader header = frame_header(message);
    stream.insert(stream.end(), header.begin(), header.end());
    stream.insert(stream.end(), message.begin(), message.end());
    at += size;
  }
  return stream;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const auto* const bytes = reinterpret_cast<const std::byte*>(data);
  const Bytes raw(bytes + 3, bytes + size);
  for (Bytes stream : {raw, framed(raw)}) {
    if ((data[0] & 1) != 0 && !stream.empty()) stream[data[1] % stream.size()] ^= std::byte{1};
    const Outcome whole = read(stream, stream.size() + 1);
    if (read(stream, 1) != whole || read(stream, 1 + data[2]) != whole) std::abort();
  }
  return 0;
}
