# The front door: `make help`. Everything that a target needs it installs or builds itself.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BUILD   ?= build/release
PROGRAM := $(BUILD)/daemon/wireguard-cpp
PREFIX  ?= /usr/local
DESTDIR ?=
PEERS   ?= /usr/local/lib/wireguard-cpp-peers
DISTRIBUTIONS ?= bookworm trixie sid
STEP    ?= unit
ARCHITECTURES ?= arm64 armhf s390x
FUZZ_SECONDS ?= 30
FUZZ_TARGETS := messages conf uapi_set uapi_get inner_packets trains frames
SOURCES := $(or $(shell git ls-files '*.cpp' '*.hpp' 2>/dev/null),$(shell find . -path ./build -prune -o -name '*.[ch]pp' -print))

export WG_PEERS := $(PEERS)

.PHONY: help deps deps-build deps-unit deps-test deps-check build demo test unit netns test-vm test-distributions \
  test-architectures soak mutants check proofs verify-aead bench peers fuzz lint tidy format documents install uninstall \
  clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: deps-build deps-test deps-check ## install everything that building, testing and checking need (Debian 12 or later)

deps-build:
	@packaging/debian-packages build libraries

deps-unit:
	@packaging/debian-packages build libraries unit unit-libraries

deps-test:
	@packaging/debian-packages build libraries unit unit-libraries test

deps-check:
	@packaging/debian-packages build libraries unit unit-libraries test check

build: deps-build ## build the release: build/release/daemon/wireguard-cpp
	@cmake --preset release -DWG_BUILD_TESTS=OFF >/dev/null
	@cmake --build $(BUILD) --target wireguard-cpp

demo: deps-build ## build, join two namespaces by a tunnel, ping and iperf3 through it, clean up (root)
	@packaging/debian-packages build libraries demo
	@$(MAKE) --no-print-directory build
	@tests/demo $(PROGRAM)

test: deps-test peers ## build and run every test: units, simulation, namespaces with other WireGuards (root)
	@cmake --preset release -DWG_BUILD_TESTS=ON $(if $(CI),-DWG_WERROR=ON) >/dev/null
	@cmake --build $(BUILD)
	@tests/run-all --build $(BUILD) unit netns

unit: deps-unit ## units and simulation only
	@cmake --preset release -DWG_BUILD_TESTS=ON >/dev/null
	@cmake --build $(BUILD)
	@tests/run-all --build $(BUILD) unit

netns: deps-test ## the tests over network namespaces only (root)
	@cmake --preset release -DWG_BUILD_TESTS=ON >/dev/null
	@cmake --build $(BUILD) --target wireguard-cpp wg-echo-daemon
	@tests/run-all --build $(BUILD) netns

test-vm: deps-test build ## with the Linux kernel's WireGuard, in a virtual machine
	@packaging/debian-packages vm
	@tests/vm/install
	@tests/run-all --build $(BUILD) vm

test-distributions: ## `make STEP` (unit) on each of DISTRIBUTIONS (bookworm trixie sid), in a minimal chroot (root)
	@packaging/debian-packages chroot
	@for release in $(DISTRIBUTIONS); do tests/in-chroot $$release sudo make $(STEP); done

test-architectures: ## units and simulation cross-built for ARCHITECTURES (arm64 armhf s390x), run by qemu (root)
	@packaging/debian-packages chroot
	@for architecture in $(ARCHITECTURES); do tests/in-chroot bookworm-cross tests/cross $$architecture; done

soak: deps-test build ## ten minutes of traffic: no loss at rekeys, flat memory, no descriptor leak (root)
	@tests/run-all --build $(BUILD) soak

check: deps-check ## both compilers without a warning; units and simulation under ASan, UBSan and TSan
	@cmake --preset release -DWG_BUILD_TESTS=ON -DWG_WERROR=ON >/dev/null
	@cmake --build $(BUILD)
	@for preset in asan tsan; do cmake --preset $$preset >/dev/null; cmake --build --preset $$preset; done
	@tests/run-all --build build/asan unit
	@tests/run-all --build build/tsan unit

