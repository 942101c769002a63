"""Two of ours: what a user does with a tunnel.

    one  10.66.0.1 / fd66::1  ──veth──  10.66.0.2 / fd66::2  two        (outside)
    wg…  10.77.0.1 / fd77::1  ═tunnel═  10.77.0.2 / fd77::2  wg…        (inside)
"""

import glob
import re
import socket
import time

import pytest

from tests.netns.lab import eventually, iperf, keypair, received_bytes, run


@pytest.mark.parametrize("outside", [4, 6])
@pytest.mark.parametrize("preshared", [False, True])
def test_ping_and_iperf_in_both_families(world, outside, preshared):
    a, b = world.pair(outside=outside, preshared=preshared)
    a.host.ping("10.77.0.2")
    a.host.ping("fd77::2")
    b.host.ping("10.77.0.1")
    for address in ("10.77.0.2", "fd77::2"):
        assert received_bytes(iperf(a.host, b.host, address, seconds=1)) > 10_000_000
    assert received_bytes(iperf(a.host, b.host, "10.77.0.2", "-R", seconds=1)) > 10_000_000
    report = iperf(a.host, b.host, "10.77.0.2", "-u", "-b", "50M", "-l", "1372", seconds=1)
    assert report["end"]["sum"]["lost_percent"] < 2


@pytest.mark.parametrize("helped", ["auto", "always"])
def test_no_packet_overtakes_another(world, helped):
    """Whoever does the last step of the way in: the kernel's counters of TCP and iperf3's of UDP
    say that order stays."""
    env = {"WG_HELP": helped, "WG_THREADS": "3"}
    a, b = world.pair(envs=(env, env))
    a.host.ping("10.77.0.2")
    for way in ([], ["-P", "4"], ["-R"]):
        assert received_bytes(iperf(a.host, b.host, "10.77.0.2", *way, seconds=1)) > 10_000_000
    for host in (a.host, b.host):
        counters = dict(
            line.split()[:2]
            for line in host.run("nstat", "-asz").stdout.splitlines()
            if line.startswith("Tcp")
        )
        assert int(counters["TcpOutSegs"]) > 1000
        assert {
            name: counters["TcpExt" + name]
            for name in ("TCPSACKReorder", "TCPRenoReorder", "TCPTSReorder")
        } == {"TCPSACKReorder": "0", "TCPRenoReorder": "0", "TCPTSReorder": "0"}
    report = iperf(
        a.host, b.host, "10.77.0.2", "-u", "-b", "100M", "-P", "4", "-l", "500", seconds=1
    )
    streams = [stream["udp"] for stream in report["end"]["streams"]]
    assert all(stream["packets"] > 10_000 and stream["out_of_order"] == 0 for stream in streams)


def test_wrong_preshared_key_makes_no_session(world):
    a, b = world.pair(preshared=True)
    b.set("peer", a.public, "preshared-key", "/dev/null")
    assert not a.host.reaches("10.77.0.2")
    assert "handshake_failed" in a.log_text()


def test_curl_fetches_a_file_whole(world):
    a, b = world.pair()
    content = bytes(range(256)) * 20_000
    with open(f"{world.folder}/file", "wb") as file:
        file.write(content)
    b.host.start(
        "python3", "-m", "http.server", "8000", "--bind", "10.77.0.2", "--directory", world.folder
    )
    eventually(lambda: ":8000" in b.host.run("ss", "-Hltn").stdout)
    a.host.run("curl", "-sSf", "-o", f"{world.folder}/copy", "http://10.77.0.2:8000/file")
    with open(f"{world.folder}/copy", "rb") as file:
        assert file.read() == content


@pytest.mark.parametrize("mtu", [576, 1280, 1420, 8920])
def test_packets_of_every_size_pass(world, mtu):
    def jumbo(one, two, ends):
        for host, end in zip((one, two), ends):
            host.ip("link", "set", end, "mtu", "9000")

    a, b = world.pair(mtu=mtu, prepare=jumbo)
    if mtu < 1280:  # too small for IPv6
        sizes = [1, 100, mtu - 28]
    else:
        a.host.ping("fd77::2", count=1, size=mtu - 48)
        sizes = [1, 15, 16, 17, 1000, mtu - 29, mtu - 28]
    for size in sizes:
        a.host.ping("10.77.0.2", count=1, size=size)
    assert received_bytes(iperf(a.host, b.host, "10.77.0.2", seconds=1)) > 1_000_000


def test_inner_packets_larger_than_the_outer_link_are_fragmented_outside(world):
    a, b = world.pair(mtu=4000)
    a.host.ping("10.77.0.2", count=2, size=3900)
    assert received_bytes(iperf(a.host, b.host, "10.77.0.2", seconds=1)) > 1_000_000


