"""The tunnel over TCP: both families, restarts, strangers, and lines that cut, stall, split and
merge."""

import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.netns.lab import eventually, iperf, iperf_server, received_bytes, run

TCP = ("-n", "tcp")


def connections(host, state="established"):
    """Of the tunnel's port, seen from that host; without those of iperf3 through the tunnel."""
    lines = host.run("ss", "-Htn", "state", state).stdout.splitlines()
    return [line for line in lines if ":51820" in line]


@pytest.mark.parametrize("network, outside", [("tcp", 4), ("tcp", 6), ("tcp4", 4), ("tcp6", 6)])
def test_traffic_both_ways(world, network, outside):
    a, b = world.pair(arguments=("-n", network), outside=outside, preshared=True)
    a.host.ping("10.77.0.2")
    b.host.ping("fd77::1")
    for way in ([], ["-R"], ["-u", "-b", "50M"]):
        assert received_bytes(iperf(a.host, b.host, "10.77.0.2", *way, seconds=1)) > 2_000_000
    assert len(connections(a.host)) == 1
    shown = b.show("endpoints").split()
    assert shown[1].startswith("10.66.0.1:" if outside == 4 else "[fd66::1]:")
    assert int(shown[1].rsplit(":", 1)[1]) != 51820  # where it was accepted from
    for peer in (a, b):
        assert "error" not in peer.log_text()


def test_listen_port_0_only_dials(world):
    a, _ = world.pair(arguments=TCP)
    assert "listening port" not in a.host.run("wg", "show", a.interface).stdout
    assert not a.host.run("ss", "-Hltn").stdout.strip()
    a.host.ping("10.77.0.2")


def start_again(world, peer, other, *settings):
    """The same peer once more, as after a crash: same key, same settings."""
    again = world.daemon(peer.host, interface=peer.interface, arguments=TCP)
    again.private, again.public = peer.private, peer.public
    again.set("private-key", world.key_file(peer.private))
    again.set(*settings, "peer", other.public, "allowed-ips", "10.77.0.0/24")
    return again


def test_either_side_may_be_killed_and_come_back(world):
    a, b = world.pair(arguments=TCP)
    a.host.ping("10.77.0.2")
    b.process.kill()
    b.process.wait()
    eventually(lambda: "calling again" in a.log_text(), what="the broken stream was not noticed")
    b = start_again(world, b, a, "listen-port", "51820")
    b.up("10.77.0.2/24")
    eventually(lambda: a.host.reaches("10.77.0.2"), seconds=12)
    a.process.kill()
    a.process.wait()
    a = start_again(world, a, b)
    a.set("peer", b.public, "endpoint", "10.66.0.2:51820")
    a.up("10.77.0.1/24")
    eventually(lambda: a.host.reaches("10.77.0.2"), seconds=12)


def test_the_listener_is_killed_under_load(world):
    a, b = world.pair(arguments=TCP)
    a.host.ping("10.77.0.2")
    iperf_server(b.host)
    load = a.host.start("iperf3", "-c", "10.77.0.2", "-t", "20")
    time.sleep(1)
    b.process.kill()
    b.process.wait()
    eventually(lambda: "calling again" in a.log_text())
    assert a.process.poll() is None
    b = start_again(world, b, a, "listen-port", "51820")
    b.up("10.77.0.2/24")
    eventually(lambda: a.host.reaches("10.77.0.2"), seconds=12)
    load.terminate()


def test_both_dial_at_once_and_settle_on_one(world):
    one, two = world.host("one"), world.host("two")
    world.link(one, two, ["10.66.0.1/24"], ["10.66.0.2/24"])
    a, b = world.daemon(one, arguments=TCP), world.daemon(two, arguments=TCP)
    a.set(
        "listen-port",
        "51820",
        "peer",
        b.public,
        "allowed-ips",
        "10.77.0.2/32",
        "endpoint",
        "10.66.0.2:51820",
    )
    b.set(
        "listen-port",
        "51820",
        "peer",
        a.public,
        "allowed-ips",
        "10.77.0.1/32",
        "endpoint",
        "10.66.0.1:51820",
    )
    a.up("10.77.0.1/24")
    b.up("10.77.0.2/24")
    pings = [
        host.start("ping", "-c", "20", "-i", "0.1", address)
        for host, address in ((one, "10.77.0.2"), (two, "10.77.0.1"))
    ]
    for ping in pings:
        ping.wait(30)
    # The smaller address has dialled the connection that both use.
    assert a.show("endpoints").split()[1] == "10.66.0.2:51820"
    port = int(b.show("endpoints").split()[1].rsplit(":", 1)[1])
    eventually(lambda: a.host.reaches("10.77.0.2"))
    assert port != 51820 or len(connections(one)) == 1
    one.ping("10.77.0.2", count=10)
    two.ping("10.77.0.1", count=10)


