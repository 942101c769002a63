"""What the measurements have in common: the daemons' own CPU and memory, and UAPI asked
directly."""

import os
import re
import socket
import time

from tests.netns import lab

TICK = os.sysconf("SC_CLK_TCK")


def beside(program, name):
    """One of the programs that are built beside ours."""
    return os.path.join(os.path.dirname(os.path.dirname(program)), "bench", name)


def use_congestion_control(name, *hosts):
    """For the TCP connections that the hosts make from now on."""
    for host in hosts:
        host.run("sysctl", "-qw", f"net.ipv4.tcp_congestion_control={name}")


def pids_of(peer):
    """The daemon's own processes: `ip netns exec` replaces itself by the program."""
    return [
        int(pid)
        for pid in lab.run("pgrep", "-f", f" {peer.interface}$", check=False).stdout.split()
    ]


def cpu_seconds(pairs):
    total = 0.0
    for peer in pairs:
        for pid in pids_of(peer):
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def memory_mib(peer):
    total = 0
    for pid in pids_of(peer):
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            total += int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])
    return total / 1024


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def ask(interface, request):
    """One request over UAPI; the lines of the answer, and the seconds it took."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"/var/run/wireguard/{interface}.sock")
        stream = client.makefile("rwb")
        began = time.monotonic()
        stream.write(request.encode())
        stream.flush()
        lines = []
        while not lines or not lines[-1].startswith(b"errno="):
            lines.append(stream.readline())
        took = time.monotonic() - began
    assert lines[-1] == b"errno=0\n", lines[-1]
    return lines, took
