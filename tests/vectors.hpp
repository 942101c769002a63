// Reads the tables of tests/vectors: lines of words; '#' begins a comment, '-' stands for nothing.
#pragma once

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace wg::test {

using Row = std::vector<std::string>;

[[nodiscard]] inline std::vector<Row> read_vectors(const std::string& name) {
  std::ifstream file(std::string(WG_TEST_VECTORS) + "/" + name);
  BOOST_REQUIRE_MESSAGE(file, "cannot read the vectors " << name);
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    Row& row = rows.emplace_back();
    for (std::string word; words >> word;) row.push_back(word == "-" ? "" : word);
  }
  return rows;
}

}  // namespace wg::test
