#include "device/key_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>

using namespace wg;

namespace {

struct Folder {
  std::string path;
  Folder() {
    char text[] = "/tmp/wg-keylog-XXXXXX";
    BOOST_REQUIRE(::mkdtemp(text) != nullptr);
    path = text;
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_key_log_is_made_readable_for_its_owner_only) {
  const Folder folder;
  const std::string file = folder.path + "/keys";
  auto log = device::KeyLog::open(file);
  BOOST_REQUIRE(log.has_value());
  (*log)->write(protocol::LocalIdentity(crypto::generate_private_key()), {});
  struct stat status{};
  BOOST_REQUIRE(::stat(file.c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0777) == 0600u);
  std::ifstream lines(file);
  int count = 0;
  for (std::string line; std::getline(lines, line);) count++;
  BOOST_TEST(count == 4);
}

BOOST_AUTO_TEST_CASE(a_key_log_that_others_may_read_is_refused) {
  const Folder folder;
  const std::string file = folder.path + "/keys";
  std::ofstream(file) << "";
  ::chmod(file.c_str(), 0640);
  const auto log = device::KeyLog::open(file);
  BOOST_REQUIRE(!log.has_value());
  BOOST_TEST(log.error().text().find("chmod 600") != std::string::npos);
  BOOST_TEST(!device::KeyLog::open(folder.path + "/no/such/folder").has_value());
}

BOOST_AUTO_TEST_CASE(a_key_log_of_another_user_is_refused) {
  if (::geteuid() != 0) return;  // only root can give a file away
  const Folder folder;
  const std::string file = folder.path + "/keys";
  std::ofstream(file) << "";
  BOOST_REQUIRE(::chmod(file.c_str(), 0600) == 0);
  BOOST_REQUIRE(::chown(file.c_str(), 65534, 65534) == 0);
  const auto log = device::KeyLog::open(file);
  BOOST_REQUIRE(!log.has_value());
  BOOST_TEST(log.error().text().find("another user") != std::string::npos, log.error().text());
}

BOOST_AUTO_TEST_CASE(a_key_log_is_a_regular_file_and_no_link_to_one) {
  const Folder folder;
  const std::string file = folder.path + "/keys";
  std::filesystem::create_symlink(folder.path + "/elsewhere", file);
  BOOST_TEST(!device::KeyLog::open(file).has_value());
  std::filesystem::remove(file);
  BOOST_REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
  BOOST_TEST(!device::KeyLog::open(file).has_value());
  const Descriptor reader(::open(file.c_str(), O_RDONLY | O_NONBLOCK));
  const auto log = device::KeyLog::open(file);
  BOOST_REQUIRE(!log.has_value());
  BOOST_TEST(log.error().text().find("regular file") != std::string::npos, log.error().text());
}
