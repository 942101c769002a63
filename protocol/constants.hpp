// The constants of the whitepaper (sections 5.4, 6.1 and 6.5) under its names, and the few that it
// leaves open.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace wg::protocol {

using namespace std::chrono_literals;

inline constexpr std::uint64_t kRekeyAfterMessages = 1ULL << 60;
inline constexpr std::uint64_t kRejectAfterMessages =
    std::numeric_limits<std::uint64_t>::max() - (1ULL << 13);  // 2^64 − 2^13 − 1
inline constexpr std::chrono::seconds kRekeyAfterTime{120};
inline constexpr std::chrono::seconds kRejectAfterTime{180};
inline constexpr std::chrono::seconds kRekeyAttemptTime{90};
inline constexpr std::chrono::seconds kRekeyTimeout{5};
inline constexpr std::chrono::seconds kKeepaliveTimeout{10};
inline constexpr std::chrono::seconds kCookieLifetime{
    120};  // of a cookie, and of the secret that it is made with

/// When the initiator rekeys because it receives (6.2): 165 s, so that a one-way flow has time to.
inline constexpr std::chrono::seconds kRekeyAfterTimeReceiving =
    kRejectAfterTime - kKeepaliveTimeout - kRekeyTimeout;
/// When everything is wiped that no handshake has replaced (6.3).
inline constexpr std::chrono::seconds kWipeAfterTime = 3 * kRejectAfterTime;
/// Added to Rekey-Timeout at random, so that two peers that began together do not go on together
/// (6.1).
inline constexpr std::chrono::milliseconds kRekeyTimeoutJitterMax{333};
/// Initiations from one peer closer together than this are a replay flood (5.1); 50 a second, as in
/// the kernel.
inline constexpr std::chrono::milliseconds kInitiationIntervalMin{20};

/// Padding of inner packets (5.4.6).
inline constexpr std::size_t kPaddingMultiple = 16;

}  // namespace wg::protocol
