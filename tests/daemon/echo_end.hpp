// The smallest inner end: a host without an interface that answers pings. It shows what a further
// inner end has to implement; echo_daemon.cpp puts it into the whole daemon.
//
// Runs on: the one shard; `follow` on the main thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstring>
#include <deque>
#include <vector>

#include "daemon/inner_end.hpp"
#include "tun/checksum.hpp"
#include "tun/inner_packet.hpp"

namespace wg::tests {

class EchoEnd final : public daemon::InnerEnd, private tun::Tun {
 public:
  EchoEnd(std::string name, boost::asio::io_context& main, boost::asio::io_context& shard)
      : name_(std::move(name)), main_(main), shard_(shard) {}

  tun::Tun& tun() noexcept override { return *this; }
  const std::string& name() const noexcept override { return name_; }
  Result<void> follow(Handlers handlers) override {
    boost::asio::post(main_, std::move(handlers.up));
    return {};
  }

 private:
  static constexpr std::size_t kWaitingMax = 256;
  static constexpr std::byte kEchoRequest{8};
  static constexpr std::size_t kIcmpBytes = 8;

  const tun::Properties& properties() const noexcept override { return properties_; }

  void async_readable(std::size_t, std::function<void()> ready) override {
    if (waiting_.empty()) {
      ready_ = std::move(ready);
    } else {
      boost::asio::post(shard_, std::move(ready));
    }
  }

  tun::ReadBatch read(std::size_t, std::span<std::byte>,
                      std::span<tun::SuperPacket> packets) noexcept override {
    read_ = std::exchange(waiting_, {});  // what is read lies here until the next read
    std::size_t count = 0;
    for (; count < std::min(read_.size(), packets.size()); ++count) {
      packets[count] = {.bytes = read_[count], .offload = {}};
    }
    waiting_.assign(std::move_iterator(read_.begin() + static_cast<std::ptrdiff_t>(count)),
                    std::move_iterator(read_.end()));
    return {.packets = count, .dry = waiting_.empty()};
  }

  tun::Written write(std::size_t, std::span<const tun::Gathered> packets) noexcept override {
    for (const tun::Gathered& packet : packets) {
      std::vector<std::byte> bytes;
      for (const iovec& piece : packet.pieces) {
        const auto* const begin = static_cast<const std::byte*>(piece.iov_base);
        bytes.insert(bytes.end(), begin, begin + piece.iov_len);
      }
      answer(std::move(bytes));
    }
    if (ready_ && !waiting_.empty()) boost::asio::post(shard_, std::exchange(ready_, nullptr));
    return {.packets = packets.size(), .error = 0};
  }

  void answer(std::vector<std::byte> bytes) {
    constexpr std::size_t kIcmp = tun::kIpv4HeaderBytes;
    if (bytes.size() < kIcmp + kIcmpBytes || bytes[0] != std::byte{0x45}) return;
    if (bytes[tun::field::kIpv4Protocol] != std::byte{IPPROTO_ICMP}) return;
    if (bytes[kIcmp] != kEchoRequest || waiting_.size() == kWaitingMax) return;
    std::swap_ranges(&bytes[tun::field::kIpv4Source], &bytes[tun::field::kIpv4Destination],
                     &bytes[tun::field::kIpv4Destination]);
    std::uint16_t words[2];  // type and code, checksum
    std::memcpy(words, &bytes[kIcmp], sizeof words);
    bytes[kIcmp] = std::byte{0};
    std::uint16_t now;
    std::memcpy(&now, &bytes[kIcmp], sizeof now);
    words[1] = tun::update_checksum(words[1], words[0], now);
    std::memcpy(&bytes[kIcmp + 2], &words[1], sizeof words[1]);
    waiting_.push_back(std::move(bytes));
  }

  const std::string name_;
  boost::asio::io_context& main_;
  boost::asio::io_context& shard_;
  const tun::Properties properties_;
  std::function<void()> ready_;
  std::deque<std::vector<std::byte>> waiting_;
  std::deque<std::vector<std::byte>> read_;
};

}  // namespace wg::tests
