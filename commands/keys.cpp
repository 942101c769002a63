// genkey, genpsk and pubkey, as wg(8) has them.
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "commands/console.hpp"
#include "crypto/x25519.hpp"
#include "settings/key_text.hpp"

namespace wg::commands {
namespace {

/// As wg(8) does: says so, and goes on.
void warn_if_others_may_read_stdout() {
  struct stat status{};
  if (::fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode) &&
      (status.st_mode & S_IRWXO) != 0) {
    remark(
        "Warning: writing to a file that others may read.\n"
        "Consider 'umask 077' before it, and writing it again.");
  }
}

template <class Key>
int print_key(const Key& key) {
  crypto::SecretText text;
  settings::append_base64(text, key.bytes());
  text.push_back('\n');
  return print(text.view());
}

}  // namespace

int genkey(const CommandRow& row, Arguments arguments) {
  CommandLine line(row);
  if (const auto code = line.read(arguments)) return *code;
  warn_if_others_may_read_stdout();
  crypto::PrivateKey key = crypto::generate_private_key();
  crypto::clamp(key);
  return print_key(key);
}

int genpsk(const CommandRow& row, Arguments arguments) {
  CommandLine line(row);
  if (const auto code = line.read(arguments)) return *code;
  warn_if_others_may_read_stdout();
  crypto::PresharedKey key;
  ::randombytes_buf(key.data(), crypto::PresharedKey::kSize);
  return print_key(key);
}

int pubkey(const CommandRow& row, Arguments arguments) {
  CommandLine line(row);
  if (const auto code = line.read(arguments)) return *code;
  const auto input = read_file("-");
  if (!input) return fail(input.error());
  std::string_view text = input->view();
  const auto passed_over = [](char c) { return c == '\0' || c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && passed_over(text.back())) text.remove_suffix(1);
  crypto::PrivateKey key;
  if (!settings::from_base64(text, key.bytes())) {
    return fail(Failure("pubkey: stdin holds no private key")
                    .hint("it is 44 characters of base64, as 'wireguard-cpp genkey' prints them"));
  }
  crypto::clamp(key);
  return print(settings::to_base64(crypto::public_key_of(key)) + "\n");
}

}  // namespace wg::commands
