// What the log and the counters say of an event of a peer's conversation: one table.
#pragma once

#include <optional>
#include <string_view>

#include "device/drop_reasons.hpp"
#include "protocol/conversation.hpp"

namespace wg::device {

struct EventTold {
  /// Why a message was dropped, if that is what the event says. Most of these an unauthenticated
  /// sender can cause: the log tells of them once a second (drop_counters.hpp).
  std::optional<DropReason> drop;
  /// A line at debug level; empty: none of its own.
  std::string_view text;
};

[[nodiscard]] EventTold told(protocol::Event event) noexcept;

}  // namespace wg::device