def test_inner_fragments_pass(world):
    a, _ = world.pair()
    a.host.run("ping", "-c", "2", "-i", "0.1", "-W", "2", "-s", "6000", "10.77.0.2")


def tcp_arrives(sender, receiver, address, option, count=1_000_000):
    """Whether all bytes of a connection arrive whose sender's packets carry that socket option:
    level, name, value."""
    arrived = f"{sender.world.folder}/{sender.world.unique('arrived')}"
    with open(arrived, "w", encoding="ascii") as output:
        server = receiver.start(
            "python3",
            "-c",
            f"""
import socket
listener = socket.create_server(("::", 7), family=socket.AF_INET6, dualstack_ipv6=True)
connection, _ = listener.accept()
connection.settimeout(5)
count = 0
try:
    while got := connection.recv(65536):
        count += len(got)
except TimeoutError:
    pass
print(count)
""",
            output=output,
        )
    eventually(lambda: ":7 " in receiver.run("ss", "-Hltn").stdout, what="nobody listened")
    sender.run(
        "python3",
        "-c",
        f"""
import socket
client = socket.socket(socket.{"AF_INET6" if ":" in address else "AF_INET"})
client.setsockopt(*{option!r})
client.settimeout(5)
client.connect(({address!r}, 7))
client.sendall(bytes({count}))
""",
    )
    server.wait(60)
    with open(arrived, encoding="ascii") as output:
        assert int(output.read()) == count
    counters = dict(
        line.split()[:2]
        for line in receiver.run("nstat", "-asz").stdout.splitlines()
        if line.startswith("Tcp")
    )
    assert counters["TcpInCsumErrors"] == "0"


# Padding, in an options header of eight bytes.
PADDING = bytes([0, 0, 1, 4, 0, 0, 0, 0])


@pytest.mark.parametrize(
    "option", [socket.IPV6_DSTOPTS, socket.IPV6_HOPOPTS], ids=["destination", "hop-by-hop"]
)
def test_tcp_behind_ipv6_extension_headers(world, option):
    a, b = world.pair()
    a.host.ping("fd77::2", count=1)
    tcp_arrives(a.host, b.host, "fd77::2", (socket.IPPROTO_IPV6, option, PADDING))
    tcp_arrives(b.host, a.host, "fd77::1", (socket.IPPROTO_IPV6, option, PADDING))


def test_tcp_behind_an_ipv6_extension_header_that_routes(world):
    """By way of the other end of the tunnel to an address behind it: segment routing, as RFC
    8754 has it."""
    a, b = world.pair()
    a.set("peer", b.public, "allowed-ips", "10.77.0.2/32,fd77::2/128,fd99::2/128")
    b.host.run(
        "sysctl",
        "-qw",
        "net.ipv6.conf.all.forwarding=1",
        "net.ipv6.conf.all.seg6_enabled=1",
        f"net.ipv6.conf.{b.interface}.seg6_enabled=1",
    )
    b.host.ip("address", "add", "fd99::2/128", "dev", "lo")
    a.host.ping("fd77::2", count=1)
    # Next header, length, type 4, one segment left of two: the last one, which the kernel fills in,
    # and the first.
    header = (
        bytes([0, 4, 4, 1, 1, 0, 0, 0]) + bytes(16) + socket.inet_pton(socket.AF_INET6, "fd77::2")
    )
    tcp_arrives(a.host, b.host, "fd99::2", (socket.IPPROTO_IPV6, socket.IPV6_RTHDR, header))


def test_tcp_with_an_ipv4_source_route(world):
    """The same in IPv4. Two of ours that both took the next hop for the end understood each
    other; any checksum error tells."""
    a, b = world.pair()
    a.set("peer", b.public, "allowed-ips", "10.77.0.2/32,10.99.0.2/32,fd77::2/128")
    for end in (a, b):
        end.host.run(
            "sysctl",
            "-qw",
            "net.ipv4.conf.all.accept_source_route=1",
            f"net.ipv4.conf.{end.interface}.accept_source_route=1",
        )
    b.host.ip("address", "add", "10.99.0.2/32", "dev", "lo")
    a.host.ip("route", "add", "10.99.0.2/32", "via", "10.77.0.2")
    a.host.ping("10.77.0.2", count=1)
    route = bytes([131, 7, 4]) + socket.inet_aton("10.77.0.2") + bytes([1])  # loose, and a filler
    tcp_arrives(a.host, b.host, "10.99.0.2", (socket.IPPROTO_IP, socket.IP_OPTIONS, route))


