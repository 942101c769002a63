"""Network namespaces, links between them, daemons in them. Processes are ended by pid, names are
unique, all of it goes."""

import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass

RIVAL_FOLDERS = ["/usr/local/lib/wireguard-cpp-peers", "/usr/local/bin", "/usr/bin"]


def find_rival(name):
    for folder in [os.environ.get("WG_PEERS", "")] + RIVAL_FOLDERS:
        path = os.path.join(folder, name)
        if folder and os.access(path, os.X_OK):
            return path
    return shutil.which(name)


def foreground_options(binary):
    """How that WireGuard is kept in the foreground, as root."""
    drops_privileges = os.path.basename(binary) in ("boringtun-cli", "gotatun")
    return ["-f", "--disable-drop-privileges"] if drops_privileges else ["-f"]


def run(*command, check=True, **options):
    """Runs a command; its output is in the failure."""
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=options.pop("timeout", 60), **options
    )
    if check and result.returncode != 0:
        raise AssertionError(
            f"{' '.join(command)}: exit {result.returncode}\n{result.stdout}{result.stderr}"
        )
    return result


def eventually(condition, seconds=10, what="it did not happen"):
    """Waits for a condition, with a limit; returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} within {seconds} s")
        time.sleep(0.02)


def keypair():
    private = run("wg", "genkey").stdout.strip()
    return private, run("wg", "pubkey", input=private).stdout.strip()


@dataclass
class Peer:
    """One end of a tunnel: a daemon in a namespace and its interface."""

    host: "Host"
    interface: str
    process: subprocess.Popen
    private: str
    public: str
    log: str

    def wg(self, *arguments, check=True):
        return self.host.run("wg", *arguments, check=check)

    def set(self, *arguments):
        return self.wg("set", self.interface, *arguments)

    def show(self, what):
        return self.wg("show", self.interface, what).stdout

    def up(self, *addresses, mtu=None):
        for address in addresses:
            self.host.ip(
                "address",
                "add",
                address,
                "dev",
                self.interface,
                *(["nodad"] if ":" in address else []),
            )
        if mtu:
            self.host.ip("link", "set", self.interface, "mtu", str(mtu))
        self.host.ip("link", "set", self.interface, "up")

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def ended(self):
        return self.process.poll() is not None


class Host:
    """A network namespace."""

    def __init__(self, world, name):
        self.world = world
        self.name = name
        run("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")
        self.run(
            "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0"
        )

    def command(self, *command):
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, *command, **options):
        return run(*self.command(*command), **options)

    def ip(self, *arguments, check=True):
        return run("ip", "-n", self.name, *arguments, check=check)

    def start(self, *command, env=None, output=subprocess.DEVNULL, stdin=subprocess.DEVNULL):
        """Starts a process that ends with the world."""
        process = subprocess.Popen(
            self.command(*command),
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            stdin=stdin,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        self.world.processes.append(process)
        return process

    def ping(self, address, count=3, check=True, size=None, interval=0.05, wait=2):
        options = ["-s", str(size), "-M", "do"] if size else []
        return self.run(
            "ping",
            "-c",
            str(count),
            "-i",
            str(interval),
            "-W",
            str(wait),
            *options,
            address,
            check=check,
        )

    def reaches(self, address):
        return self.ping(address, count=1, check=False, wait=1).returncode == 0


def is_hasty(binary):
    """GotaTun 0.10 may end ("channel closed") if it is configured while it starts: it gets time,
    and more than one attempt."""
    return os.path.basename(binary or "") == "gotatun"


class World:
    def __init__(self, program):
        self.program = program
        self.folder = tempfile.mkdtemp(prefix="wgcpp-test-")
        self.tag = os.path.basename(self.folder)[-6:].replace("_", "x")
        self.hosts = []
        self.processes = []
        self.names = 0

    # ---- Making

    def unique(self, prefix):
        self.names += 1
        return f"{prefix}{self.names}{self.tag}"[:15]

    def host(self, label):
        made = Host(self, f"wgcpp-{label}-{self.tag}")
        self.hosts.append(made)
        return made

    def link(self, one, two, addresses_one, addresses_two):
        """A veth between two hosts; returns the names of its ends."""
        end_one, end_two = self.unique("va"), self.unique("vb")
        run(
            "ip",
            "link",
            "add",
            end_one,
            "netns",
            one.name,
            "type",
            "veth",
            "peer",
            "name",
            end_two,
            "netns",
            two.name,
        )
        for host, end, addresses in ((one, end_one, addresses_one), (two, end_two, addresses_two)):
            for address in addresses:
                host.ip(
                    "address", "add", address, "dev", end, *(["nodad"] if ":" in address else [])
                )
            host.ip("link", "set", end, "up")
        return end_one, end_two

    def key_file(self, key):
        path = os.path.join(self.folder, self.unique("key"))
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(key)
        return path

    def daemon(self, host, binary=None, interface=None, env=None, arguments=(), level="debug"):
        """Starts a WireGuard in the foreground and waits for its socket."""
        interface = interface or self.unique("wg")
        binary = binary or self.program
        log = os.path.join(self.folder, interface + ".log")
        options = foreground_options(binary)
        with open(log, "w", encoding="utf-8") as output:
            process = host.start(
                binary,
                *options,
                *arguments,
                interface,
                env={"LOG_LEVEL": level, "WG_PROCESS_FOREGROUND": "1", **(env or {})},
                output=output,
            )
        private, public = keypair()
        peer = Peer(host, interface, process, private, public, log)

        def answers():
            if process.poll() is not None:
                raise AssertionError(f"{binary} ended with {process.returncode}: {peer.log_text()}")
            # Not by wg(8): it removes a socket that is bound and does not listen yet, and then some
            # daemons end.
            with socket.socket(socket.AF_UNIX) as client:
                listens = client.connect_ex(f"/var/run/wireguard/{interface}.sock") == 0
            return listens and host.ip("link", "show", interface, check=False).returncode == 0

        eventually(answers, what=f"{binary} did not answer")
        if is_hasty(binary):
            time.sleep(0.5)
        peer.set("private-key", self.key_file(private))
        return peer

    def pair(
        self,
        binaries=(None, None),
        outside=4,
        preshared=False,
        keepalive=None,
        mtu=None,
        prepare=None,
        level="debug",
        envs=(None, None),
        arguments=(),
    ):
        """Two hosts, a veth, a daemon on each, and a tunnel between them. Inside: 10.77.0.1/2 and
        fd77::1/2.

        one  10.66.0.1 / fd66::1  ──veth──  10.66.0.2 / fd66::2  two
        """
        one, two = self.host("one"), self.host("two")
        ends = self.link(one, two, ["10.66.0.1/24", "fd66::1/64"], ["10.66.0.2/24", "fd66::2/64"])
        if prepare:
            prepare(one, two, ends)
        attempts = 6 if any(is_hasty(binary) for binary in binaries) else 1
        while True:
            started = len(self.processes)
            try:
                return self.tunnel(
                    one, two, binaries, outside, preshared, keepalive, mtu, level, envs, arguments
                )
            except AssertionError:
                attempts -= 1
                if attempts == 0:
                    raise
                for process in self.processes[started:]:
                    process.terminate()
                    process.wait(5)

    def tunnel(
        self, one, two, binaries, outside, preshared, keepalive, mtu, level, envs, arguments
    ):
        a, b = (
            self.daemon(host, binary, level=level, env=env, arguments=arguments)
            for host, binary, env in zip((one, two), binaries, envs)
        )
        shared = (
            ["preshared-key", self.key_file(run("wg", "genpsk").stdout.strip())]
            if preshared
            else []
        )
        alive = ["persistent-keepalive", str(keepalive)] if keepalive else []
        endpoint = "10.66.0.2:51820" if outside == 4 else "[fd66::2]:51820"
        a.set(
            "peer",
            b.public,
            *shared,
            "allowed-ips",
            "10.77.0.2/32,fd77::2/128",
            "endpoint",
            endpoint,
            *alive,
        )
        b.set(
            "listen-port",
            "51820",
            "peer",
            a.public,
            *shared,
            "allowed-ips",
            "10.77.0.1/32,fd77::1/128",
        )
        b.up("10.77.0.2/24", "fd77::2/64", mtu=mtu)  # first: it is the one that answers
        a.up("10.77.0.1/24", "fd77::1/64", mtu=mtu)
        return a, b

    # ---- The end

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for host in self.hosts:
            pids = run("ip", "netns", "pids", host.name, check=False).stdout.split()
            for pid in pids:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            run("ip", "netns", "delete", host.name, check=False)
        for left in glob.glob(
            f"/var/run/wireguard/*{self.tag}*.sock"
        ):  # of daemons that were killed, and of other WireGuards
            os.unlink(left)
        shutil.rmtree(self.folder, ignore_errors=True)


def hold_udp_port(host, port):
    """A program of the host's that holds the port, and reads nothing."""
    holder = host.start(
        "/usr/bin/python3",
        "-c",
        "import socket,time; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); "
        f"s.bind(('',{port})); time.sleep(600)",
    )
    eventually(lambda: f":{port} " in host.run("ss", "-Hlun").stdout, what=f"no {port}")
    return holder


def iperf_server(host):
    """An iperf3 that listens, for one client."""
    server = host.start("iperf3", "-s", "-1")
    eventually(lambda: ":5201" in host.run("ss", "-Hltn").stdout, what="iperf3 did not listen")
    return server


def iperf(client, server, address, *options, seconds=2):
    """Runs iperf3 between two hosts and returns its report."""
    import json

    listening = iperf_server(server)
    report = client.run(
        "iperf3", "-c", address, "-t", str(seconds), "-J", *options, timeout=seconds + 30
    )
    listening.wait(10)
    return json.loads(report.stdout)


def received_bytes(report):
    end = report["end"]
    return end.get("sum_received", end.get("sum"))["bytes"]