def test_a_removed_peers_connection_and_dialling_end(world):
    a, b = world.pair(arguments=TCP)
    a.host.ping("10.77.0.2")
    assert len(connections(a.host)) == 1
    a.set("peer", b.public, "remove")
    eventually(lambda: not connections(a.host) and not connections(b.host))
    # One that nobody answers: the attempts end, too.
    a.set(
        "peer",
        b.public,
        "endpoint",
        "10.66.0.2:9",
        "allowed-ips",
        "10.77.0.2/32",
        "persistent-keepalive",
        "1",
    )
    eventually(lambda: a.log_text().count("10.66.0.2:9") > 3)
    a.set("peer", b.public, "remove")
    time.sleep(0.5)
    told = a.log_text().count("10.66.0.2:9")
    time.sleep(2.5)
    assert a.log_text().count("10.66.0.2:9") == told


def test_200_strangers_send_garbage_and_the_tunnel_does_not_mind(world):
    a, b = world.pair(arguments=TCP)
    a.host.ping("10.77.0.2")
    script = (
        "import os,socket,time\n"
        "open_=[]\n"
        "for i in range(200):\n"
        "  s=socket.create_connection(('10.66.0.2',51820)); s.setblocking(False); open_.append(s)\n"
        "  garbage=[os.urandom(5000), b'\\x94\\x00'+os.urandom(152), b'\\0'*9, "
        "b'\\xff\\xff'+b'x'*99, b'', b'\\x20'][i%6]\n"
        "  try: s.send(garbage)\n"
        "  except OSError: pass\n"
        "print('sent', flush=True)\n"
        "time.sleep(30)\n"
    )
    strangers = a.host.start(sys.executable, "-c", script, output=subprocess.PIPE)
    assert strangers.stdout.readline() == b"sent\n"
    pings = a.host.ping("10.77.0.2", count=20).stdout
    assert " 0% packet loss" in pings
    # 64 of one source at the most, and the tunnel's own.
    eventually(lambda: len(connections(b.host)) <= 65)
    # And none of them for long.
    eventually(
        lambda: len(connections(b.host)) == 1, seconds=15, what="strangers were not sent away"
    )
    a.host.ping("10.77.0.2")
    strangers.terminate()


def test_a_packet_that_no_frame_holds_is_lost_alone(world):
    """An interface may have an MTU of 65,535; a frame's message may have 65,530 bytes."""
    a, b = world.pair(arguments=TCP)
    for peer in (a, b):
        peer.host.run("ip", "link", "set", peer.interface, "mtu", "65535")
    a.host.ping("10.77.0.2")
    before = connections(a.host)
    too_long = a.host.run(
        "ping", "-c", "1", "-W", "1", "-M", "do", "-s", "65500", "10.77.0.2", check=False
    )
    assert too_long.returncode == 1 and "100% packet loss" in too_long.stdout
    a.host.run("ping", "-c", "3", "-W", "2", "-M", "do", "-s", "60000", "10.77.0.2")
    assert connections(a.host) == before
    assert "calling anew" not in a.log_text() and "frame" not in b.log_text()


def test_fwmark_is_on_what_streams_send(world):
    a, _ = world.pair(arguments=TCP)
    a.host.run(
        "nft",
        "add table ip t; add chain ip t out { type filter hook output priority 0; }; "
        "add rule ip t out tcp dport 51820 meta mark 0x77 counter",
    )
    a.set("fwmark", "0x77")  # also on the connection that is there already
    a.host.ping("10.77.0.2")
    packets = int(
        re.search(
            r"counter packets (\d+)", a.host.run("nft", "list", "table", "ip", "t").stdout
        ).group(1)
    )
    assert packets >= 3


PROXY = r"""
import random, selectors, socket, sys, time
mode, seed = sys.argv[1], int(sys.argv[2])
rng = random.Random(seed)
listener = socket.create_server(('127.0.0.1', 9000))
listener.setblocking(False)
print('ready', flush=True)
pairs = {}   # socket: [other, bytes that wait for the other, when they may go]
allowed = {}  # mode cut: bytes that a connection may still carry one way
while True:
    try:
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(('10.66.0.2', 51820))
            for one, other in ((client, server), (server, client)):
                one.setblocking(False)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                pairs[one] = [other, bytearray(), 0.0]
                # So that each connection gets something done.
                allowed[one] = rng.randrange(20_000, 80_000)
    except BlockingIOError:
        pass
    now = time.monotonic()
    for one in list(pairs):
        if one not in pairs:
            continue
        other, waiting, when = pairs[one]
        try:
            data = one.recv(65536)
            if not data:
                raise ConnectionError
            if mode == 'merge' and not waiting:
                pairs[one][2] = now + 0.02
            waiting += data
        except BlockingIOError:
            pass
        except OSError:
            for end in (one, other):
                pairs.pop(end, None)
                end.close()
            continue
        if mode == 'cut' and len(waiting) > allowed[one]:
            try: other.send(waiting[:allowed[one]])
            except OSError: pass
            for end in (one, other):
                pairs.pop(end, None)
                end.close()
            continue
        if mode == 'stall' and int(now * 2) % 3 == 0:
            continue
        while waiting and now >= pairs[one][2]:
            size = rng.randrange(1, 8) if mode == 'split' else len(waiting)
            try:
                sent = other.send(waiting[:size])
            except BlockingIOError:
                break
            except OSError:
                break
            del waiting[:sent]
            allowed[one] -= sent
    time.sleep(0.0005)
"""


