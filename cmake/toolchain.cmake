# The language, the warnings and the hardening that every target of ours is built with.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(WG_CCACHE ccache)
if(WG_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${WG_CCACHE})
endif()

include(CheckPIESupported)
check_pie_supported()

# `wg_options` is what a target of ours links to be built like the others.
add_library(wg_options INTERFACE)
target_compile_options(wg_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor
  -Wno-sign-conversion  # clang counts it to -Wconversion, g++ does not: the same warnings from both
  -fstack-protector-strong -fno-plt
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)  # see threads/mutex.hpp
if(WG_WERROR)
  target_compile_options(wg_options INTERFACE -Werror)
endif()
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  target_compile_options(wg_options INTERFACE -fcf-protection -fstack-clash-protection)
endif()
target_link_options(wg_options INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed)

if(WG_SANITIZE)
  target_compile_options(wg_options INTERFACE
    -fsanitize=${WG_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(wg_options INTERFACE -fsanitize=${WG_SANITIZE})
  target_compile_definitions(wg_options INTERFACE WG_SANITIZED)
  if(WG_BUILD_FUZZ)
    target_compile_options(wg_options INTERFACE -fsanitize=fuzzer-no-link)
  endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  # FORTIFY needs the optimiser, and a sanitizer wants the calls that FORTIFY replaces.
  target_compile_options(wg_options INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()

# A folder is a target, and what it may include is what it links: each has a root of its own for includes, in which stand
# its headers and nothing else. So an include that the architecture does not allow does not compile.
# usage: wg_folder(FOLDER SOURCES...) makes the target wg_FOLDER (`/` becomes `_`); without sources one of headers only.
function(wg_folder folder)
  string(REPLACE "/" "_" name ${folder})
  set(root ${PROJECT_BINARY_DIR}/include/${name})
  file(MAKE_DIRECTORY ${root}/${folder})
  file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.hpp)
  foreach(header ${headers})
    get_filename_component(file ${header} NAME)
    file(CREATE_LINK ${header} ${root}/${folder}/${file} SYMBOLIC)
  endforeach()
  if(ARGN)
    add_library(wg_${name} STATIC ${ARGN})
    target_include_directories(wg_${name} PUBLIC ${root})
    target_link_libraries(wg_${name} PUBLIC wg_options)
  else()
    add_library(wg_${name} INTERFACE)
    target_include_directories(wg_${name} INTERFACE ${root})
    target_link_libraries(wg_${name} INTERFACE wg_options)
  endif()
endfunction()
