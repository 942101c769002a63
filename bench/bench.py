#!/usr/bin/python3
"""Measures tunnels side by side, on this machine, in one run.

Two network namespaces on one veth, the same program at both ends (or a mixed pair). Rounds are
interleaved: each round measures every program once, so that a machine whose speed drifts drifts for
all of them. The median counts; minimum and maximum stand beside it. CPU is that of both daemons,
from /proc, for each GB that arrived.

With --write the table, a picture and the numbers go to docs/performance/.
"""

import argparse
import dataclasses
import json
import os
import re
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from bench import crowd, flood, instructions, lossy  # noqa: E402
from bench.measuring import (
    ask,
    beside,
    cpu_seconds,
    memory_mib,
    percentile,
    use_congestion_control,
)  # noqa: E402
from tests.netns import lab  # noqa: E402

MEASURES = {
    # name: (unit, larger is better)
    "tcp": ("Gbit/s", True),
    "tcp reverse": ("Gbit/s", True),
    "tcp x 4": ("Gbit/s", True),
    "tcp over IPv6": ("Gbit/s", True),
    "tcp, Reno": ("Gbit/s", True),
    "tcp reverse, Reno": ("Gbit/s", True),
    "tcp x 4, Reno": ("Gbit/s", True),
    "tcp, MTU 8920": ("Gbit/s", True),
    "tcp cpu": ("CPU s/GB", False),
    "tcp cpu, Reno": ("CPU s/GB", False),
    "short connections": ("1/s", True),
    "udp 1372": ("kpps", True),
    "udp 1372 at half of it, lost": ("%", False),
    "udp 64": ("kpps", True),
    "round trip": ("ms", False),
    "round trip under load p50": ("ms", False),
    "round trip under load p99": ("ms", False),
    "round trip under UDP p50": ("ms", False),
    "round trip under UDP p99": ("ms", False),
    "start": ("ms", False),
    "memory at start": ("MiB", False),
    "memory under load": ("MiB", False),
}


ATTEMPTS = 3
RIVALS = ("wireguard-go", "boringtun-cli", "gotatun")


@dataclasses.dataclass
class Candidate:
    """What is measured: the programs at both ends, and how they are started. Without programs:
    the veth alone."""

    binaries: tuple = ()
    arguments: tuple = ()
    environment: dict = dataclasses.field(default_factory=dict)