def test_a_changed_mtu_is_followed(world):
    a, b = world.pair()
    for mtu in (68, 1280, 65535, 1420):
        a.host.ip("link", "set", a.interface, "mtu", str(mtu))
        eventually(lambda: f"MTU is {mtu}" in a.log_text())
    a.host.ping("10.77.0.2")  # IPv6 went when the MTU fell below 1280, and its addresses with it


def test_roaming_to_another_address_and_port(world):
    a, b = world.pair()
    a.host.ping("10.77.0.2")
    a.host.ip("address", "del", "10.66.0.1/24", "dev", _veth(a.host))
    a.host.ip("address", "add", "10.66.0.11/24", "dev", _veth(a.host))
    a.set("listen-port", "4444")
    a.host.ping("10.77.0.2")
    eventually(lambda: "10.66.0.11:4444" in b.show("endpoints"))
    b.host.ping("10.77.0.1")


def _veth(host):
    return re.search(r"(v[ab]\w+)@", host.ip("-o", "link", "show", "type", "veth").stdout).group(1)


def test_replies_leave_from_the_address_that_was_spoken_to(world):
    def second_address(one, two, ends):
        two.ip("address", "add", "10.66.0.99/24", "dev", ends[1])

    a, b = world.pair(prepare=second_address)
    a.set("peer", b.public, "endpoint", "10.66.0.99:51820")
    a.host.ping("10.77.0.2")
    b.host.ping("10.77.0.1")
    assert "10.66.0.99:51820" in a.show("endpoints")  # a reply from .2 would have moved it
    # The address vanishes: the source is forgotten, the traffic goes on.
    b.host.ip("address", "del", "10.66.0.99/24", "dev", _veth(b.host))
    b.host.ping("10.77.0.1", count=5)
    assert "10.66.0.2:51820" in a.show("endpoints")


def test_a_link_local_endpoint(world):
    """IPv6 link-local addresses mean nothing without their interface: zone of the endpoint, and
    of the source."""
    a, b = world.pair()
    address = re.search(
        r"inet6 (fe80::[\w:]+)/", b.host.ip("address", "show", "dev", _veth(b.host)).stdout
    ).group(1)
    a.set("peer", b.public, "endpoint", f"[{address}%{_veth(a.host)}]:51820")
    a.host.ping("10.77.0.2")
    b.host.ping("10.77.0.1")
    assert re.search(r"\[fe80::[\w:]+%" + _veth(b.host), b.show("endpoints"))


def test_what_is_dropped_is_told_at_debug(world):
    a, b = world.pair()
    a.host.ping("10.77.0.2")
    a.host.ip("route", "add", "10.99.0.0/16", "dev", a.interface)
    assert not a.host.reaches("10.99.0.1")
    assert "dropped: no_allowed_ip" in a.log_text()
    b.set("peer", a.public, "allowed-ips", "10.78.0.0/16")
    assert not a.host.reaches("10.77.0.2")
    assert re.search(r"peer\(.*….*\): dropped: source_not_allowed", b.log_text())


def test_a_nat_with_persistent_keepalive(world):
    """one (10.1.0.2) ── nat (10.1.0.1 | 10.2.0.1) ── two (10.2.0.2): only the keepalive
    opens the way back."""
    one, nat, two = world.host("in"), world.host("nat"), world.host("out")
    world.link(one, nat, ["10.1.0.2/24"], ["10.1.0.1/24"])
    _, outer = world.link(two, nat, ["10.2.0.2/24"], ["10.2.0.1/24"])
    one.ip("route", "add", "default", "via", "10.1.0.1")
    nat.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    nat.run(
        "nft",
        f"add table ip t; add chain ip t post {{ type nat hook postrouting priority 100; }}; "
        f"add rule ip t post oifname {outer} masquerade random",
    )
    a, b = world.daemon(one), world.daemon(two)
    a.set(
        "peer",
        b.public,
        "allowed-ips",
        "10.77.0.2/32",
        "endpoint",
        "10.2.0.2:51820",
        "persistent-keepalive",
        "1",
    )
    b.set("listen-port", "51820", "peer", a.public, "allowed-ips", "10.77.0.1/32")
    b.up("10.77.0.2/24")
    a.up("10.77.0.1/24")
    eventually(lambda: "10.2.0.1:" in b.show("endpoints"))
    two.ping("10.77.0.1")


