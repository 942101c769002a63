#include "conn/send_remedy.hpp"

#include <boost/test/unit_test.hpp>

using namespace wg::conn;

namespace {

void expect(int error, bool many, bool has_source, Remedy expected) {
  BOOST_TEST_CONTEXT("error " << error << ", many " << many << ", source " << has_source)
  BOOST_TEST(static_cast<int>(remedy(error, many, has_source)) == static_cast<int>(expected));
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_train_that_cannot_be_cut_goes_apart_and_keeps_its_source) {
  for (const int error : {EIO, EMSGSIZE, EINVAL}) {
    for (const bool has_source : {false, true}) expect(error, true, has_source, Remedy::SendApart);
  }
}

BOOST_AUTO_TEST_CASE(a_source_that_has_vanished_is_forgotten_on_every_way) {
  for (const int error : {EADDRNOTAVAIL, ENETUNREACH, EHOSTUNREACH, ENODEV, ENXIO}) {
    for (const bool many : {false, true}) {
      expect(error, many, true, Remedy::ForgetSource);
      expect(error, many, false, Remedy::GiveUp);
    }
  }
  expect(EINVAL, false, true, Remedy::ForgetSource);
  expect(EINVAL, false, false, Remedy::GiveUp);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_mended_is_given_up_and_keeps_its_source) {
  for (const int error : {EPERM, ENOBUFS, EAFNOSUPPORT, ECONNREFUSED}) {
    for (const bool many : {false, true}) expect(error, many, true, Remedy::GiveUp);
  }
  for (const int error : {EIO, EMSGSIZE}) expect(error, false, true, Remedy::GiveUp);
}

BOOST_AUTO_TEST_CASE(an_interrupted_send_is_tried_again) {
  for (const bool many : {false, true}) expect(EINTR, many, true, Remedy::TryAgain);
}
