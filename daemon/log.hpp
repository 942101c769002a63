// Where the log goes: to a file if one is named; else, in the foreground, to stderr (with
// priorities that the journal understands when systemd listens), and in the background to syslog.
// Where there is no syslog, as in a container, to /var/log/wireguard-cpp/<interface>.log, which is
// said at the start. A log that cannot be opened is an error. One whose reader stalls holds nothing
// up: lines go through a LogQueue.
#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <string>

#include "daemon/options.hpp"
#include "errors/failure.hpp"

namespace wg::daemon {

/// Starts the log's thread: to be called in the process that stays. `notice`: filled if the user
/// should be told where the log goes.
[[nodiscard]] Result<std::shared_ptr<spdlog::logger>> open_log(const Options& options,
                                                               std::string& notice);
/// Opens the log file anew, after something like logrotate has moved it away, before the next line
/// is written. Nothing to do for other logs.
void reopen_log(spdlog::logger& log);
/// What no thread has caught ends the process; from now on the log says so before.
void log_before_abort(std::shared_ptr<spdlog::logger> log);
/// The last lines go out, if their reader takes them within LogQueue::kEndWait.
void close_log(spdlog::logger& log);

}  // namespace wg::daemon
