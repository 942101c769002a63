// What `up` does, as a list of steps. Each says what it does, as a shell command would, and what
// undoes it; the list is made before anything is changed.
//
// In wg-quick's order (of 2026): the daemon, PreUp, keys and peers, addresses, MTU and link, name
// servers, routes, PostUp. For a default route, as there: packets that do not carry the interface's
// mark look into a table of their own, which holds the route, after the main table without its
// default routes; an nftables table keeps the mark on answers, and drops what comes in from outside
// for the tunnel's own addresses.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "commands/undo.hpp"
#include "config/conf_file.hpp"
#include "errors/failure.hpp"
#include "netlink/host.hpp"

namespace wg::commands {

struct Step {
  std::string text;
  std::vector<Undo> undo;  // from the first to the last to be undone; none: it goes with the link
  std::function<Result<void>()> perform;
  std::size_t line = 0;   // of the file that asks for it; 0: none
  bool may_fail = false;  // then it is told, and `up` goes on
};

struct UpRequest {
  std::string interface;
  std::string file;  // for messages
  config::ConfFile conf;
  bool run_hooks = true;
  unsigned verbosity = 0;  // of the daemon, too
  bool foreground = false;
};

/// `request` is used by the steps, and outlives them. Endpoints have been resolved.
[[nodiscard]] Result<std::vector<Step>> plan_up(UpRequest& request, netlink::Host& host);

}  // namespace wg::commands
