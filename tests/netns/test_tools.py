"""Stock wg(8), wg-quick(8), and interfaces that move between namespaces."""

import os
import re

from tests.netns.lab import eventually, keypair, run


def configuration(world, peer_key, extra=""):
    private, public = keypair()
    name = world.unique("wq")
    path = os.path.join(world.folder, name + ".conf")
    text = f"[Interface]\nPrivateKey = {private}\n{extra}\n[Peer]\nPublicKey = {peer_key}\n"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
        file.write(text)
    return name, path, public


def test_wg_quick_up_and_down(world):
    one, two = world.host("one"), world.host("two")
    world.link(one, two, ["10.66.0.1/24"], ["10.66.0.2/24"])
    b = world.daemon(two)
    name, path, public = configuration(
        world,
        b.public + "\nAllowedIPs = 10.77.0.2/32, 10.88.0.0/16\nEndpoint = 10.66.0.2:51820",
        "Address = 10.77.0.1/24\nMTU = 1400",
    )
    b.set("listen-port", "51820", "peer", public, "allowed-ips", "10.77.0.1/32")
    b.up("10.77.0.2/24")
    # wg-quick tries the kernel first; a command `ip` that knows no type wireguard makes sure that
    # it is ours that is used.
    folder = os.path.join(world.folder, "bin")
    os.makedirs(folder)
    with open(os.path.join(folder, "ip"), "w", encoding="ascii") as file:
        file.write(
            '#!/bin/sh\ncase "$*" in *"type wireguard"*) exit 2 ;; esac\nexec /usr/sbin/ip "$@"\n'
        )
    os.chmod(file.name, 0o755)
    environment = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "WG_QUICK_USERSPACE_IMPLEMENTATION": world.program,
    }
    one.run("wg-quick", "up", path, env=environment)
    one.ping("10.77.0.2")
    assert "10.88.0.0/16" in one.ip("route").stdout
    assert "mtu 1400" in one.ip("link", "show", name).stdout
    one.run("wg-quick", "down", path, env=environment)
    eventually(lambda: not run("pgrep", "-f", f"{world.program} {name}$", check=False).stdout)
    assert not os.path.exists(f"/var/run/wireguard/{name}.sock")


def test_wg_show_of_all_kinds(world):
    a, b = world.pair(preshared=True, keepalive=25)
    a.host.ping("10.77.0.2")
    a.set("fwmark", "0x42")
    shown = a.wg("show", a.interface).stdout
    for line in (
        f"public key: {a.public}",
        "private key: (hidden)",
        "fwmark: 0x42",
        f"peer: {b.public}",
        "preshared key: (hidden)",
        "endpoint: 10.66.0.2:51820",
        "allowed ips: 10.77.0.2/32, fd77::2/128",
        "latest handshake: ",
        "transfer: ",
        "persistent keepalive: every 25 seconds",
    ):
        assert line in shown
    assert a.show("public-key").strip() == a.public
    assert a.show("private-key").strip() == a.private
    assert a.show("peers").strip() == b.public
    assert a.show("endpoints").split() == [b.public, "10.66.0.2:51820"]
    assert a.show("persistent-keepalive").split() == [b.public, "25"]
    assert int(a.show("latest-handshakes").split()[1]) > 1_600_000_000
    received, sent = (int(number) for number in a.show("transfer").split()[1:])
    assert received > 0 and sent > 0
    assert int(b.show("transfer").split()[1]) == sent
    assert len(a.show("dump").splitlines()) == 2
    assert a.interface in run("wg", "show", "interfaces").stdout