def test_loss(world):
    """Two percent of the datagrams are lost either way. (Delay and reordering by netem:
    tests/vm.)"""

    def bad_line(one, two, ends):
        for host in (one, two):
            host.run(
                "nft",
                "add table ip t; add chain ip t in { type filter hook input priority 0; }; "
                "add rule ip t in udp dport 1-65535 numgen random mod 100 < 2 drop",
            )

    a, b = world.pair(prepare=bad_line)
    eventually(lambda: a.host.reaches("10.77.0.2"), seconds=20)
    assert received_bytes(iperf(a.host, b.host, "10.77.0.2", seconds=3)) > 300_000


def test_many_peers_on_one_interface(world):
    """A hub and three others; each sees only what is its own."""
    hub_host = world.host("hub")
    hub = world.daemon(hub_host)
    hub.set("listen-port", "51820")
    hub.up("10.77.0.1/24")
    leaves = []
    for i in range(2, 5):
        host = world.host(f"leaf{i}")
        world.link(hub_host, host, [f"10.{i}.0.1/24"], [f"10.{i}.0.2/24"])
        leaf = world.daemon(host)
        hub.set("peer", leaf.public, "allowed-ips", f"10.77.0.{i}/32")
        leaf.set("peer", hub.public, "allowed-ips", "10.77.0.0/24", "endpoint", f"10.{i}.0.1:51820")
        leaf.up(f"10.77.0.{i}/24")
        leaves.append(leaf)
    for i, leaf in enumerate(leaves, 2):
        leaf.host.ping("10.77.0.1")
        hub_host.ping(f"10.77.0.{i}")


def test_a_restarted_peer_is_reached_again(world):
    a, b = world.pair()
    a.host.ping("10.77.0.2")
    b.process.kill()
    b.process.wait()
    again = world.daemon(b.host, interface=b.interface)
    again.set(
        "private-key",
        world.key_file(b.private),
        "listen-port",
        "51820",
        "peer",
        a.public,
        "allowed-ips",
        "10.77.0.1/32",
    )
    again.up("10.77.0.2/24")
    # The other side still uses the old session until it notices the silence: 15 s and a handshake.
    eventually(lambda: a.host.reaches("10.77.0.2"), seconds=25)


def test_an_unreachable_endpoint_does_not_disturb_another_peer(world):
    a, b = world.pair()
    _, stranger = keypair()
    a.set(
        "peer", stranger, "allowed-ips", "10.77.0.3/32", "endpoint", "192.0.2.1:9"
    )  # no route there
    for _ in range(3):
        assert not a.host.reaches("10.77.0.3")
        a.host.ping("10.77.0.2", count=1)


def test_garbage_on_the_port_is_dropped_and_not_logged(world):
    a, b = world.pair()
    a.host.ping("10.77.0.2")
    before = len(b.log_text())
    garbage = (
        "import os,socket,struct\n"
        "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
        "for i in range(20000):\n"
        "    kind=i%6\n"
        "    n=[148,92,64,32,int.from_bytes(os.urandom(2),'little')%1400,65000][kind]\n"
        "    s.sendto(struct.pack('<I',kind)+os.urandom(max(n-4,0)),('10.66.0.2',51820))\n"
    )
    a.host.run("python3", "-c", garbage)
    b.host.ping("10.77.0.1")
    assert "error" not in b.log_text()[before:]
    assert len(b.log_text()) - before < 10_000


def test_dscp_stays_inside_and_ecn_is_carried(world):
    a, b = world.pair()
    a.host.ping("10.77.0.2")
    capture = world.folder + "/capture"
    with open(capture, "w", encoding="utf-8") as output:
        tcpdump = b.host.start(
            "tcpdump",
            "--immediate-mode",
            "-lnv",
            "-i",
            _veth(b.host),
            "-c",
            "1",
            "udp and dst port 51820 and greater 100",
            output=output,
        )
    eventually(lambda: "listening" in open(capture, encoding="utf-8").read())
    a.host.run("ping", "-c", "2", "-i", "0.1", "-Q", "0xba", "10.77.0.2")  # EF, ECN 2
    tcpdump.wait(10)
    assert "tos 0x2,ECT(0)" in open(capture, encoding="utf-8").read()


def test_idle_daemons_do_not_wake_up(world):
    a, _ = world.pair()
    a.host.ping("10.77.0.2")
    time.sleep(1)

    def switches():
        pids = run("pgrep", "-f", f"wireguard-cpp -f {a.interface}").stdout.split()
        total = 0
        for pid in pids:
            for task in glob.glob(f"/proc/{pid}/task/*/status"):
                total += int(
                    re.search(
                        r"\nvoluntary_ctxt_switches:\s+(\d+)", open(task, encoding="ascii").read()
                    ).group(1)
                )
        return total

    before = switches()
    time.sleep(3)
    assert switches() - before <= 10
