#include "settings/interface_name.hpp"

#include <net/if.h>

namespace wg::settings {

std::optional<std::string> interface_name_error(const std::string& name) {
  if (name.empty()) return "is empty";
  if (name.size() >= IFNAMSIZ) return "is longer than 15 bytes";
  if (name == "." || name == "..") return "is no name";
  for (const char c : name) {
    if (c == '/' || c == ':' || static_cast<unsigned char>(c) <= ' ') {
      return "holds '/', ':' or white space";
    }
  }
  const std::size_t percent = name.find('%');
  if (percent != std::string::npos &&
      (name.compare(percent, 2, "%d") != 0 || name.find('%', percent + 1) != std::string::npos)) {
    return "holds a '%' that is not one '%d'";
  }
  return std::nullopt;
}

}  // namespace wg::settings
