"""Ten minutes of traffic (make soak): rekeys without loss, flat memory, no descriptor leak.

WG_SOAK_SECONDS shortens it."""

import os
import re
import time

from tests.netns.lab import iperf_server, run


def process_of(peer):
    return int(run("pgrep", "-f", f" {peer.interface}$").stdout.split()[-1])


def memory_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


def test_soak(world):
    seconds = int(os.environ.get("WG_SOAK_SECONDS", "600"))
    a, b = world.pair(level="debug")
    a.host.ping("10.77.0.2")
    pids = [process_of(a), process_of(b)]
    server = iperf_server(b.host)
    load = a.host.start("iperf3", "-c", "10.77.0.2", "-t", str(seconds), "-b", "200M")
    time.sleep(5)
    memory = [memory_kib(pid) for pid in pids]
    descriptors = [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]
    pinged = a.host.run(
        "ping", "-i", "0.01", "-w", str(seconds - 10), "-q", "10.77.0.2", timeout=seconds + 60
    ).stdout
    load.wait(60)
    server.wait(10)
    sent, received = (
        int(n) for n in re.search(r"(\d+) packets transmitted, (\d+) received", pinged).groups()
    )
    rekeys = a.log_text().count("received handshake response") - 1
    grown = [memory_kib(pid) - before for pid, before in zip(pids, memory)]
    print(f"{sent} pings, {received} answered, {rekeys} rekeys, memory grew by {grown} KiB")
    assert rekeys >= (seconds - 10) // 130
    assert sent - received <= 1  # the last may be on its way when the time is up
    assert all(more < 2048 for more in grown)
    assert [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids] == descriptors
