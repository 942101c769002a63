"""What every test over network namespaces uses: the program under test, its rivals, and
namespaces that always go away."""

import os

import pytest

from tests.netns import lab


def pytest_addoption(parser):
    parser.addoption(
        "--program", default="build/release/daemon/wireguard-cpp", help="the wireguard-cpp to test"
    )


@pytest.fixture(scope="session")
def program(request):
    path = os.path.abspath(request.config.getoption("--program"))
    if not os.access(path, os.X_OK):
        pytest.exit(f"{path} is not there; build it first (make build)", returncode=1)
    if os.geteuid() != 0:
        pytest.exit("network namespaces need root", returncode=1)
    return path


@pytest.fixture
def world(program):
    """An empty world; whatever a test makes in it ends with the test."""
    made = lab.World(program)
    try:
        yield made
    finally:
        made.end()


def rival(name):
    """Path of another WireGuard; without it the test is skipped, but never in CI, where a skip
    would hide a loss."""
    path = lab.find_rival(name)
    if path is None:
        reason = f"{name} is not installed (make peers)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(params=["wireguard-go", "boringtun-cli", "gotatun"])
def other(request):
    return request.param, rival(request.param)
