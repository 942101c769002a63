// Every message parser with a live session behind it. The input is a list of datagrams, each behind
// a 16-bit length; its first byte may ask that mac1 or the receiver index be made right, so that
// the input gets past the first checks.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "tests/protocol/two_peers.hpp"

using namespace wg;
using namespace wg::protocol;
using namespace wg::test;

namespace {

constexpr std::uint8_t kSign = 1;
constexpr std::uint8_t kAim = 2;

/// A responder in the middle of its life: a session, and an initiation of its own pending.
struct Target {
  TwoPeers world;
  CookieChecker cookies{world.responder.identity.public_key};

  Target() {
    world.shake_hands();
    world.advance(10s);
    (void)world.responder.session->initiate(world.responder.identity, world.now, world.wall);
  }

  ReceiverIndex some_index(std::uint8_t which) {
    const auto& owners = world.responder.registry.owners;
    auto it = owners.begin();
    std::advance(it, which % owners.size());
    return it->first;
  }

  void take(std::span<std::byte> datagram, std::uint8_t flags) {
    const Message message = parse_message(datagram);
    if (const auto* initiation = std::get_if<const Initiation*>(&message)) {
      Initiation copy = **initiation;
      if (flags & kSign) CookieJar(world.responder.identity.public_key).sign(copy, world.now);
      (void)cookies.mac2_valid(copy, datagram.first(6), world.now);
      (void)cookies.reply(copy, datagram.first(6), world.now);
      if (!cookies.mac1_valid(copy)) return;
      (void)world.respond(copy);
    } else if (const auto* response = std::get_if<const Response*>(&message)) {
      Response copy = **response;
      if (flags & kAim) copy.receiver = some_index(flags >> 4);
      (void)world.responder.session->finish(world.responder.identity, copy, world.now);
    } else if (const auto* cookie = std::get_if<const CookieReply*>(&message)) {
      (void)world.responder.session->consume(**cookie, world.now);
    } else if (const auto* data = std::get_if<TransportData>(&message)) {
      Datagram copy{{datagram.begin(), datagram.end()}};
      if (flags & kAim) {
        reinterpret_cast<TransportDataHeader*>(copy.bytes.data())->receiver =
            some_index(flags >> 4);
      }
      if (world.responder.open(copy, world.now) == Opened::Accepted) std::abort();  // a forgery
      (void)data;
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool ready = crypto::initialise();
  if (!ready) std::abort();
  Target target;
  while (size >= 3) {
    const std::uint8_t flags = data[0];
    const std::size_t length = std::min<std::size_t>(data[1] | data[2] << 8, size - 3);
    std::vector<std::byte> datagram(length);
    std::copy_n(reinterpret_cast<const std::byte*>(data + 3), length, datagram.begin());
    target.take(datagram, flags);
    target.world.advance(25ms);
    (void)target.world.responder.session->expire(target.world.now);
    data += 3 + length;
    size -= 3 + length;
  }
  return 0;
}
