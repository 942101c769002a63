#include "protocol/messages.hpp"

#include <algorithm>

#include "protocol/constants.hpp"

namespace wg::protocol {
namespace {

/// The datagram as a `Struct`, if it has its size. The structs are all bytes, so any address will
/// do.
template <class Struct>
Message exactly(std::span<std::byte> datagram) noexcept {
  if (datagram.size() != sizeof(Struct)) return std::monostate{};
  return reinterpret_cast<const Struct*>(datagram.data());
}

Message transport_data(std::span<std::byte> datagram) noexcept {
  if (datagram.size() < kTransportOverhead) return std::monostate{};
  const auto& header = *reinterpret_cast<const TransportDataHeader*>(datagram.data());
  return TransportData{.receiver = header.receiver,
                       .counter = header.counter,
                       .sealed = datagram.subspan(sizeof(TransportDataHeader))};
}

}  // namespace

Message parse_message(std::span<std::byte> datagram) noexcept {
  if (datagram.size() < sizeof(LittleU32)) return std::monostate{};
  const std::uint32_t type = *reinterpret_cast<const LittleU32*>(datagram.data());
  switch (MessageType{type}) {
    case MessageType::TransportData:
      return transport_data(datagram);
    case MessageType::Initiation:
      return exactly<Initiation>(datagram);
    case MessageType::Response:
      return exactly<Response>(datagram);
    case MessageType::CookieReply:
      return exactly<CookieReply>(datagram);
  }
  return std::monostate{};
}

std::size_t padded_size(std::size_t size, std::size_t mtu) noexcept {
  if (size >= mtu) return size;
  const std::size_t padded = (size + kPaddingMultiple - 1) / kPaddingMultiple * kPaddingMultiple;
  return std::min(padded, mtu);
}

}  // namespace wg::protocol
