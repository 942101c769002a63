// Which inner end meets which outer end: chosen here, and only here, by the options. Everything
// that takes rights to make is made here.
#pragma once

#include <spdlog/logger.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "conn/bind.hpp"
#include "daemon/inner_end.hpp"
#include "daemon/options.hpp"

namespace wg::daemon {

struct Ends {
  std::unique_ptr<InnerEnd> inner;
  std::unique_ptr<conn::Bind> outer;
  std::string inner_kind = {};  // for a status
  std::string outer_kind = {};
};

/// `shards`: one context for each; they and `main` outlive the ends.
[[nodiscard]] Result<Ends> make_ends(const Options& options, boost::asio::io_context& main,
                                     const std::vector<boost::asio::io_context*>& shards,
                                     const std::shared_ptr<spdlog::logger>& log);

}  // namespace wg::daemon