@pytest.mark.parametrize("mode", ["split", "merge", "stall", "cut"])
def test_through_a_proxy_that_treats_the_stream_badly(world, mode):
    a, b = world.pair(arguments=TCP)
    seed = random.randrange(1 << 30)
    proxy = a.host.start(sys.executable, "-c", PROXY, mode, str(seed), output=subprocess.PIPE)
    assert proxy.stdout.readline() == b"ready\n"
    a.set("peer", b.public, "endpoint", "127.0.0.1:9000")
    eventually(lambda: a.host.reaches("10.77.0.2"), seconds=15, what=f"seed {seed}")
    # A file comes through whole: what the outer line loses, the inner TCP sends again.
    path = os.path.join(world.folder, "file")
    with open(path, "wb") as file:
        file.write(os.urandom(300_000))
    server = b.host.start(
        sys.executable,
        "-m",
        "http.server",
        "--bind",
        "10.77.0.2",
        "--directory",
        world.folder,
        "8000",
    )
    eventually(lambda: ":8000" in b.host.run("ss", "-Hltn").stdout)
    began = time.monotonic()
    while time.monotonic() - began < 3:
        a.host.run(
            "curl",
            "-sS",
            "--retry",
            "5",
            "--retry-all-errors",
            "-o",
            path + ".got",
            "http://10.77.0.2:8000/file",
            timeout=30,
        )
        with open(path, "rb") as sent, open(path + ".got", "rb") as got:
            assert sent.read() == got.read(), f"seed {seed}"
    assert a.show("endpoints").split()[1] == "127.0.0.1:9000"
    assert (a.log_text().count("calling again") >= 2) == (mode == "cut"), f"seed {seed}"
    for peer in (a, b):
        assert "checksum" not in peer.log_text(), f"seed {seed}"
    server.terminate()
    proxy.send_signal(signal.SIGTERM)


def test_wrong_networks_are_told(world):
    result = subprocess.run(
        [world.program, "-n", "carrier-pigeon", "wg9"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "carrier-pigeon" in result.stderr and "udp, tcp, tcp4, tcp6, vsock" in result.stderr
    a = world.daemon(world.host("one"), arguments=("-n", "tcp4"))
    answer = a.wg(
        "set",
        a.interface,
        "peer",
        run("wg", "genpsk").stdout.strip(),
        "endpoint",
        "[::1]:5",
        check=False,
    )
    assert answer.returncode != 0
    assert "tcp4" in a.log_text()


INHERITING = """#!/usr/bin/python3
# Opens the TUN itself and passes it on, as a supervisor does.
import fcntl, os, struct, sys
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH14x", sys.argv[-1].encode(), 0x1001))
os.set_inheritable(tun, True)
os.environ["WG_TUN_FD"] = str(tun)
os.execv("{program}", ["wireguard-cpp", "-f", *sys.argv[1:]])
"""


@pytest.mark.parametrize("outer", ["udp", "tcp", "tcp4", "tcp6"])  # vsock: tests/vm/over-vsock
@pytest.mark.parametrize("inner", ["kernel TUN", "inherited TUN without offloads"])
def test_every_inner_end_with_every_outer_end(world, inner, outer):
    binary = world.program
    if inner != "kernel TUN":
        binary = os.path.join(world.folder, "inheriting")
        with open(binary, "w", encoding="ascii") as file:
            file.write(INHERITING.format(program=world.program))
        os.chmod(binary, 0o755)
    a, b = world.pair(
        binaries=(binary, binary), arguments=("-n", outer), outside=6 if outer == "tcp6" else 4
    )
    a.host.ping("10.77.0.2")
    b.host.ping("fd77::1")
    for way in ([], ["-R"]):
        assert received_bytes(iperf(a.host, b.host, "10.77.0.2", *way, seconds=1)) > 2_000_000