class Run:
    """One round of one candidate."""

    def __init__(self, program, candidate, seconds):
        self.program, self.candidate, self.seconds = program, candidate, seconds
        self.binaries = candidate.binaries
        self.values = {}

    def pair(self, world, **options):
        return world.pair(
            binaries=self.binaries,
            level="error",
            arguments=self.candidate.arguments,
            envs=(self.candidate.environment, self.candidate.environment),
            **options,
        )

    def measure(self):
        for part in [self.in_world] + (
            [self.over_ipv6, self.with_large_packets] if self.binaries else []
        ):
            self.attempt(part)
        return self.values

    def attempt(self, part):
        """A daemon that ends by itself is no reason to lose all that was measured: some do so
        now and then as they start."""
        for attempt in range(ATTEMPTS):
            world = lab.World(self.program)
            try:
                return part(world)
            except (AssertionError, KeyError, subprocess.TimeoutExpired) as error:
                reason = str(error).splitlines()[0]
                print(
                    f"\n{part.__name__}, {' + '.join(self.binaries) or 'veth alone'}: attempt "
                    f"{attempt + 1} failed: {reason}",
                    file=sys.stderr,
                )
            finally:
                world.end()

    def in_world(self, world):
        if not self.binaries:
            one, two = world.host("one"), world.host("two")
            world.link(one, two, ["10.77.0.1/24", "fd77::1/64"], ["10.77.0.2/24", "fd77::2/64"])
            return self.throughput(one, two, [])
        a, b = self.pair(world)
        self.values["start"] = self.start_time(world)
        self.values["memory at start"] = memory_mib(a)
        lab.eventually(lambda: a.host.reaches("10.77.0.2"), seconds=20)
        self.throughput(a.host, b.host, [a, b])
        self.values["memory under load"] = max(memory_mib(a), memory_mib(b))

    def over_ipv6(self, world):
        a, b = self.pair(world, outside=6)
        lab.eventually(lambda: a.host.reaches("10.77.0.2"), seconds=20)
        self.values["tcp over IPv6"] = self.tcp(a.host, b.host)

    def with_large_packets(self, world):
        def jumbo(one, two, ends):
            for host, end in zip((one, two), ends):
                host.ip("link", "set", end, "mtu", "9000")

        a, b = self.pair(world, mtu=8920, prepare=jumbo)
        lab.eventually(lambda: a.host.reaches("10.77.0.2"), seconds=20)
        self.values["tcp, MTU 8920"] = self.tcp(a.host, b.host)

    def start_time(self, world):
        """From exec until the socket answers."""
        host = world.hosts[0]
        name = world.unique("ws")
        began = time.monotonic()
        process = subprocess.Popen(
            host.command(self.binaries[0], *lab.foreground_options(self.binaries[0]), name),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "silent"},
        )
        world.processes.append(process)
        path = f"/var/run/wireguard/{name}.sock"
        import socket

        while time.monotonic() - began < 5:
            client = socket.socket(socket.AF_UNIX)
            try:
                client.connect(path)
                break
            except OSError:
                time.sleep(0.0005)
            finally:
                client.close()
        took = (time.monotonic() - began) * 1000
        process.terminate()
        process.wait(5)
        return took

    def tcp(self, one, two, *options):
        report = lab.iperf(one, two, "10.77.0.2", *options, seconds=self.seconds)
        return report["end"]["sum_received"]["bits_per_second"] / 1e9

    def throughput(self, one, two, daemons):
        self.all_ways_of_tcp(one, two, daemons)
        # Reno stands for what does not pace: Cubic is the same where nothing is lost, but only Reno
        # may be chosen everywhere.
        use_congestion_control("reno", one, two)
        self.all_ways_of_tcp(one, two, daemons, ", Reno")
        use_congestion_control(congestion_control(), one, two)
        self.values["short connections"] = self.connections(one, two)
        for size in (1372, 64):
            report = lab.iperf(
                one, two, "10.77.0.2", "-u", "-b", "0", "-l", str(size), seconds=self.seconds
            )
            got = report["end"]["sum"]["packets"] - report["end"]["sum"]["lost_packets"]
            self.values[f"udp {size}"] = max(got, 0) / self.seconds / 1000
        half = self.values["udp 1372"] * 1000 / 2 * 1372 * 8
        report = lab.iperf(
            one,
            two,
            "10.77.0.2",
            "-u",
            "-b",
            f"{half:.0f}",
            "-l",
            "1372",
            "-w",
            "2M",
            seconds=self.seconds,
        )
        self.values["udp 1372 at half of it, lost"] = report["end"]["sum"]["lost_percent"]
        self.values["round trip"] = statistics.median(self.round_trips(one, 100, 0.005))
        for load, options in (("load", ()), ("UDP", ("-u", "-b", "0", "-l", "1372"))):
            trips = self.round_trips_under(one, two, *options)
            self.values[f"round trip under {load} p50"] = percentile(trips, 0.5)
            self.values[f"round trip under {load} p99"] = percentile(trips, 0.99)

    def all_ways_of_tcp(self, one, two, daemons, suffix=""):
        before = cpu_seconds(daemons)
        received = lab.iperf(one, two, "10.77.0.2", seconds=self.seconds)["end"]["sum_received"]
        self.values[f"tcp{suffix}"] = received["bits_per_second"] / 1e9
        if daemons:
            self.values[f"tcp cpu{suffix}"] = (cpu_seconds(daemons) - before) / (
                received["bytes"] / 1e9
            )
        self.values[f"tcp reverse{suffix}"] = self.tcp(one, two, "-R")
        self.values[f"tcp x 4{suffix}"] = self.tcp(one, two, "-P", "4")

    def connections(self, one, two):
        client = beside(self.program, "wg-connections")
        server = two.start(client, "--serve", "7777")
        lab.eventually(lambda: ":7777" in two.run("ss", "-Hltn").stdout)
        report = one.run(
            client,
            "--to",
            "10.77.0.2",
            "--port",
            "7777",
            "--seconds",
            str(self.seconds),
            timeout=60,
        ).stdout
        server.terminate()
        server.wait(5)
        return int(report.split()[0])

    def round_trips_under(self, one, two, *options):
        load = lab.iperf_server(two)
        client = one.start("iperf3", "-c", "10.77.0.2", "-t", str(self.seconds + 1), *options)
        time.sleep(0.5)
        trips = self.round_trips(one, int(self.seconds * 100), 0.01)
        client.wait(20)
        load.wait(20)
        return trips

    @staticmethod
    def round_trips(host, count, interval):
        output = host.ping("10.77.0.2", count, check=False, interval=interval, wait=1).stdout
        return [float(value) for value in re.findall(r"time=([\d.]+)", output)] or [float("nan")]


