#!/usr/bin/python3
"""A flood of handshake initiations while a tunnel works: what it costs, and whether an honest
newcomer still gets in.

    honest ──veth── responder ──veth── friend (the tunnel that works)
                        │
                       veth ── attacker: initiations with a valid mac1, from one or 2,000 sources

The same flood on a port that only a silent socket holds shows what the network and the kernel cost;
the share of that throughput which is left when the flood hits the tunnel's own port is what the
responder is answerable for.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from bench.measuring import beside  # noqa: E402
from tests.netns import lab  # noqa: E402

SILENT_PORT = 9


class Stage:
    """The hosts of one measurement; the responder runs `binary`."""

    def __init__(self, program, binary, generator, seconds):
        self.generator, self.seconds = generator, seconds
        self.world = lab.World(program)
        try:
            self.friend, self.responder = self.world.pair(binaries=(program, binary), level="error")
            self.attacker = self.world.host("attacker")
            self.world.link(self.attacker, self.responder.host, ["10.50.0.1/30"], ["10.50.0.2/30"])
            self.attacker.ip("link", "set", "lo", "up")
            self.attacker.ip("route", "add", "local", "10.51.0.0/16", "dev", "lo")
            self.responder.host.ip("route", "add", "10.51.0.0/16", "via", "10.50.0.1")
            lab.hold_udp_port(self.responder.host, SILENT_PORT)
            lab.eventually(lambda: self.friend.host.reaches("10.77.0.2"), seconds=20)
        except BaseException:
            self.world.end()
            raise

    def flood(self, port, rate, sources, seconds):
        return self.attacker.start(
            self.generator,
            "--key",
            self.responder.public,
            "--to",
            "10.50.0.2",
            "--port",
            str(port),
            "--first-source",
            "10.51.1.0",
            "--sources",
            str(sources),
            "--rate",
            str(rate),
            "--seconds",
            str(seconds),
            output=subprocess.PIPE,
        )

    def throughput(self, port, rate, sources):
        """Gbit/s of one TCP stream through the tunnel, and how many initiations a second really
        left."""
        attack = self.flood(port, rate, sources, self.seconds + 1.5)
        time.sleep(0.5)
        report = lab.iperf(self.friend.host, self.responder.host, "10.77.0.2", seconds=self.seconds)
        sent = int(attack.communicate()[0] or 0)
        return report["end"]["sum_received"]["bits_per_second"] / 1e9, sent / (self.seconds + 1.5)

    def newcomer(self, program, rate, sources, number):
        """Seconds until somebody new gets its first answer through the tunnel."""
        host = self.world.host(f"honest{number}")
        self.world.link(
            host, self.responder.host, [f"10.52.{number}.1/30"], [f"10.52.{number}.2/30"]
        )
        peer = self.world.daemon(host, program, level="error")
        self.responder.set("peer", peer.public, "allowed-ips", f"10.78.{number}.1/32")
        self.responder.host.ip(
            "route", "add", f"10.78.{number}.1/32", "dev", self.responder.interface
        )
        peer.set(
            "peer",
            self.responder.public,
            "allowed-ips",
            "10.77.0.2/32",
            "endpoint",
            f"10.52.{number}.2:51820",
        )
        attack = self.flood(51820, rate, sources, 30)
        time.sleep(1)
        peer.up(f"10.78.{number}.1/32")
        host.ip("route", "add", "10.77.0.2/32", "dev", peer.interface)
        began = time.monotonic()
        answered = None
        while answered is None and time.monotonic() - began < 25:
            if (
                host.run("ping", "-c", "1", "-W", "1", "-q", "10.77.0.2", check=False).returncode
                == 0
            ):
                answered = time.monotonic() - began
        attack.terminate()
        attack.wait()
        return answered


def measure(program, binary, generator, rates, sources, seconds, rounds, newcomers):
    rows = []
    for rate in rates:
        for count in sources:
            stage = Stage(program, binary, generator, seconds)
            try:
                shares, reached = [], []
                for _ in range(rounds):
                    silent, _ = stage.throughput(SILENT_PORT, rate, count)
                    hit, really = stage.throughput(51820, rate, count)
                    shares.append(hit / silent)
                    reached.append(really)
                waits = [
                    stage.newcomer(program, rate, count, number) for number in range(newcomers)
                ]
            finally:
                stage.world.end()
            rows.append(
                {
                    "rate": rate,
                    "sources": count,
                    "really": statistics.median(reached),
                    "kept": shares,
                    "newcomers": waits,
                }
            )
    return rows


def table(rows, name):
    lines = [
        f"| flood of {name}, initiations/s | sources | TCP kept, of the same flood on a silent "
        "port | a newcomer's first answer after, s |",
        "|---|---|---|---|",
    ]
    for row in rows:
        median, least, most = (100 * pick(row['kept']) for pick in (statistics.median, min, max))
        kept = f"{median:.0f} % ({least:.0f}–{most:.0f})"
        waits = ", ".join(
            "never (25 s)" if wait is None else f"{wait:.1f}" for wait in row["newcomers"]
        )
        lines.append(
            f"| {row['rate']} (sent: {row['really']:.0f}) | {row['sources']} | {kept} | {waits} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", default="build/release/daemon/wireguard-cpp")
    parser.add_argument("--responder", help="another WireGuard to flood instead of ours")
    parser.add_argument("--rates", default="20000,100000")
    parser.add_argument("--sources", default="1,2000")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--newcomers", type=int, default=3)
    arguments = parser.parse_args()
    program = os.path.abspath(arguments.program)
    generator = beside(program, "wg-flood")
    binary = os.path.abspath(arguments.responder) if arguments.responder else program
    numbers = [
        [int(word) for word in text.split(",")] for text in (arguments.rates, arguments.sources)
    ]
    print(
        table(
            measure(
                program,
                binary,
                generator,
                *numbers,
                arguments.seconds,
                arguments.rounds,
                arguments.newcomers,
            ),
            os.path.basename(binary),
        )
    )


if __name__ == "__main__":
    main()
