// The kernel's TUN as an inner end: its link state and MTU by netlink, wherever it goes.
//
// It may be moved to another network namespace, and is followed there without a socket of ours in
// that namespace (netlink/link.hpp). Where that is not allowed, it counts as up, with the MTU it
// had last. That it is deleted, or its namespace is, the TUN itself tells.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/inner_end.hpp"
#include "netlink/link.hpp"
#include "tun/kernel/kernel_tun.hpp"

namespace spdlog {
class logger;
}

namespace wg::daemon {

inline constexpr unsigned kMtu = 1420;

class KernelInterface final : public InnerEnd {
 public:
  /// Makes the interface, with our MTU. `shards`: one context for each queue.
  [[nodiscard]] static Result<std::unique_ptr<KernelInterface>> create(
      boost::asio::io_context& main, const std::string& name,
      const std::vector<boost::asio::io_context*>& shards, std::shared_ptr<spdlog::logger> log);
  /// Takes over a descriptor that somebody else has attached to an interface, which may be in
  /// another namespace.
  [[nodiscard]] static Result<std::unique_ptr<KernelInterface>> adopt(
      boost::asio::io_context& main, int descriptor,
      const std::vector<boost::asio::io_context*>& shards, std::shared_ptr<spdlog::logger> log);
  ~KernelInterface() override;

  [[nodiscard]] tun::Tun& tun() noexcept override { return *tun_; }
  [[nodiscard]] const std::string& name() const noexcept override { return tun_->name(); }
  [[nodiscard]] Result<void> follow(Handlers handlers) override;

 private:
  KernelInterface(boost::asio::io_context& main, std::unique_ptr<tun::KernelTun> tun,
                  std::shared_ptr<spdlog::logger> log);

  void link_changed(netlink::LinkState state);
  void link_left();
  void end();

  boost::asio::io_context& main_;
  std::unique_ptr<tun::KernelTun> tun_;
  std::shared_ptr<spdlog::logger> log_;
  std::unique_ptr<netlink::Link> link_;  // null: it cannot be seen from here
  std::string why_unseen_;
  netlink::LinkState last_{.up = false, .mtu = kMtu};
  std::optional<Handlers> handlers_;
  std::shared_ptr<KernelInterface*> alive_;  // what is posted to main looks here first
};

}  // namespace wg::daemon
