// A stream's bytes, cut anywhere: what comes out must not depend on where the reads ended.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "conn/frame.hpp"
#include "conn/partial_frame.hpp"

using namespace wg::conn;

namespace {

using Bytes = std::vector<std::byte>;

struct Outcome {
  std::vector<Bytes> messages;
  FrameStatus end = FrameStatus::Incomplete;
  bool operator==(const Outcome&) const = default;
};

/// Takes the whole frames of `bytes`; returns how many bytes they were.
std::size_t take_frames(std::span<std::byte> bytes, Outcome& outcome) {
  std::size_t done = 0;
  while (true) {
    const Frame frame = first_frame(bytes.subspan(done));
    outcome.end = frame.status;
    if (frame.status != FrameStatus::Whole) return done;
    if (frame.message.empty() || frame.size != frame.message.size() + kFrameHeaderBytes) {
      std::abort();
    }
    const FrameHeader header = frame_header(frame.message);
    if (!std::ranges::equal(header, bytes.subspan(done, kFrameHeaderBytes))) std::abort();
    outcome.messages.emplace_back(frame.message.begin(), frame.message.end());
    done += frame.size;
  }
}

/// Reads `piece` bytes at a time and keeps what is no whole frame, as a connection does.
Outcome read(const Bytes& stream, std::size_t piece) {
  Outcome outcome;
  PartialFrame partial;
  Bytes room(kFrameMax + std::min(piece, stream.size()));
  for (std::size_t at = 0; at < stream.size();) {
    PartialFrame::Rest rest{.bytes = {}, .all = true};
    if (!partial.empty()) rest = partial.rest();
    const auto come = std::span(stream).subspan(at, std::min(piece, stream.size() - at));
    const auto of_rest = come.first(std::min(come.size(), rest.bytes.size()));
    const auto behind = rest.all ? come.subspan(of_rest.size()) : come.first(0);
    at += of_rest.size() + behind.size();
    std::ranges::copy(of_rest, rest.bytes.begin());
    partial.came(of_rest.size());
    if (partial.memory() > std::max(kPartialFrameLeast, 2 * at)) std::abort();
    if (of_rest.size() < rest.bytes.size() || !rest.all) continue;
    std::ranges::copy(behind, room.begin() + kFrameMax);
    const std::size_t put = partial.move_to_end_of(std::span(room).first(kFrameMax));
    const auto bytes = std::span(room).subspan(kFrameMax - put, put + behind.size());
    const std::size_t done = take_frames(bytes, outcome);
    if (outcome.end != FrameStatus::Incomplete) return outcome;  // the connection is closed
    partial.begin(bytes.subspan(done));
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
