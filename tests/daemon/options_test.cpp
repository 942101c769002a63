#include "daemon/options.hpp"

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <set>
#include <vector>

#include "crypto/aead.hpp"
#include "daemon/option_table.hpp"

using namespace wg;
using namespace wg::daemon;

namespace {

/// Variables for the time of a test; all others of the table are not set.
struct Environment {
  using Variables = std::vector<std::pair<std::string, std::string>>;

  explicit Environment(const Variables& variables = {}) {
    clear();
    for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() { clear(); }
  static void clear() {
    for (const OptionRow& row : option_rows()) {
      if (!row.variable.empty()) ::unsetenv(std::string(row.variable).c_str());
    }
  }
};

Command parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "wireguard-cpp");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

Options options_of(std::vector<const char*> arguments) {
  const Command command = parse(std::move(arguments));
  if (const auto* exit = std::get_if<Exit>(&command)) BOOST_FAIL(exit->text);
  return std::get<RunDaemon>(command).options;
}

std::string refusal_of(std::vector<const char*> arguments) {
  const Command command = parse(std::move(arguments));
  const auto* const exit = std::get_if<Exit>(&command);
  BOOST_REQUIRE(exit != nullptr);
  BOOST_TEST(exit->code == 1);
  return exit->text;
}

bool has(const std::string& text, const std::string& piece) {
  return text.find(piece) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(defaults) {
  const Environment none;
  const Options options = options_of({"wg0"});
  BOOST_TEST(options.interface == "wg0");
  BOOST_TEST(!options.foreground);
  BOOST_TEST(options.log_file.empty());
  BOOST_TEST(options.log_level == spdlog::level::info);
  BOOST_TEST(options.network == conn::Network::Udp);
  BOOST_TEST(options.threads >= 1u);
  BOOST_TEST(options.pipeline == device::PipelineMode::Auto);
  BOOST_TEST(options.aead == "auto");
}

BOOST_AUTO_TEST_CASE(flags) {
  const Environment none;
  const Options options = options_of({"-f", "-n", "tcp6", "--log-file", "l", "--keylog=/k", "wg0"});
  BOOST_TEST(options.foreground);
  BOOST_TEST(options.network == conn::Network::Tcp6);
  char* const folder = ::get_current_dir_name();
  BOOST_TEST(options.log_file == std::string(folder) + "/l");
  std::free(folder);
  BOOST_TEST(options.key_log == "/k");
}

BOOST_AUTO_TEST_CASE(variables) {
  const Environment some({{"LOG_LEVEL", "verbose"},
                          {"WG_THREADS", "7"},
                          {"WG_PIPELINE", "never"},
                          {"WG_AEAD", "library"},
                          {"WG_PROCESS_FOREGROUND", "1"}});
  const std::string before = crypto::train_kernel();
  const Options options = options_of({"wg0"});
  BOOST_TEST(options.log_level == spdlog::level::debug);
  BOOST_TEST(options.threads == 7u);
  BOOST_TEST(options.pipeline == device::PipelineMode::Never);
  BOOST_TEST(options.aead == "library");
  BOOST_TEST(options.foreground);
  BOOST_TEST(crypto::train_kernel() == before, "parsing must change nothing");
}

BOOST_AUTO_TEST_CASE(an_empty_variable_is_not_set) {
  const Environment some({{"LOG_LEVEL", ""}, {"WG_THREADS", ""}, {"WG_TUN_FD", ""}});
  BOOST_TEST(options_of({"wg0"}).log_level == spdlog::level::info);
}

BOOST_AUTO_TEST_CASE(the_old_name_of_the_pipeline_works_and_the_new_one_wins) {
  {
    const Environment old(Environment::Variables{{"WG_HELP", "always"}});
    BOOST_TEST(options_of({"wg0"}).pipeline == device::PipelineMode::Always);
  }
  const Environment both({{"WG_HELP", "always"}, {"WG_PIPELINE", "auto"}});
  BOOST_TEST(options_of({"wg0"}).pipeline == device::PipelineMode::Auto);
}

BOOST_AUTO_TEST_CASE(every_row_with_values_takes_all_of_them_and_no_other) {
  for (const OptionRow& row : option_rows()) {
    Options options;
    for (const std::string_view value : parts(row.values)) {
      BOOST_TEST(!take_value(row, options, std::string(value)).has_value(), value);
    }
    if (row.values.empty()) continue;
    const auto wrong = take_value(row, options, "perhaps");
    BOOST_REQUIRE(wrong.has_value());
    BOOST_TEST(has(*wrong, "'perhaps' is none of " + std::string(row.values)), *wrong);
  }
}

BOOST_AUTO_TEST_CASE(each_name_stands_in_one_row) {
  std::set<std::string_view> names;
  for (const OptionRow& row : option_rows()) {
    for (const std::string_view flag : parts(row.flags)) BOOST_TEST(names.insert(flag).second);
    if (!row.variable.empty()) BOOST_TEST(names.insert(row.variable).second);
  }
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_named) {
  const Environment none;
  BOOST_TEST(has(refusal_of({"-n", "smoke", "wg0"}), "--network: 'smoke' is none of udp"));
  BOOST_TEST(has(refusal_of({"a/b"}), "'a/b'"));
  BOOST_TEST(has(refusal_of({}), "INTERFACE"));
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"LOG_LEVEL", "loud"}, {"WG_THREADS", "65"}, {"WG_TUN_FD", "2"}, {"WG_HELP", "no"}}) {
    const Environment wrong(Environment::Variables{{name, value}});
    const std::string text = refusal_of({"wg0"});
    BOOST_TEST(has(text, name), text);
    BOOST_TEST(has(text, value), text);
  }
}

BOOST_AUTO_TEST_CASE(help_says_all_of_the_table) {
  const Environment none;
  const Command command = parse({"--help"});
  const auto& exit = std::get<Exit>(command);
  BOOST_TEST(exit.code == 0);
  for (const OptionRow& row : option_rows()) {
    for (const std::string_view flag : parts(row.flags)) {
      BOOST_TEST(has(exit.text, std::string(flag)), flag);
    }
    BOOST_TEST(has(exit.text, std::string(row.variable)), row.variable);
  }
}

BOOST_AUTO_TEST_CASE(version_is_a_command_of_its_own) {
  const Environment some(Environment::Variables{{"WG_AEAD", "library"}});
  const Command command = parse({"--version"});
  BOOST_TEST(std::get<PrintVersion>(command).aead == "library");
}