def test_setconf_addconf_syncconf(world):
    a, b = world.pair()
    a.host.ping("10.77.0.2")
    saved = os.path.join(world.folder, "saved")
    with open(os.open(saved, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
        file.write(a.wg("showconf", a.interface).stdout)
    handshake = a.show("latest-handshakes")
    a.wg("syncconf", a.interface, saved)  # nothing changes: the session goes on
    assert a.show("latest-handshakes") == handshake
    _, extra = keypair()
    addition = os.path.join(world.folder, "addition")
    with open(addition, "w", encoding="ascii") as file:
        file.write(f"[Peer]\nPublicKey = {extra}\nAllowedIPs = 10.99.0.0/16\n")
    a.wg("addconf", a.interface, addition)
    assert set(a.show("peers").split()) == {b.public, extra}
    a.wg("syncconf", a.interface, saved)
    assert a.show("peers").split() == [b.public]
    a.host.ping("10.77.0.2")
    a.wg("setconf", a.interface, saved)
    a.host.ping("10.77.0.2")


def test_removing_and_moving(world):
    a, b = world.pair()
    a.host.ping("10.77.0.2")
    _, other = keypair()
    a.set("peer", other, "allowed-ips", "10.77.0.2/32")  # moves it away from b
    assert not a.host.reaches("10.77.0.2")
    a.set("peer", b.public, "allowed-ips", "10.77.0.2/32")
    a.host.ping("10.77.0.2")
    a.set("peer", b.public, "remove")
    assert not a.host.reaches("10.77.0.2")
    assert a.show("peers").split() == [other]


def test_fwmark_is_on_the_packets(world):
    a, b = world.pair()
    a.host.run(
        "nft",
        "add table ip t; add chain ip t out { type filter hook output priority 0; }; "
        "add rule ip t out udp dport 51820 meta mark 0x1234 counter",
    )
    a.set("fwmark", "0x1234")
    a.host.ping("10.77.0.2")
    packets = int(
        re.search(
            r"counter packets (\d+)", a.host.run("nft", "list", "table", "ip", "t").stdout
        ).group(1)
    )
    assert packets >= 3
    a.set("fwmark", "off")
    assert a.show("fwmark").strip() == "off"
    a.host.ping("10.77.0.2")


def test_an_interface_moved_to_another_namespace(world):
    """https://www.wireguard.com/netns/: the sockets stay in `one`, the interface lives in `inner`,
    which has no other.

    inner [wg] ··· one ──veth── two [wg]
    """
    a, b = world.pair()
    inner = world.host("inner")
    a.host.ip("link", "set", a.interface, "netns", inner.name)
    eventually(lambda: "another network namespace" in a.log_text())
    assert not a.ended()
    inner.ip("address", "add", "10.77.0.1/24", "dev", a.interface)
    inner.ip("link", "set", a.interface, "up")
    inner.ping("10.77.0.2")
    b.host.ping("10.77.0.1")
    assert ":" in a.host.run("ss", "-Hlun").stdout and not inner.run("ss", "-Hlun").stdout
    inner.ip("link", "set", a.interface, "mtu", "1300")
    eventually(lambda: "MTU is 1300" in a.log_text())
    inner.ip("link", "set", a.interface, "down")
    eventually(
        lambda: "interface is down" in a.log_text().rsplit("another network namespace", 1)[1]
    )
    inner.ip("link", "set", a.interface, "up")
    inner.ping("10.77.0.2")
    # Further on, and back home.
    third = world.host("third")
    inner.ip("link", "set", a.interface, "netns", third.name)
    third_up = lambda: third.ip("link", "set", a.interface, "up", check=False).returncode == 0
    eventually(third_up)
    third.ip("address", "add", "10.77.0.1/24", "dev", a.interface)
    eventually(lambda: third.reaches("10.77.0.2"))
    third.ip("link", "delete", a.interface)
    eventually(a.ended)
    assert not os.path.exists(f"/var/run/wireguard/{a.interface}.sock")


def test_tshark_reads_our_handshakes_and_data_with_the_key_log(world):
    one, two = world.host("one"), world.host("two")
    _, end = world.link(one, two, ["10.66.0.1/24"], ["10.66.0.2/24"])
    key_log = os.path.join(world.folder, "keys")
    psk = world.key_file(run("wg", "genpsk").stdout.strip())
    a, b = world.daemon(one, arguments=["--keylog", key_log]), world.daemon(two)
    capture = os.path.join(world.folder, "capture.pcap")
    sniffer = two.start("tcpdump", "--immediate-mode", "-U", "-i", end, "-w", capture, "udp")
    eventually(lambda: os.path.exists(capture) and os.path.getsize(capture) > 0)
    a.set(
        "peer",
        b.public,
        "preshared-key",
        psk,
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
        "preshared-key",
        psk,
        "allowed-ips",
        "10.77.0.1/32",
    )
    a.up("10.77.0.1/24")
    b.up("10.77.0.2/24")
    one.ping("10.77.0.2")
    sniffer.terminate()
    sniffer.wait()
    assert os.stat(key_log).st_mode & 0o777 == 0o600
    decoded = run(
        "tshark",
        "-r",
        capture,
        "-o",
        f"wg.keylog_file:{key_log}",
        "-T",
        "fields",
        "-e",
        "wg.type",
        "-e",
        "wg.handshake_ok",
        "-e",
        "icmp.type",
        "-e",
        "wg.static.known_pubkey",
        timeout=60,
    ).stdout
    lines = [line.split("\t") for line in decoded.splitlines()]
    assert [line[0] for line in lines[:2]] == ["1", "2"]
    assert lines[1][1] in ("1", "True")  # the response decrypts, preshared key included
    assert {"8", "0"} <= {line[2] for line in lines}  # echo request and reply


def test_a_key_log_that_others_may_read_is_refused(world):
    path = os.path.join(world.folder, "keys")
    with open(path, "w", encoding="ascii"):
        os.chmod(path, 0o644)
    result = world.host("h").run(
        world.program, "-f", "--keylog", path, world.unique("wg"), check=False
    )
    assert result.returncode == 1
    assert path in result.stderr and "chmod 600" in result.stderr