proofs: deps-test deps-check ## of the AEAD: instructions stay in their kernels, constant time under valgrind
	@cmake --preset release -DWG_BUILD_TESTS=ON >/dev/null
	@cmake --build $(BUILD) --target wireguard-cpp constant_time
	@tests/disassembly $(PROGRAM)
	@tests/constant-time $(BUILD)/tests/constant_time

verify-aead: deps-unit ## ten million packets by each kernel against libsodium (minutes)
	@cmake --preset release -DWG_BUILD_TESTS=ON >/dev/null
	@cmake --build $(BUILD) --target test_crypto
	@WG_AEAD_PACKETS=$${WG_AEAD_PACKETS:-10000000} $(BUILD)/tests/test_crypto --log_level=test_suite --run_test='every_length*,trains_of_mixed*,the_longest*'

fuzz: deps-check ## every fuzz target for FUZZ_SECONDS (30)
	@cmake --preset asan >/dev/null
	@cmake --build --preset asan --target $(FUZZ_TARGETS:%=fuzz_%)
	@printf '%s\n' $(FUZZ_TARGETS) | \
	  xargs -P $(shell nproc) -I{} fuzz/run build/asan/fuzz/fuzz_{} fuzz/corpus/{} $(FUZZ_SECONDS)

lint: deps-check ## layout, include rules, function length, banned words, links
	@clang-format-19 --dry-run --Werror $(SOURCES)
	@/usr/bin/python3 tests/lint

tidy: deps-check ## clang-tidy over all of the program (ten minutes)
	@packaging/debian-packages tidy
	@cmake --preset asan >/dev/null
	@run-clang-tidy-19 -p build/asan -quiet '$(CURDIR)/(crypto|settings|protocol|conn|tun|netlink|device|uapi|daemon)/' 2>/dev/null

format: deps-check ## lay the sources out as .clang-format says
	@clang-format-19 -i $(SOURCES)

documents: deps-test ## write the options' tables of README.md and the man page
	@cmake --preset release -DWG_BUILD_TESTS=ON >/dev/null
	@cmake --build $(BUILD) --target write_documents
	@$(BUILD)/tests/write_documents README.md docs/wireguard-cpp.8

mutants: deps-test deps-check ## break the code on purpose in many places: each must be noticed by a test or the compiler
	@tests/break-on-purpose

peers: ## install the WireGuards that we test and compare with, where their tools exist
	@tests/install-peers $(PEERS)

bench: deps-test build peers ## measure side by side with the other WireGuards (root); ARGS=--write writes docs/performance
	@packaging/debian-packages bench
	@cmake --build $(BUILD)
	@/usr/bin/python3 bench/bench.py --program $(PROGRAM) $(ARGS)

install: build ## install to PREFIX (/usr/local)
	@cmake --install $(BUILD) --prefix $(DESTDIR)$(PREFIX) >/dev/null
	@install -Dm644 docs/wireguard-cpp.8 $(DESTDIR)$(PREFIX)/share/man/man8/wireguard-cpp.8
	@mkdir -p $(DESTDIR)$(PREFIX)/lib/systemd/system
	@sed 's|@PREFIX@|$(PREFIX)|' packaging/wireguard-cpp@.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/wireguard-cpp@.service
	@echo "installed: $(DESTDIR)$(PREFIX)/bin/wireguard-cpp"

uninstall: ## remove what install has put there
	@rm -f $(DESTDIR)$(PREFIX)/bin/wireguard-cpp $(DESTDIR)$(PREFIX)/share/man/man8/wireguard-cpp.8 \
	  $(DESTDIR)$(PREFIX)/lib/systemd/system/wireguard-cpp@.service

clean: ## remove what was built
	@rm -rf build
