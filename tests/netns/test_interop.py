"""Ours with other WireGuards, as initiator and as responder (topology: see test_tunnel.py)."""

import pytest

from tests.netns.lab import iperf, received_bytes


@pytest.mark.parametrize("outside", [4, 6])
@pytest.mark.parametrize("preshared", [False, True])
@pytest.mark.parametrize("ours_begins", [True, False])
def test_with(world, other, ours_begins, preshared, outside):
    _, path = other
    binaries = (None, path) if ours_begins else (path, None)
    a, b = world.pair(binaries=binaries, preshared=preshared, outside=outside)
    a.host.ping("10.77.0.2")
    a.host.ping("fd77::2")
    b.host.ping("10.77.0.1")
    assert received_bytes(iperf(a.host, b.host, "10.77.0.2", seconds=1)) > 1_000_000
    assert received_bytes(iperf(a.host, b.host, "10.77.0.2", "-R", seconds=1)) > 1_000_000
    assert (
        received_bytes(
            iperf(a.host, b.host, "10.77.0.2", "-u", "-b", "20M", "-l", "1300", seconds=1)
        )
        > 1_000_000
    )
