// The entry of each test program.
#define BOOST_TEST_MODULE WG_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "crypto/secret.hpp"

namespace {

struct Initialised {
  Initialised() { BOOST_REQUIRE(wg::crypto::initialise()); }
};

}  // namespace

BOOST_TEST_GLOBAL_FIXTURE(Initialised);
