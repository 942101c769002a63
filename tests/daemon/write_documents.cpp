// Writes the sections of README.md and the man page that are made of the option table.
// usage: write_documents README MAN_PAGE
#include <fmt/format.h>

#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "daemon/option_documents.hpp"

namespace {

void rewrite(const char* path, std::string (*with_options)(std::string)) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error(fmt::format("cannot read {}", path));
  const std::string text = with_options({std::istreambuf_iterator<char>(in), {}});
  in.close();
  std::ofstream out(path, std::ios::trunc);
  if (!(out << text).flush()) throw std::runtime_error(fmt::format("cannot write {}", path));
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: write_documents README MAN_PAGE");
  rewrite(argv[1], wg::daemon::readme_with_options);
  rewrite(argv[2], wg::daemon::man_page_with_options);
  return EXIT_SUCCESS;
} catch (const std::exception& error) {
  fmt::print(stderr, "write_documents: {}\n", error.what());
  return EXIT_FAILURE;
}
