#include "daemon/option_documents.hpp"

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

using namespace wg::daemon;

namespace {

std::string read(const std::string& path) {
  std::ifstream file(std::string(WG_SOURCE_FOLDER) + "/" + path);
  BOOST_REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_readme_has_the_options_that_the_program_has) {
  const std::string text = read("README.md");
  BOOST_TEST(text == readme_with_options(text), "README.md differs: make documents");
}

BOOST_AUTO_TEST_CASE(the_man_page_has_the_options_that_the_program_has) {
  const std::string text = read("docs/wireguard-cpp.8");
  BOOST_TEST(text == man_page_with_options(text), "the man page differs: make documents");
}

BOOST_AUTO_TEST_CASE(the_tables_fit_into_a_hundred_columns) {
  std::istringstream lines(
      readme_with_options("begin commands,\nend commands\nbegin options,\nend options\n"
                          "begin environment,\nend environment\n"));
  for (std::string line; std::getline(lines, line);) BOOST_TEST(line.size() <= 100u, line);
}

BOOST_AUTO_TEST_CASE(a_document_without_the_marks_is_an_error) {
  BOOST_CHECK_THROW((void)readme_with_options("# wireguard-cpp"), std::runtime_error);
}
