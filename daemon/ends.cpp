#include "daemon/ends.hpp"

#include "daemon/kernel_interface.hpp"

namespace wg::daemon {
namespace {

template <class Made>
Result<std::unique_ptr<InnerEnd>> as_inner_end(Result<std::unique_ptr<Made>> made) {
  if (!made) return std::unexpected(made.error());
  return std::unique_ptr<InnerEnd>(std::move(*made));
}

Result<std::unique_ptr<InnerEnd>> make_inner(const Options& options, boost::asio::io_context& main,
                                             const std::vector<boost::asio::io_context*>& shards,
                                             const std::shared_ptr<spdlog::logger>& log) {
  if (options.tun_fd) {
    return as_inner_end(KernelInterface::adopt(main, *options.tun_fd, shards, log));
  }
  return as_inner_end(KernelInterface::create(main, options.interface, shards, log));
}

}  // namespace

Result<Ends> make_ends(const Options& options, boost::asio::io_context& main,
                       const std::vector<boost::asio::io_context*>& shards,
                       const std::shared_ptr<spdlog::logger>& log) {
  auto outer = conn::make_bind(options.network, shards, log);
  if (!outer) return std::unexpected(outer.error());
  auto inner = make_inner(options, main, shards, log);
  if (!inner) return std::unexpected(inner.error());
  return Ends{.inner = std::move(*inner),
              .outer = std::move(*outer),
              .inner_kind = "kernel TUN",
              .outer_kind = std::string(conn::name_of(options.network))};
}

}  // namespace wg::daemon
