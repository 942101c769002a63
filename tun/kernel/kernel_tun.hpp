// The kernel's TUN (`/dev/net/tun`).
//
// With IFF_VNET_HDR each packet comes with a header that says how it is to be cut and which
// checksum is open; so packets of up to 64 KiB pass in one system call (TSO, USO). With
// IFF_MULTI_QUEUE each shard has a queue of its own. What the kernel or an inherited descriptor
// lacks is done without.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "errors/descriptor.hpp"
#include "errors/failure.hpp"
#include "tun/tun.hpp"

namespace wg::tun {

/// What the kernel grants.
struct TunFeatures {
  bool vnet_header = false;
  bool checksum = false;
  bool tso = false;
  bool uso = false;
  bool multi_queue = false;
};

class KernelTun final : public Tun {
 public:
  /// Makes the interface. `name` may hold `%d`, which the kernel replaces by a number. One context
  /// for each shard.
  [[nodiscard]] static Result<std::unique_ptr<KernelTun>> create(
      const std::string& name, const std::vector<boost::asio::io_context*>& shards);
  /// Takes over a descriptor that somebody else has opened and attached to an interface.
  [[nodiscard]] static Result<std::unique_ptr<KernelTun>> adopt(
      Descriptor fd, const std::vector<boost::asio::io_context*>& shards);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const TunFeatures& features() const noexcept { return features_; }

  [[nodiscard]] const Properties& properties() const noexcept override { return properties_; }
  void async_readable(std::size_t queue, std::function<void()> ready) override;
  [[nodiscard]] ReadBatch read(std::size_t queue, std::span<std::byte> room,
                               std::span<SuperPacket> packets) noexcept override;
  [[nodiscard]] Written write(std::size_t queue,
                              std::span<const Gathered> packets) noexcept override;

  /// `gone` is called once, on any thread, when a queue finds that the interface does not exist any
  /// more. To be set before anything is read.
  void on_gone(std::function<void()> gone) { gone_ = std::move(gone); }
  /// Whether the interface still exists, and its name now: it may have been renamed, or moved to
  /// another namespace.
  [[nodiscard]] std::optional<std::string> name_now() const;
  /// The network namespace that the interface is in now; may fail on old kernels or without
  /// CAP_NET_ADMIN.
  [[nodiscard]] Result<Descriptor> network_namespace() const;

 private:
  KernelTun(std::string name, TunFeatures features) noexcept
      : name_(std::move(name)), features_(features) {
    properties_.any_thread_writes = true;
  }

  void add_queue(Descriptor fd, boost::asio::io_context& context);
  void probe_offloads() noexcept;
  [[nodiscard]] std::optional<SuperPacket> read_one(int fd, std::span<std::byte> room) noexcept;
  void note_failed_read() noexcept;
  [[nodiscard]] int write_one(int fd, const Gathered& packet) const noexcept;

  struct Queue {
    std::shared_ptr<boost::asio::posix::stream_descriptor> descriptor;
    bool waiting = false;
  };

  std::string name_;
  TunFeatures features_;
  Properties properties_;
  std::function<void()> gone_;
  std::atomic<bool> gone_told_{false};
  std::vector<Queue> queues_;
};

}  // namespace wg::tun
