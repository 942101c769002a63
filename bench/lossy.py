#!/usr/bin/python3
"""TCP over a line that loses 2 % each way and takes 40 ms there and back: through a tunnel, beside
the same line without one.

    one ──veth── line (wg-line) ──veth── two

Eight flows at once, since what a single one loses is chance. Rounds are interleaved.
"""

import argparse
import os
import statistics
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from bench.measuring import beside, use_congestion_control  # noqa: E402
from tests.netns import lab  # noqa: E402

FLOWS = 8


class Line:
    def __init__(self, program, generator, binary, seed):
        self.world = lab.World(program)
        try:
            one, line, two = (self.world.host(name) for name in ("one", "line", "two"))
            line.start(
                generator,
                "--interface",
                "line",
                "--delay",
                "20",
                "--loss",
                "2",
                "--seed",
                str(seed),
            )
            lab.eventually(
                lambda: line.ip("link", "set", "line", "up", check=False).returncode == 0
            )
            line.run(
                "sysctl",
                "-qw",
                "net.ipv4.ip_forward=1",
                "net.ipv4.conf.all.rp_filter=0",
                "net.ipv4.conf.line.rp_filter=0",
            )
            line.ip("route", "add", "default", "dev", "line", "table", "100")
            for host, number, other in ((one, 1, 2), (two, 2, 1)):
                end, inside = self.world.link(
                    host, line, [f"10.66.{number}.1/24"], [f"10.66.{number}.2/24"]
                )
                line.run("sysctl", "-qw", f"net.ipv4.conf.{inside}.rp_filter=0")
                line.ip("rule", "add", "iif", inside, "lookup", "100")
                host.ip(
                    "route", "add", f"10.66.{other}.0/24", "via", f"10.66.{number}.2", "dev", end
                )
            self.one, self.two = one, two
            self.address = self.tunnel(binary) if binary else "10.66.2.1"
            lab.eventually(lambda: one.reaches(self.address), seconds=20)
        except BaseException:
            self.world.end()
            raise

    def tunnel(self, binary):
        ends = [self.world.daemon(host, binary, level="error") for host in (self.one, self.two)]
        for number, (end, other) in enumerate((ends, ends[::-1]), 1):
            end.set(
                "listen-port",
                "51820",
                "peer",
                other.public,
                "allowed-ips",
                f"10.77.0.{3 - number}/32",
                "endpoint",
                f"10.66.{3 - number}.1:51820",
            )
            end.up(f"10.77.0.{number}/24")
        return "10.77.0.2"

    def throughput(self, seconds, congestion_control):
        use_congestion_control(congestion_control, self.one, self.two)
        report = lab.iperf(self.one, self.two, self.address, "-P", str(FLOWS), seconds=seconds)
        return report["end"]["sum_received"]["bits_per_second"] / 1e6


def candidates(program):
    others = {"wireguard-go": lab.find_rival("wireguard-go")}
    return {
        "no tunnel": None,
        "wireguard-cpp": program,
        **{name: binary for name, binary in others.items() if binary},
    }


def measure(program, generator, binaries, seconds, rounds, congestion_control="reno"):
    """Mbit/s of each round, by the name in `binaries`; a binary of None is the line without a
    tunnel."""
    rows = {name: [] for name in binaries}
    for seed in range(1, rounds + 1):
        for name, binary in binaries.items():
            line = Line(program, generator, binary, seed)
            try:
                rows[name].append(line.throughput(seconds, congestion_control))
            finally:
                line.world.end()
    return rows


def table(rows):
    plain = statistics.median(rows["no tunnel"])
    return (
        "| 2 % lost each way, 40 ms there and back | TCP (Reno), 8 flows, Mbit/s | to no tunnel "
        "|\n|---|---|---|\n"
        + "".join(
            f"| {name} | {statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f}) | "
            f"{statistics.median(values) / plain:.2f} |\n"
            for name, values in rows.items()
        )
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", default="build/release/daemon/wireguard-cpp")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--congestion-control", default="reno")
    arguments = parser.parse_args()
    program = os.path.abspath(arguments.program)
    generator = beside(program, "wg-line")
    print(
        table(
            measure(
                program,
                generator,
                candidates(program),
                arguments.seconds,
                arguments.rounds,
                arguments.congestion_control,
            )
        )
    )


if __name__ == "__main__":
    main()
