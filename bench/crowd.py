#!/usr/bin/python3
"""One responder and a crowd of peers that really shake hands: how long until the last of them has a
session, what they cost while they are idle with a persistent keepalive of 25 s, and what one or a
hundred busy ones among them get through.

    crowd (wg-crowd: N peers, N source addresses) ──veth── responder
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from bench.measuring import ask, beside, cpu_seconds, memory_mib  # noqa: E402
from tests.netns import lab  # noqa: E402


class Crowd:
    """The two hosts, the responder, and a generator whose members it knows."""

    def __init__(self, world, program, generator, members, env=None, core=None):
        self.members = members
        crowd, host = world.host("crowd"), world.host("responder")
        world.link(crowd, host, ["10.50.0.1/30"], ["10.50.0.2/30"])
        crowd.ip("link", "set", "lo", "up")
        crowd.ip("route", "add", "local", "10.60.0.0/14", "dev", "lo")
        host.ip("route", "add", "10.60.0.0/14", "via", "10.50.0.1")
        lab.hold_udp_port(host, 9)
        self.peer = world.daemon(host, program, level="error", env=env)
        self.peer.set("listen-port", "51820")
        self.peer.up("10.77.0.2/24")
        pinned = [] if core is None else ["taskset", "-c", str(core)]
        self.process = crowd.start(
            *pinned,
            generator,
            "--key",
            self.peer.public,
            "--to",
            "10.50.0.2",
            "--first-source",
            "10.60.0.0",
            "--members",
            str(members),
            stdin=subprocess.PIPE,
            output=subprocess.PIPE,
        )
        self.keys = []
        while (line := self.process.stdout.readline().decode().strip()) != "ready":
            if self.process.poll() is not None:
                raise AssertionError(f"{generator}: {line}")
            self.keys.append(line)
        ask(
            self.peer.interface,
            "set=1\n"
            + "".join(
                f"public_key={key}\nallowed_ip=10.{100 + (i >> 16)}.{i >> 8 & 255}.{i & 255}/32\n"
                for i, key in enumerate(self.keys)
            )
            + "\n",
        )

    def shake_hands(self):
        """Seconds until the last has a session."""
        return float(self.tell("go"))

    def send(self, busy, seconds, per_second=0):
        """Thousands of packets a second: delivered and offered."""
        begun = self.received()
        sent = int(self.tell(f"data {busy} {seconds} {per_second}"))
        time.sleep(0.2)
        return (self.received() - begun) / seconds / 1000, sent / seconds / 1000

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)

    def tell(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().decode().split()[1]

    def received(self):
        """Packets that the inner end has taken in, by the bytes: the kernel counts a
        super-packet as one."""
        lines = self.peer.host.run(
            "ip", "-s", "link", "show", self.peer.interface
        ).stdout.splitlines()
        return int(lines[3].split()[0]) / 1400


def measure(program, generator, members, busy=(1, 100), seconds=3):
    world = lab.World(program)
    try:
        crowd = Crowd(world, program, generator, members)
        peer = crowd.peer
        before = cpu_seconds([peer])
        row = {"members": members, "handshakes s": crowd.shake_hands()}
        row["handshakes CPU s"] = round(cpu_seconds([peer]) - before, 2)
        row["MiB"] = round(memory_mib(peer), 1)
        for count in busy:
            if count <= members:
                delivered, offered = crowd.send(count, seconds)
                row[f"busy {count} kpps"], row[f"busy {count} offered"] = round(delivered), round(
                    offered
                )
        ask(
            peer.interface,
            "set=1\n"
            + "".join(f"public_key={key}\npersistent_keepalive_interval=25\n" for key in crowd.keys)
            + "\n",
        )
        time.sleep(3)
        before = cpu_seconds([peer])
        time.sleep(26)  # all of them are due once
        row["idle CPU %"] = round((cpu_seconds([peer]) - before) * 100 / 26, 2)
        crowd.end()
        return row
    finally:
        world.end()


def measure_help(program, generator, rounds, seconds=2, per_second=750_000):
    """One peer sends more than one core opens (with the library's AEAD), from the last core, of
    which it uses a third: what gets in, and what of the cores the responder uses, without help and
    with it."""
    core = max(os.sched_getaffinity(0))
    rows = {mode: {"kpps": [], "cores": []} for mode in ("never", "auto")}
    for _ in range(rounds):
        for mode, row in rows.items():
            world = lab.World(program)
            try:
                crowd = Crowd(
                    world,
                    program,
                    generator,
                    1,
                    env={"WG_HELP": mode, "WG_AEAD": "library"},
                    core=core,
                )
                crowd.shake_hands()
                before = cpu_seconds([crowd.peer])
                row["kpps"].append(crowd.send(1, seconds, per_second)[0])
                row["cores"].append((cpu_seconds([crowd.peer]) - before) / seconds)
                crowd.end()
            finally:
                world.end()
    return rows


def help_table(rows):
    def cell(values, digits):
        median = statistics.median(values)
        return f"{median:.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"

    return (
        "| one peer, 750 kpps offered, `WG_AEAD=library` | delivered, kpps | cores "
        "|\n|---|---|---|\n"
        + "".join(
            f"| `WG_HELP={mode}` | {cell(row['kpps'], 0)} | {cell(row['cores'], 2)} |\n"
            for mode, row in rows.items()
        )
    )


def table(rows):
    lines = [
        "| peers with a session | last handshake after, s | CPU s of it | memory, MiB | one busy "
        "peer delivers, kpps (offered) | a hundred | idle, keepalive 25 s: CPU, % |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        busy = [
            f"{row.get(f'busy {n} kpps', '–')} ({row.get(f'busy {n} offered', '–')})"
            for n in (1, 100)
        ]
        lines.append(
            f"| {row['members']} | {row['handshakes s']:.1f} | {row['handshakes CPU s']} | "
            f"{row['MiB']} | {busy[0]} | {busy[1]} | {row['idle CPU %']} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", default="build/release/daemon/wireguard-cpp")
    parser.add_argument("--members", default="100,10000,100000")
    parser.add_argument("--help-rounds", type=int, default=5)
    arguments = parser.parse_args()
    program = os.path.abspath(arguments.program)
    generator = beside(program, "wg-crowd")
    print(
        table(
            [
                measure(program, generator, int(count))
                for count in arguments.members.split(",")
                if count
            ]
        )
    )
    print(help_table(measure_help(program, generator, arguments.help_rounds)))


if __name__ == "__main__":
    main()
