# What we link, and from where. Everything here is a package of Debian 12 and later.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED CONFIG)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium>=1.0.18)
pkg_check_modules(B2 REQUIRED IMPORTED_TARGET libb2)
pkg_check_modules(DEFLATE REQUIRED IMPORTED_TARGET libdeflate)  # CRC-32 with wide instructions
pkg_check_modules(NL_ROUTE REQUIRED IMPORTED_TARGET libnl-route-3.0)

# Asio as we use it: header-only, no deprecated interfaces, errors by code.
add_library(wg_asio INTERFACE)
target_link_libraries(wg_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(wg_asio INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE)

# An EVP_AEAD library (BoringSSL, AWS-LC). Debian keeps BoringSSL out of the linker's way, in a folder of its own,
# because its symbols clash with OpenSSL's; so the program carries that folder as its run path.
if(WG_AEAD_LIBRARY STREQUAL "auto" OR WG_AEAD_LIBRARY STREQUAL "boringssl")
  find_path(BORINGSSL_INCLUDE openssl/aead.h PATHS /usr/include/android NO_DEFAULT_PATH)
  find_library(BORINGSSL_CRYPTO crypto
    PATHS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/android /usr/lib/android NO_DEFAULT_PATH)
endif()
if(BORINGSSL_INCLUDE AND BORINGSSL_CRYPTO)
  set(WG_AEAD_CHOSEN boringssl)
  get_filename_component(BORINGSSL_DIRECTORY ${BORINGSSL_CRYPTO} DIRECTORY)
  add_library(wg_boringssl INTERFACE)
  target_include_directories(wg_boringssl SYSTEM INTERFACE ${BORINGSSL_INCLUDE})
  target_link_libraries(wg_boringssl INTERFACE ${BORINGSSL_CRYPTO})
  # The same run path in the build tree: CMake would pad another one with an empty entry, which means the current folder.
  set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
  list(APPEND CMAKE_INSTALL_RPATH ${BORINGSSL_DIRECTORY})
elseif(WG_AEAD_LIBRARY STREQUAL "boringssl")
  message(FATAL_ERROR "WG_AEAD_LIBRARY=boringssl, but no openssl/aead.h with a libcrypto beside it was found; "
    "install android-libboringssl-dev or choose WG_AEAD_LIBRARY=sodium")
else()
  set(WG_AEAD_CHOSEN sodium)
endif()
message(STATUS "AEAD of transport data: ${WG_AEAD_CHOSEN}")
