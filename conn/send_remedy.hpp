// What is done about an error of a UDP socket's send, whichever way the datagrams went.
//
//   error                        | of a train   | of one datagram
//   EINTR                        | again        | again
//   EIO       (cannot cut)       | apart        | given up
//   EMSGSIZE                     | apart        | given up
//   EINVAL                       | apart        | as the next
//   no such source, no way       | without the source that is cached, or given up if there is none
//   anything else                | given up     | given up
//
// EINVAL is said of a train whose datagrams exceed the route's MTU (before Linux 6.14) as well as
// of a source that is not ours any more; only of a single datagram does it mean the source.
#pragma once

#include <cerrno>
#include <cstdint>

namespace wg::conn {

enum class Remedy : std::uint8_t { TryAgain, SendApart, ForgetSource, GiveUp };

/// `many`: the train has more than one datagram. `has_source`: it was sent from a cached source.
[[nodiscard]] constexpr Remedy remedy(int error, bool many, bool has_source) noexcept {
  switch (error) {
    case EINTR:
      return Remedy::TryAgain;
    case EIO:
    case EMSGSIZE:
      return many ? Remedy::SendApart : Remedy::GiveUp;
    case EINVAL:
      if (many) return Remedy::SendApart;
      [[fallthrough]];
    case EADDRNOTAVAIL:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENODEV:
    case ENXIO:
      return has_source ? Remedy::ForgetSource : Remedy::GiveUp;
    default:
      return Remedy::GiveUp;
  }
}

}  // namespace wg::conn
