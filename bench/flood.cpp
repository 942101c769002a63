// A flood of handshake initiations with a valid mac1, from one source address or from many, at a
// steady rate. The initiations are fresh to whoever receives them, and authenticate nobody: each
// costs the responder what it is willing to spend on unauthenticated senders.
//
// The source addresses must be this host's; a route of type `local` for a whole prefix makes them
// so (bench/flood.py).
#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "errors/descriptor.hpp"
#include "protocol/cookie.hpp"
#include "settings/key_text.hpp"

namespace {

using namespace wg;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kInitiations = 8192;  // different ones, in turn
constexpr std::size_t kPerCall = 64;
constexpr auto kTick = std::chrono::milliseconds(1);

struct Options {
  std::string key;
  std::string to;
  std::uint16_t port = 51820;
  std::string first_source;
  std::uint32_t sources = 1;
  double rate = 20'000;  // a second
  double seconds = 5;
};

std::vector<protocol::Initiation> make_initiations(const crypto::PublicKey& responder) {
  std::vector<protocol::Initiation> all(kInitiations);
  protocol::CookieJar jar(responder);
  for (auto& initiation : all) {
    initiation.sender = protocol::ReceiverIndex{randombytes_random()};
    randombytes_buf(initiation.ephemeral.data(), crypto::kKeyBytes);
    randombytes_buf(initiation.sealed_static.data(), initiation.sealed_static.size());
    randombytes_buf(initiation.sealed_timestamp.data(), initiation.sealed_timestamp.size());
    jar.sign(initiation, {});
  }
  return all;
}

/// Sends at the wanted rate, a millisecond's worth at a time; returns how many left.
class Flood {
 public:
  Flood(const Options& options, std::vector<protocol::Initiation> initiations)
      : options_(options),
        initiations_(std::move(initiations)),
        socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    to_.sin_family = AF_INET;
    to_.sin_port = htons(options.port);
    in_addr first{};
    if (::inet_pton(AF_INET, options.to.c_str(), &to_.sin_addr) != 1 ||
        ::inet_pton(AF_INET, options.first_source.c_str(), &first) != 1) {
      throw std::runtime_error("--to and --first-source are IPv4 addresses");
    }
    first_source_ = ntohl(first.s_addr);
  }

  std::uint64_t run() {
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::duration<double>(options_.seconds);
    std::uint64_t sent = 0;
    while (Clock::now() < end) {
      const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
      const auto due = static_cast<std::uint64_t>(elapsed * options_.rate);
      while (sent < due) sent += send(std::min<std::uint64_t>(due - sent, kPerCall));
      std::this_thread::sleep_for(kTick);
    }
    return sent;
  }

 private:
  struct alignas(cmsghdr) Control {
    std::array<char, CMSG_SPACE(sizeof(in_pktinfo))> bytes;
  };

  std::size_t send(std::size_t count) {
    std::array<mmsghdr, kPerCall> messages{};
    std::array<iovec, kPerCall> vectors;
    std::array<Control, kPerCall> controls{};
    for (std::size_t i = 0; i < count; i++, next_++) {
      vectors[i] = {&initiations_[next_ % initiations_.size()], sizeof(protocol::Initiation)};
      auto* const header = reinterpret_cast<cmsghdr*>(controls[i].bytes.data());
      in_pktinfo source{};
      source.ipi_spec_dst.s_addr =
          htonl(first_source_ + static_cast<std::uint32_t>(next_ % options_.sources));
      header->cmsg_level = IPPROTO_IP;
      header->cmsg_type = IP_PKTINFO;
      header->cmsg_len = CMSG_LEN(sizeof source);
      std::memcpy(CMSG_DATA(header), &source, sizeof source);
      messages[i].msg_hdr.msg_name = &to_;
      messages[i].msg_hdr.msg_namelen = sizeof to_;
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_control = controls[i].bytes.data();
      messages[i].msg_hdr.msg_controllen = sizeof controls[i].bytes;
    }
    const int done = ::sendmmsg(socket_.get(), messages.data(), static_cast<unsigned>(count), 0);
    if (done < 0) throw std::system_error(errno, std::system_category(), "sendmmsg");
    return static_cast<std::size_t>(done);
  }

  const Options& options_;
  std::vector<protocol::Initiation> initiations_;
  Descriptor socket_;
  sockaddr_in to_{};
  std::uint32_t first_source_ = 0;
  std::uint64_t next_ = 0;
};

}  // namespace

int main(int argc, char** argv) try {
  Options options;
  CLI::App app("Sends handshake initiations with a valid mac1; prints how many.");
  app.add_option("--key", options.key, "The responder's public key, base64")->required();
  app.add_option("--to", options.to, "The responder's IPv4 address")->required();
  app.add_option("--port", options.port);
  app.add_option("--first-source", options.first_source, "The first source address")->required();
  app.add_option("--sources", options.sources, "So many addresses from there on");
  app.add_option("--rate", options.rate, "Initiations a second");
  app.add_option("--seconds", options.seconds);
  CLI11_PARSE(app, argc, argv);
  crypto::PublicKey key;
  if (!crypto::initialise() || !settings::from_base64(options.key, key.bytes)) {
    fmt::print(stderr, "wg-flood: --key is no public key\n");
    return 1;
  }
  fmt::print("{}\n", Flood(options, make_initiations(key)).run());
} catch (const std::exception& error) {
  fmt::print(stderr, "wg-flood: {}\n", error.what());
  return 1;
}
