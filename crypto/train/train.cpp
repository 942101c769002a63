#include "crypto/train/train.hpp"

#include <algorithm>
#include <cstring>

#include "crypto/train/kernel.hpp"

namespace wg::train {
namespace {

/// Packets of one length that wait until their lanes are full or the train ends.
struct Bucket {
  Group group;
  std::array<std::uint32_t, kLanesMax> packets;  // their places in the train
};

// Lengths that are gathered at once. More of them in turn, and the fullest bucket is done early.
constexpr std::size_t kBuckets = 8;

/// The bucket for packets of `size` bytes, or a free one; null if there is neither.
[[nodiscard]] Bucket* bucket_for(std::span<Bucket> buckets, std::size_t size) noexcept {
  Bucket* free = nullptr;
  for (Bucket& bucket : buckets) {
    if (bucket.group.count > 0 && bucket.group.size == size) return &bucket;
    if (bucket.group.count == 0 && free == nullptr) free = &bucket;
  }
  return free;
}

/// Overwrites the stack where a kernel's frame was. To be called from where the kernel was called.
template <std::size_t kBytes>
[[gnu::noinline]] void wipe_stack() noexcept {
  unsigned char area[kBytes];
  std::memset(area, 0, sizeof area);
  asm volatile("" : : "r"(area) : "memory");  // the zeros are wanted
}

/// Sorts the train into buckets of one length and hands each to `side_by_side` if the kernel pays
/// for it, else packet by packet to `one_by_one`.
template <class Packet, class SideBySide, class OneByOneCall>
void for_each_group(const Kernel& kernel, const Key& key, std::span<Packet> train,
                    SideBySide&& side_by_side, OneByOneCall&& one_by_one) noexcept {
  std::array<Bucket, kBuckets> buckets;
  for (Bucket& bucket : buckets) bucket.group.count = 0;
  bool wide = false;
  const auto finish = [&](Bucket& bucket) {
    if (kernel.pays(bucket.group.size, bucket.group.count)) {
      side_by_side(bucket);
      wide = true;
    } else {
      for (std::size_t i = 0; i < bucket.group.count; i++) one_by_one(train[bucket.packets[i]]);
    }
    bucket.group.count = 0;
  };
  Bucket* bucket = buckets.data();  // mostly the one of the packet before
  for (std::size_t i = 0; i < train.size(); i++) {
    const Packet& packet = train[i];
    if (bucket->group.count == 0 || bucket->group.size != packet.size) {
      bucket = bucket_for(buckets, packet.size);
      if (bucket == nullptr) {
        bucket =
            &*std::ranges::max_element(buckets, {}, [](const Bucket& b) { return b.group.count; });
        finish(*bucket);
      }
    }
    Group& group = bucket->group;
    group.key = &key;
    group.size = packet.size;
    group.counters[group.count] = packet.counter;
    group.sources[group.count] = packet.source;
    group.targets[group.count] = packet.target;
    bucket->packets[group.count] = static_cast<std::uint32_t>(i);
    if (++group.count == kernel.lanes) finish(*bucket);
  }
  for (Bucket& rest : buckets) {
    if (rest.group.count > 0) finish(rest);
  }
  if (wide) {
    wipe_stack<kKernelFrameMax + 1024>();  // and the calls around it
    kernel.wipe_registers();
  }
}

}  // namespace

Key make_key(std::span<const std::byte, kKeyBytes> bytes, std::uint32_t nonce_prefix) noexcept {
  Key key{.words = {}, .nonce_prefix = nonce_prefix};
  for (std::size_t i = 0; i < bytes.size(); i++) {
    key.words[i / 4] |= std::to_integer<std::uint32_t>(bytes[i]) << (8 * (i % 4));
  }
  return key;
}

void seal_train(const Kernel* kernel, const Key& key, std::span<const SealPacket> train,
                const OneByOne& library) noexcept {
  if (kernel == nullptr || train.size() < kernel->least) {
    for (const SealPacket& packet : train) library.seal(packet);
    return;
  }
  for_each_group(
      *kernel, key, train, [&](const Bucket& bucket) { kernel->seal(bucket.group); },
      [&](const SealPacket& packet) { library.seal(packet); });
}

void open_train(const Kernel* kernel, const Key& key, std::span<OpenPacket> train,
                const OneByOne& library) noexcept {
  if (kernel == nullptr || train.size() < kernel->least) {
    for (OpenPacket& packet : train) library.open(packet);
    return;
  }
  for_each_group(
      *kernel, key, train,
      [&](const Bucket& bucket) {
        const std::uint32_t right = kernel->open(bucket.group);
        for (std::size_t i = 0; i < bucket.group.count; i++) {
          OpenPacket& packet = train[bucket.packets[i]];
          packet.authentic = ((right >> i) & 1) != 0;
          if (!packet.authentic) std::memset(packet.target, 0, packet.size);
        }
      },
      [&](OpenPacket& packet) { library.open(packet); });
}

}  // namespace wg::train