def scale(program, peers):
    """A tunnel at work among so many other peers, at both its ends: configured and listed over
    UAPI."""
    others = (
        "set=1\n"
        + "".join(
            f"public_key={os.urandom(32).hex()}\n"
            f"allowed_ip=10.{100 + (i >> 16)}.{i >> 8 & 255}.{i & 255}/32\n"
            for i in range(peers)
        )
        + "\n"
    )
    world = lab.World(program)
    try:
        a, b = world.pair(level="error")
        before = memory_mib(a)
        configured = max(ask(end.interface, others)[1] for end in (a, b))
        grown = memory_mib(a) - before
        lines, listed = ask(a.interface, "get=1\n\n")
        assert len(lines) >= peers * 8
        idle = cpu_seconds([a, b])
        time.sleep(3)
        idle = cpu_seconds([a, b]) - idle
        lab.eventually(lambda: a.host.reaches("10.77.0.2"), seconds=20)
        speeds = [
            lab.iperf(a.host, b.host, "10.77.0.2", seconds=3)["end"]["sum_received"][
                "bits_per_second"
            ]
            / 1e9
            for _ in range(3)
        ]
        return {
            "peers": peers,
            "configured s": round(configured, 3),
            "listed s": round(listed, 3),
            "KiB a peer": round(grown * 1024 / peers, 2) if peers > 100 else None,
            "idle CPU %": round(100 * idle / 3, 1),
            "busy peer Gbit/s": round(statistics.median(speeds), 2),
        }
    finally:
        world.end()


def table(results, order):
    baseline = "wireguard-go" if "wireguard-go" in results else None
    rivals = [program for program in order if program in RIVALS]
    header = (
        ["measure", *order]
        + (["ours / wireguard-go"] if baseline else [])
        + (["ours / the best of the others"] if rivals else [])
    )
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for name, (unit, larger_is_better) in MEASURES.items():
        cells = []
        for program in order:
            values = results[program].get(name)
            cells.append(
                f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"
                if values
                else "–"
            )
        if baseline:
            ours, theirs = results["wireguard-cpp"].get(name), results[baseline].get(name)
            cells.append(
                f"{statistics.median(ours) / statistics.median(theirs):.2f}"
                if ours and theirs and statistics.median(theirs)
                else "–"
            )
        if rivals:
            ours = results["wireguard-cpp"].get(name)
            medians = [
                statistics.median(results[rival][name])
                for rival in rivals
                if results[rival].get(name)
            ]
            best = (max if larger_is_better else min)(medians, default=0)
            cells.append(f"{statistics.median(ours) / best:.2f}" if ours and best else "–")
        lines.append(f"| {name}, {unit} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def picture(results, order, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = ["tcp", "tcp x 4", "tcp cpu", "udp 1372", "udp 64", "round trip"]
    figure, axes = plt.subplots(2, 3, figsize=(12, 6))
    for axis, name in zip(axes.flat, shown):
        programs = [program for program in order if results[program].get(name)]
        medians = [statistics.median(results[program][name]) for program in programs]
        spread = [
            [m - min(results[p][name]) for p, m in zip(programs, medians)],
            [max(results[p][name]) - m for p, m in zip(programs, medians)],
        ]
        colours = ["#1b7837" if program == "wireguard-cpp" else "#999999" for program in programs]
        axis.barh(
            programs[::-1],
            medians[::-1],
            xerr=[s[::-1] for s in spread],
            color=colours[::-1],
            ecolor="#444444",
            capsize=3,
        )
        axis.set_title(f"{name}, {MEASURES[name][0]}")
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path + ".svg")
    figure.savefig(path + ".png", dpi=110)


def scales(program, arguments):
    rows = [scale(program, int(count)) for count in arguments.peers.split(",")]
    text = (
        "| other peers | configured, s | listed, s | memory, KiB a peer | CPU of both ends, idle, "
        "% | TCP of one busy peer among them, Gbit/s |\n"
        "|---|---|---|---|---|---|\n"
        + "".join(
            f"| {row['peers']} | {row['configured s']} | {row['listed s']} | "
            f"{row['KiB a peer'] or '–'} | {row['idle CPU %']} | {row['busy peer Gbit/s']} |\n"
            for row in rows
        )
    )
    crowds = [
        crowd.measure(program, beside(program, "wg-crowd"), count)
        for count in (100, 10_000, 100_000)
    ]
    helped = crowd.measure_help(program, beside(program, "wg-crowd"), 5)
    return text + "\n" + crowd.table(crowds) + "\n\n" + crowd.help_table(helped), {
        "scale": rows,
        "crowd": crowds,
        "help": helped,
    }


def pieces(program, _arguments):
    """Of what the packet path is made, each alone: time, and instructions where valgrind is at
    hand."""
    micro = beside(program, "wg-micro")
    counts = instructions.count(micro)
    lines = [
        line.split()
        for line in lab.run(micro, timeout=120).stdout.splitlines()
        if not line.startswith("#")
    ]
    text = "| piece of the packet path | | instructions (AEAD: AVX2) |\n|---|---|---|\n" + "".join(
        f"| {name} | {value} {unit} | {f'{counts[name]:.0f}' if name in counts else '–'} |\n"
        for name, value, unit in lines
    )
    aead = lab.run(beside(program, "wg-aead-table"), timeout=120).stdout
    return text + aead, {
        "pieces": {
            name: {unit: float(value), "instructions": counts.get(name)}
            for name, value, unit in lines
        }
    }


