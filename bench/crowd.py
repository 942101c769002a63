#!/usr/bin/python3
"""One responder and a crowd of peers that really shake hands: how long until the last of them has a session, what they
cost while they are idle with a persistent keepalive of 25 s, and what one or a hundred busy ones among them get through.

    crowd (wg-crowd: N peers, N source addresses) ──veth── responder
"""

import argparse
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from bench.measuring import ask, beside, cpu_seconds, memory_mib  # noqa: E402
from tests.netns import lab  # noqa: E402

SILENT = "import socket,time; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('0.0.0.0',9)); time.sleep(600)"


def received(peer):
    """Packets that the inner end has taken in, by the bytes: the kernel counts a super-packet as one."""
    lines = peer.host.run("ip", "-s", "link", "show", peer.interface).stdout.splitlines()
    return int(lines[3].split()[0]) / 1400


def measure(program, generator, members, busy=(1, 100), seconds=3):
    world = lab.World(program)
    try:
        crowd, host = world.host("crowd"), world.host("responder")
        world.link(crowd, host, ["10.50.0.1/30"], ["10.50.0.2/30"])
        crowd.ip("link", "set", "lo", "up")
        crowd.ip("route", "add", "local", "10.60.0.0/14", "dev", "lo")
        host.ip("route", "add", "10.60.0.0/14", "via", "10.50.0.1")
        host.start(sys.executable, "-c", SILENT)
        peer = world.daemon(host, program, level="error")
        peer.set("listen-port", "51820")
        peer.up("10.77.0.2/24")
        process = crowd.start(generator, "--key", peer.public, "--to", "10.50.0.2", "--first-source", "10.60.0.0", "--members", str(members),
                              stdin=subprocess.PIPE, output=subprocess.PIPE)
        keys = []
        while (line := process.stdout.readline().decode().strip()) != "ready":
            if process.poll() is not None:
                raise AssertionError(f"{generator}: {line}")
            keys.append(line)
        text = "set=1\n" + "".join(
            f"public_key={key}\nallowed_ip=10.{100 + (i >> 16)}.{i >> 8 & 255}.{i & 255}/32\n" for i, key in enumerate(keys)) + "\n"
        ask(peer.interface, text)

        def tell(command):
            process.stdin.write(command.encode() + b"\n")
            process.stdin.flush()
            return process.stdout.readline().decode().split()[1]

        before = cpu_seconds([peer])
        row = {"members": members, "handshakes s": float(tell("go"))}
        row["handshakes CPU s"] = round(cpu_seconds([peer]) - before, 2)
        row["MiB"] = round(memory_mib(peer), 1)
        for count in busy:
            if count > members:
                continue
            begun = received(peer)
            sent = int(tell(f"data {count} {seconds} 0"))
            time.sleep(0.2)
            row[f"busy {count} kpps"] = round((received(peer) - begun) / seconds / 1000)
            row[f"busy {count} offered"] = round(sent / seconds / 1000)
        ask(peer.interface, "set=1\n" + "".join(f"public_key={key}\npersistent_keepalive_interval=25\n" for key in keys) + "\n")
        time.sleep(3)
        before = cpu_seconds([peer])
        time.sleep(26)  # all of them are due once
        row["idle CPU %"] = round((cpu_seconds([peer]) - before) * 100 / 26, 2)
        process.stdin.close()
        process.wait(10)
        return row
    finally:
        world.end()


def table(rows):
    lines = ["| peers with a session | last handshake after, s | CPU s of it | memory, MiB | one busy peer delivers, kpps (offered) | a hundred | idle, keepalive 25 s: CPU, % |",
             "|---|---|---|---|---|---|---|"]
    for row in rows:
        busy = [f"{row.get(f'busy {n} kpps', '–')} ({row.get(f'busy {n} offered', '–')})" for n in (1, 100)]
        lines.append(f"| {row['members']} | {row['handshakes s']:.1f} | {row['handshakes CPU s']} | {row['MiB']} | {busy[0]} | {busy[1]} | {row['idle CPU %']} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/daemon/wireguard-cpp")
    parser.add_argument("--members", default="100,10000,100000")
    arguments = parser.parse_args()
    program = os.path.abspath(arguments.program)
    generator = beside(program, "wg-crowd")
    print(table([measure(program, generator, int(count)) for count in arguments.members.split(",")]))


if __name__ == "__main__":
    main()
