// Short TCP connections, as many as possible: opened, one byte there, one byte back, closed.
//
//   wg-connections --serve PORT                 answers until it is ended
//   wg-connections --to ADDRESS --port PORT     prints how many a second were served
//
// The client ends its connections with a reset, so that no port is left waiting on either side.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/asio.hpp>
#include <chrono>

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

asio::awaitable<void> answer(tcp::socket socket) {
  char byte = 0;
  boost::system::error_code error;
  auto quietly = asio::redirect_error(asio::use_awaitable, error);
  for (;;) {
    co_await socket.async_read_some(asio::buffer(&byte, 1), quietly);
    if (error) co_return;  // the client's reset
    co_await asio::async_write(socket, asio::buffer(&byte, 1), quietly);
  }
}

asio::awaitable<void> serve(std::uint16_t port) {
  const auto executor = co_await asio::this_coro::executor;
  tcp::acceptor acceptor(executor, {tcp::v4(), port});
  for (;;) {
    asio::co_spawn(executor, answer(co_await acceptor.async_accept(asio::use_awaitable)),
                   asio::detached);
  }
}

struct Result {
  std::size_t served = 0;
  std::size_t failed = 0;
};

asio::awaitable<void> ask(tcp::endpoint to, Clock::time_point until, Result& result) {
  const auto executor = co_await asio::this_coro::executor;
  while (Clock::now() < until) {
    tcp::socket socket(executor);
    char byte = 'x';
    boost::system::error_code error;
    auto quietly = asio::redirect_error(asio::use_awaitable, error);
    co_await socket.async_connect(to, quietly);
    if (!error) socket.set_option(asio::socket_base::linger(true, 0), error);
    if (!error) co_await asio::async_write(socket, asio::buffer(&byte, 1), quietly);
    if (!error) co_await asio::async_read(socket, asio::buffer(&byte, 1), quietly);
    error ? result.failed++ : result.served++;
    socket.close(error);  // by name: the destructor would not send the reset
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Short TCP connections, as many as possible");
  std::uint16_t port = 0;
  std::string to;
  int seconds = 3;
  std::size_t at_once = 64;
  auto* const serving = app.add_option("--serve", port, "answer at this port");
  app.add_option("--to", to, "connect to this address")->excludes(serving);
  app.add_option("--port", port, "…and port")->excludes(serving);
  app.add_option("--seconds", seconds);
  app.add_option("--at-once", at_once, "connections at the same time");
  CLI11_PARSE(app, argc, argv);
  try {
    asio::io_context context(1);
    if (to.empty()) {
      asio::co_spawn(context, serve(port), [](const std::exception_ptr& error) {
        if (error) std::rethrow_exception(error);
      });
      context.run();
      return 0;
    }
    Result result;
    const tcp::endpoint endpoint(asio::ip::make_address(to), port);
    const auto until = Clock::now() + std::chrono::seconds(seconds);
    for (std::size_t i = 0; i < at_once; i++) {
      asio::co_spawn(context, ask(endpoint, until, result), asio::detached);
    }
    context.run();
    fmt::print("{} {}\n", result.served / static_cast<std::size_t>(seconds), result.failed);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "wg-connections: {}\n", error.what());
    return 1;
  }
}