def floods(program, arguments):
    rows = flood.measure(
        program,
        program,
        beside(program, "wg-flood"),
        (20_000, 100_000),
        (1, 2000),
        arguments.seconds,
        arguments.rounds,
        3,
    )
    return flood.table(rows, "wireguard-cpp"), {"floods": rows}


def bad_line(program, arguments):
    rows = lossy.measure(program, beside(program, "wg-line"), lossy.candidates(program), 10, 3)
    return lossy.table(rows), {"bad line": rows}


def congestion_control():
    with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii") as file:
        return file.read().strip()


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        model = re.search(r"model name\s*: (.*)", file.read())[1]
    commit = lab.run("git", "-C", ROOT, "rev-parse", "--short", "HEAD").stdout.strip()
    dirty = "+" if lab.run("git", "-C", ROOT, "status", "--porcelain").stdout.strip() else ""
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "kernel": os.uname().release,
        "tcp": congestion_control(),
        "commit": commit + dirty,
        "date": time.strftime("%Y-%m-%d"),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", default="build/release/daemon/wireguard-cpp")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--before", help="another build of the program, to be measured beside it")
    parser.add_argument("--only", help="comma-separated names of programs")
    parser.add_argument(
        "--peers", default="1,1000,10000,100000", help="peer counts for the scale table"
    )
    parser.add_argument(
        "--parts",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure scale, the pieces of the packet path, floods of handshake initiations "
        "and a bad line as well",
    )
    parser.add_argument(
        "--write", action="store_true", help="write docs/performance/results.{md,json,svg,png}"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    program = os.path.abspath(arguments.program)

    candidates = {"wireguard-cpp": Candidate((program, program))}
    if arguments.before:
        before = os.path.abspath(arguments.before)
        candidates["before"] = Candidate((before, before))
    for name in RIVALS:
        path = lab.find_rival(name)
        if path:
            candidates[name] = Candidate((path, path))
        else:
            print(f"left out: {name} is not installed (make peers)", file=sys.stderr)
    if "wireguard-go" in candidates:
        candidates["ours to wireguard-go"] = Candidate(
            (program, candidates["wireguard-go"].binaries[0])
        )
    candidates["ours, AEAD by the library"] = Candidate(
        (program, program), environment={"WG_AEAD": "library"}
    )
    candidates["ours over TCP"] = Candidate((program, program), ("-n", "tcp"))
    candidates["veth alone"] = Candidate()
    if arguments.only:
        candidates = {
            name: candidate
            for name, candidate in candidates.items()
            if name in arguments.only.split(",")
        }

    results = {name: {} for name in candidates}
    steps = arguments.rounds * len(candidates)
    done = 0
    for _ in range(arguments.rounds):
        for name, candidate in candidates.items():
            width = 30 * done // steps
            print(
                f"\r[{'#' * width}{' ' * (30 - width)}] {done}/{steps} {name:24}",
                end="",
                file=sys.stderr,
                flush=True,
            )
            for measure, value in Run(program, candidate, arguments.seconds).measure().items():
                results[name].setdefault(measure, []).append(value)
            done += 1
    print("\r" + " " * 70 + "\r", end="", file=sys.stderr)

    facts = machine()
    order = list(candidates)
    everything = {
        "machine": facts,
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "results": results,
    }
    text = (
        f"Machine: {facts['cpu']}, {facts['cpus']} CPUs, kernel {facts['kernel']}, TCP's "
        f"congestion control {facts['tcp']} where nothing else is said;\n"
        f"commit {facts['commit']}, {facts['date']}; medians\n"
        f"(minimum–maximum) of {arguments.rounds} interleaved rounds of {arguments.seconds} s.\n\n"
        + table(results, order)
        + "\n"
    )
    for part in [scales, pieces, floods, bad_line] if arguments.parts else []:
        more, rows = part(program, arguments)
        text += "\n" + more + "\n"
        everything.update(rows)
    print(json.dumps(everything, indent=1) if arguments.json else text)
    if arguments.write:
        folder = os.path.join(ROOT, "docs", "performance")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "results.md"), "w", encoding="utf-8") as file:
            file.write(
                "# Measured\n\n`sudo make bench ARGS=--write` wrote this page.\n\n"
                + text
                + "\n![The same as a picture](results.svg)\n"
            )
        with open(os.path.join(folder, "results.json"), "w", encoding="utf-8") as file:
            json.dump(everything, file, indent=1)
        picture(results, order, os.path.join(folder, "results"))


if __name__ == "__main__":
    main()
