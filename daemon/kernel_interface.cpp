#include "daemon/kernel_interface.hpp"

#include <spdlog/logger.h>
#include <sys/stat.h>

#include <boost/asio/post.hpp>
#include <utility>

namespace wg::daemon {

namespace {

/// Whether that is this thread's network namespace.
bool is_ours(const Descriptor& network_namespace) noexcept {
  struct stat theirs{};
  struct stat ours{};
  return ::fstat(network_namespace.get(), &theirs) == 0 &&
         ::stat("/proc/thread-self/ns/net", &ours) == 0 && theirs.st_ino == ours.st_ino &&
         theirs.st_dev == ours.st_dev;
}

}  // namespace

KernelInterface::KernelInterface(boost::asio::io_context& main, std::unique_ptr<tun::KernelTun> tun,
                                 std::shared_ptr<spdlog::logger> log)
    : main_(main),
      tun_(std::move(tun)),
      log_(std::move(log)),
      alive_(std::make_shared<KernelInterface*>(this)) {
  const tun::TunFeatures& features = tun_->features();
  log_->debug("TUN {}: {} queues, vnet header {}, TSO {}, USO {}", tun_->name(),
              tun_->properties().queues, features.vnet_header, features.tso, features.uso);
  tun_->on_gone([this, alive = std::weak_ptr(alive_)] {  // on any thread
    boost::asio::post(main_, [alive] {
      if (const auto self = alive.lock()) (*self)->link_left();
    });
  });
}

KernelInterface::~KernelInterface() = default;

Result<std::unique_ptr<KernelInterface>> KernelInterface::create(
    boost::asio::io_context& main, const std::string& name,
    const std::vector<boost::asio::io_context*>& shards, std::shared_ptr<spdlog::logger> log) {
  auto tun = tun::KernelTun::create(name, shards);
  if (!tun) return std::unexpected(tun.error().during("{}", name));
  std::unique_ptr<KernelInterface> made(new KernelInterface(main, std::move(*tun), std::move(log)));
  auto link = netlink::Link::open(main, made->name());
  if (!link) return std::unexpected(link.error());
  made->link_ = std::move(*link);
  made->link_->give_no_link_local_address();
  if (auto set = made->link_->set_mtu(kMtu); !set) {
    return std::unexpected(set.error().during("{}", name));
  }
  return made;
}

Result<std::unique_ptr<KernelInterface>> KernelInterface::adopt(
    boost::asio::io_context& main, int descriptor,
    const std::vector<boost::asio::io_context*>& shards, std::shared_ptr<spdlog::logger> log) {
  auto tun = tun::KernelTun::adopt(Descriptor(descriptor), shards);
  if (!tun) return std::unexpected(tun.error().during("WG_TUN_FD={}", descriptor));
  std::unique_ptr<KernelInterface> made(new KernelInterface(main, std::move(*tun), std::move(log)));
  // Its name alone does not say which interface it is: here may be another one of that name.
  auto space = made->tun_->network_namespace();
  const bool elsewhere = space && !is_ours(*space);
  auto link = elsewhere ? netlink::Link::open_elsewhere(main, *space, made->name())
                        : netlink::Link::open(main, made->name());
  if (link) {
    made->link_ = std::move(*link);
  } else {
    made->why_unseen_ = link.error().text();
  }
  return made;
}

Result<void> KernelInterface::follow(Handlers handlers) {
  handlers_ = std::move(handlers);
  if (!link_) {
    link_left();
    return {};
  }
  link_->watch([this](netlink::LinkState changed) { link_changed(changed); },
               [this] { link_left(); });
  auto state = link_->state();
  if (!state) return std::unexpected(state.error());
  link_changed(*state);
  return {};
}

void KernelInterface::link_changed(netlink::LinkState state) {
  if (!handlers_) return;
  last_ = state;
  handlers_->mtu(state.mtu);
  if (state.up) {
    handlers_->up();
  } else {
    handlers_->down();
  }
}

/// The interface is not where it was any more: deleted, or moved to another namespace. There we go
/// on looking at it; the sockets stay where they were made.
void KernelInterface::link_left() {
  if (!handlers_) return;
  const auto name = tun_->name_now();
  if (!name) return end();
  auto space = tun_->network_namespace();
  Result<void> followed = std::unexpected(Failure(why_unseen_));
  if (!space) {
    followed = std::unexpected(space.error());
  } else if (link_) {
    followed = link_->follow(*space, *name);
  }
  if (!followed) {
    log_->error(
        "the interface is in another network namespace, and cannot be followed there ({}): "
        "it counts as up, with its last MTU ({})",
        followed.error().text(), last_.mtu);
    return link_changed({.up = true, .mtu = last_.mtu});
  }
  log_->info("the interface, {}, is in another network namespace now", *name);
  if (auto state = link_->state()) link_changed(*state);
}

void KernelInterface::end() {
  const Handlers handlers = *std::exchange(handlers_, std::nullopt);
  handlers.ended("the interface was deleted");
}

}  // namespace wg::daemon
