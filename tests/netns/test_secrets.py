"""Where keys are: looked for in all of a daemon's memory, and in its log."""

import base64
import os
import socket

import pytest

from tests.netns.lab import keypair, run

PIECE = 1 << 20


def forms(key):
    """The halves of a key in each form: what leaves one half behind leaves enough."""
    raw = base64.b64decode(key)
    texts = {"hex": raw.hex().encode(), "base64": key.encode()}
    found = {"binary": [raw[:16], raw[16:]]}
    for name, text in texts.items():
        found[name] = [text[:20], text[-21:-1]]
    return found


def readable(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        for line in maps:
            fields = line.split()
            name = fields[5] if len(fields) > 5 else "anonymous"
            if fields[1].startswith("r") and not name.startswith(("[vvar", "[vsyscall")):
                begin, end = (int(number, 16) for number in fields[0].split("-"))
                yield begin, end, name


def places(peer, *keys):
    """Where the keys are found: for each form the memory's regions, one entry for each find."""
    wanted = [
        (form, half) for key in keys for form, halves in forms(key).items() for half in halves
    ]
    found = {"binary": [], "hex": [], "base64": []}
    overlap = max(len(half) for _, half in wanted) - 1
    with open(f"/proc/{peer.process.pid}/mem", "rb", buffering=0) as memory:
        for begin, end, name in readable(peer.process.pid):
            for at in range(begin, end, PIECE):
                memory.seek(at)
                try:
                    piece = memory.read(min(PIECE + overlap, end - at))
                except OSError:  # unmapped meanwhile
                    break
                for form, half in wanted:
                    position = piece.find(half)
                    while 0 <= position < PIECE:
                        found[form].append(f"{name} {at + position:#x}")
                        position = piece.find(half, position + 1)
    return found


def in_log(peer, *keys):
    text = peer.log_text().encode()
    return [
        form
        for key in keys
        for form, halves in forms(key).items()
        for half in halves
        if half in text
    ]


def check(peer, *keys, copies):
    """Of each key there are at most `copies`, binary ones, and nothing of it is in the log."""
    for key in keys:
        found = places(peer, key)
        assert not found["hex"] and not found["base64"], found
        assert len(found["binary"]) <= 2 * copies, found  # a find for each half
    assert not in_log(peer, *keys)


# What a configured key takes: the device's copy, and that of a handshake that is under way.
CONFIGURED = 2


@pytest.mark.parametrize("key_log", [False, True])
def test_keys_are_in_memory_in_binary_and_only_while_they_are_configured(world, key_log):
    path = os.path.join(world.folder, "keys")
    one, two = world.host("one"), world.host("two")
    world.link(one, two, ["10.66.0.1/24"], ["10.66.0.2/24"])
    a = world.daemon(one, arguments=["--keylog", path] if key_log else [])
    b = world.daemon(two)
    shared = run("wg", "genpsk").stdout.strip()
    shared_file = world.key_file(shared)
    check(a, a.private, copies=CONFIGURED)
    a.set(
        "peer",
        b.public,
        "preshared-key",
        shared_file,
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
        shared_file,
        "allowed-ips",
        "10.77.0.1/32",
    )
    check(a, a.private, shared, copies=CONFIGURED)
    for _ in range(3):
        shown = a.wg("show", a.interface, "dump").stdout
        assert a.private in shown and shared in shown
    check(a, a.private, shared, copies=CONFIGURED)
    b.up("10.77.0.2/24")
    a.up("10.77.0.1/24")
    one.ping("10.77.0.2")
    for peer in (a, b):
        peer.wg("show", peer.interface)
        check(peer, peer.private, shared, copies=CONFIGURED)
    if key_log:
        with open(path, encoding="ascii") as file:
            logged = file.read()
        assert a.private in logged and shared in logged
        ephemeral = logged.split("LOCAL_EPHEMERAL_PRIVATE_KEY = ")[1].split()[0]
        check(a, ephemeral, copies=0)
    for peer, other in ((a, b), (b, a)):
        peer.set("peer", other.public, "remove")
        check(peer, shared, copies=0)
        check(peer, peer.private, copies=CONFIGURED)
        peer.set("private-key", "/dev/null")
        check(peer, peer.private, shared, copies=0)


def say(peer, request):
    """Sends a request over the daemon's socket, and waits for the end of the connection."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"/var/run/wireguard/{peer.interface}.sock")
        client.sendall(request.encode())
        client.shutdown(socket.SHUT_WR)
        while client.recv(1000):
            pass


def test_what_a_client_says_is_not_repeated(world):
    peer = world.daemon(world.host("h"))
    private, _ = keypair()
    secret = base64.b64decode(private).hex()
    public = "ab" * 32
    for request in (
        f"private_key={secret}",
        secret,
        private,
        f"set=1\nlisten_port={secret}",
        f"set=1\n{secret}",
        f"set=1\npublic_key={public}\nendpoint={secret}",
    ):
        say(peer, request + "\n\n")
    assert "private_key" in peer.log_text()
    check(peer, private, copies=0)
