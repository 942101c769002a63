"""`up` and `down`: what the host looks like while a tunnel is up is what wg-quick(8) makes of the
same file, and afterwards it is as before, also after a crash."""

import base64
import json
import os
import re
import shutil
import subprocess

import pytest

from tests.netns.lab import eventually, keypair, run

RECORDS = "/run/wireguard-cpp"


@pytest.fixture
def host(world):
    """A host with an uplink to `far`, and a default route over it."""
    here, far = world.host("up"), world.host("far")
    world.link(here, far, ["10.66.0.1/24", "fd66::1/64"], ["10.66.0.2/24", "fd66::2/64"])
    here.ip("route", "add", "default", "via", "10.66.0.2")
    here.ip("-6", "route", "add", "default", "via", "fd66::2")
    here.far = far
    return here


class Files:
    """Configuration files of this test, and the key of the peer in them."""

    def __init__(self, world):
        self.world = world
        self.private, self.public = keypair()
        self.peer_private, self.peer = keypair()

    def write(self, interface, peer, path=None):
        path = path or os.path.join(self.world.folder, self.world.unique("wg") + ".conf")
        with open(path, "w") as file:
            file.write(f"[Interface]\nPrivateKey = {self.private}\n{interface}\n")
            file.write(f"[Peer]\nPublicKey = {self.peer}\n{peer}\n")
        os.chmod(path, 0o600)
        return path


@pytest.fixture
def files(world):
    made = Files(world)
    yield made
    for name in os.listdir(RECORDS) if os.path.isdir(RECORDS) else []:
        if world.tag in name:
            os.unlink(os.path.join(RECORDS, name))


def name_of(path):
    return os.path.basename(path)[: -len(".conf")]


def program(host, world, *arguments, check=True, env=None):
    return host.run(world.program, *arguments, check=check, env={**os.environ, **(env or {})})


def state(host, interface=None):
    """What can be seen of the host; with `interface`, its name and number do not count."""
    text = ""
    for command in (
        "ip -brief address show",
        "ip route show table all",
        "ip -6 route show table all",
        "ip rule",
        "ip -6 rule",
        "nft list ruleset",
        "cat /proc/sys/net/ipv4/conf/all/src_valid_mark",
        f"wg showconf {interface}" if interface else "true",
        f"cat /sys/class/net/{interface}/mtu" if interface else "true",
    ):
        text += f"$ {command}\n" + host.run("sh", "-c", command).stdout
    if interface:
        text = text.replace(interface, "IF")
    return re.sub(r"ListenPort = \d+\n", "", text)


CORPUS = {
    "plain": ("Address = 10.77.0.1/24, fd77::1/64", "AllowedIPs = 10.77.0.0/24, fd77::/64"),
    "routes": (
        "Address = 10.77.0.1/32\nMTU = 1380\nListenPort = 51999",
        "AllowedIPs = 10.77.0.2/32, 10.88.0.0/16, 10.88.7.0/24, fd88::/32\nEndpoint = 10.66.0.2:7",
    ),
    "full": (
        "Address = 10.77.0.1/24, fd77::1/64",
        "AllowedIPs = 0.0.0.0/0, ::/0\nEndpoint = 10.66.0.2:51820\nPersistentKeepalive = 25",
    ),
    "full, IPv4": ("Address = 10.77.0.1/24", "AllowedIPs = 0.0.0.0/0\nEndpoint = 10.66.0.2:51820"),
    "full, marked": ("Address = 10.77.0.1/24\nFwMark = 0x77", "AllowedIPs = 0.0.0.0/0"),
    "table": ("Address = 10.77.0.1/24\nTable = 1234", "AllowedIPs = 0.0.0.0/0, 10.9.0.0/16"),
    "off": ("Address = 10.77.0.1/24\nTable = off", "AllowedIPs = 0.0.0.0/0, 10.9.0.0/16"),
    "halves": ("Address = 10.77.0.1", "AllowedIPs = 0.0.0.0/1, 128.0.0.0/1, ::/1, 8000::/1"),
    "odd": ("address=10.77.0.1/24,\nlisten port = 5 1 9 9 9\nMtu = 1300", "ALLOWEDIPS=10.77.0.2"),
}


@pytest.mark.parametrize("case", CORPUS)
def test_the_host_looks_as_wg_quick_makes_it(world, host, files, case):
    path = files.write(*CORPUS[case])
    name = name_of(path)
    before = state(host)
    program(host, world, "up", path)
    ours = state(host, name)
    program(host, world, "down", name)
    # wg-quick of 2021 never sets src_valid_mark back: it goes last.
    assert state(host) == before
    quick = {"WG_QUICK_USERSPACE_IMPLEMENTATION": world.program}
    host.run("wg-quick", "up", path, env={**os.environ, **quick})
    theirs = state(host, name)
    host.run("wg-quick", "down", path, env={**os.environ, **quick})
    assert ours == theirs


def test_traffic_goes_through_a_full_tunnel(world, host, files):
    """The endpoint is reached outside, everything else inside."""
    there = world.daemon(host.far)
    path = files.write(
        "Address = 10.77.0.1/24",
        "AllowedIPs = 0.0.0.0/0\nEndpoint = 10.66.0.2:51820",
    )
    there.host.run("wg", "set", there.interface, "private-key", world.key_file(files.peer_private))
    there.set("listen-port", "51820", "peer", files.public, "allowed-ips", "10.77.0.1/32")
    there.up("10.77.0.2/24", "192.0.2.1/32")
    program(host, world, "up", path)
    host.ping("192.0.2.1")
    host.ping("10.77.0.2")
    shown = program(host, world, "status", name_of(path)).stdout
    assert files.peer in shown and "latest handshake" in shown and "10.66.0.2:51820" in shown
    assert files.private not in shown
    report = json.loads(program(host, world, "status", name_of(path), "--json").stdout)
    [interface] = report["interfaces"]
    [peer] = interface["peers"]
    assert interface["name"] == name_of(path) and interface["public_key"] == files.public
    assert peer["health"] == "live" and peer["rx_bytes"] > 0 and peer["latest_handshake"] > 0
    assert files.private not in json.dumps(report)
    assert program(host, world, "status", name_of(path), "--check").returncode == 0
    program(host, world, "down", name_of(path))


def test_a_peer_that_does_not_answer_is_dead_after_twenty_seconds(world, host, files):
    path = files.write(
        "", "AllowedIPs = 10.77.0.2/32\nEndpoint = 10.66.0.2:9\nPersistentKeepalive = 1"
    )
    program(host, world, "up", path)
    check = lambda: program(host, world, "status", name_of(path), "--check", check=False)
    assert check().returncode == 0
    eventually(lambda: check().returncode == 1, seconds=40)
    assert "no answer for" in program(host, world, "status", name_of(path)).stdout
    program(host, world, "down", name_of(path))
    assert check().returncode == 2


def test_what_is_up_already_and_what_is_not(world, host, files):
    path = files.write("Address = 10.77.0.1/24", "AllowedIPs = 10.77.0.0/24")
    name = name_of(path)
    result = program(host, world, "down", name, check=False)
    assert result.returncode == 1 and "was not brought up" in result.stderr
    program(host, world, "up", path)
    again = program(host, world, "up", path, check=False)
    assert again.returncode == 1 and "up already" in again.stderr
    host.ping("10.77.0.1")
    program(host, world, "down", name)
    host.ip("tuntap", "add", name, "mode", "tun")
    taken = program(host, world, "up", path, check=False)
    assert taken.returncode == 1 and "of that name already" in taken.stderr
    host.ip("link", "show", name)


@pytest.mark.parametrize("step", range(12))
def test_after_a_kill_at_any_step_down_and_up_are_clean(world, host, files, step):
    path = files.write(
        "Address = 10.77.0.1/24, fd77::1/64\nPreUp = true\nPostUp = true",
        "AllowedIPs = 0.0.0.0/0, ::/0\nEndpoint = 10.66.0.2:51820",
    )
    name = name_of(path)
    before = state(host)
    killed = program(
        host, world, "up", path, check=False, env={"WG_TEST_DIE_BEFORE_STEP": str(step)}
    )
    assert killed.returncode == -9
    if step % 2:
        # The daemon may live on: then it is up already.
        program(host, world, "up", path, check=False)
        host.ip("link", "show", name)
    program(host, world, "down", name, check=False)
    assert state(host) == before


def test_after_the_daemon_is_killed_down_cleans_up(world, host, files):
    path = files.write(
        "Address = 10.77.0.1/24", "AllowedIPs = 0.0.0.0/0\nEndpoint = 10.66.0.2:51820"
    )
    name = name_of(path)
    before = state(host)
    program(host, world, "up", path)
    for pid in run("pgrep", "-f", "--", f"-- {name}$").stdout.split():
        os.kill(int(pid), 9)
    eventually(lambda: host.ip("link", "show", name, check=False).returncode != 0)
    os.unlink(path)  # down needs no file
    program(host, world, "down", name)
    assert state(host) == before
    assert not [left for left in os.listdir(RECORDS) if name in left]


def test_two_full_tunnels_do_not_take_each_others_rules(world, host, files):
    host.ip("rule", "add", "to", "192.0.2.0/24", "lookup", "518201", "priority", "100")
    host.ip("rule", "add", "lookup", "main", "suppress_prefixlength", "0", "priority", "200")
    peer = "AllowedIPs = 0.0.0.0/0\nEndpoint = 10.66.0.2:51820"
    one = files.write("Address = 10.77.0.1/24", peer)
    two = files.write("Address = 10.78.0.1/24", peer)
    before = state(host)
    program(host, world, "up", one)
    with_one = state(host, name_of(one))
    program(host, world, "up", two)
    program(host, world, "down", name_of(two))
    assert state(host, name_of(one)) == with_one
    program(host, world, "up", two)
    program(host, world, "down", name_of(one))
    assert "10.78.0.1" in state(host)
    program(host, world, "down", name_of(two))
    assert state(host) == before


def test_hooks_run_in_order_and_a_failing_one_undoes_all(world, host, files):
    log = os.path.join(world.folder, "hooks")
    hook = lambda word: f"echo {word} %i >> {log}"
    path = files.write(
        "\n".join(f"{key} = {hook(key)}" for key in ("PreUp", "PostUp", "PreDown", "PostDown")),
        "AllowedIPs = 10.77.0.0/24",
    )
    name = name_of(path)
    program(host, world, "up", path)
    program(host, world, "down", name)
    expected = [f"{key} {name}" for key in ("PreUp", "PostUp", "PreDown", "PostDown")]
    assert open(log).read().splitlines() == expected
    before = state(host)
    broken = files.write("PostUp = true\nPostUp = echo a | false", "AllowedIPs = 10.77.0.0/24")
    result = program(host, world, "up", broken, check=False)
    assert result.returncode == 1
    assert f"{broken}:4: 'echo a | false': bash: it ended with status 1" in result.stderr
    assert "what was done is undone" in result.stderr
    assert state(host) == before


def test_under_sudo_a_file_that_others_can_write_runs_no_hook(world, host, files):
    mark = os.path.join(world.folder, "ran")
    path = files.write(f"PostUp = touch {mark}", "AllowedIPs = 10.77.0.0/24")
    os.chown(path, 65534, 65534)
    result = program(host, world, "up", path, env={"SUDO_UID": "65534"})
    assert "hooks are not run" in result.stderr and not os.path.exists(mark)
    program(host, world, "down", name_of(path))
    program(host, world, "up", path)
    assert os.path.exists(mark)
    program(host, world, "down", name_of(path))


def test_a_dry_run_says_what_would_be_done_and_does_nothing(world, host, files):
    path = files.write(
        "Address = 10.77.0.1/24\nPostUp = true", "AllowedIPs = 0.0.0.0/0\nEndpoint=10.66.0.2:1"
    )
    before = state(host)
    steps = program(host, world, "up", path, "--dry-run").stdout.splitlines()
    assert state(host) == before
    assert steps[0] == f"wireguard-cpp -- {name_of(path)}"
    assert f"ip -4 address add 10.77.0.1/24 dev {name_of(path)}" in steps
    assert "ip -4 rule add not fwmark 51820 table 51820" in steps and steps[-1] == "true"


@pytest.mark.parametrize(
    "interface, peer, place, word",
    [
        ("Address = 10.77.0.1/33", "", ":3:11: ", "10.77.0.1/33"),
        ("Jc = 5", "", ":3:1: ", "AmneziaWG"),
        ("", "Endpoint = nosuch.invalid:1", ": the peer of line 4", "nosuch.invalid"),
        ("Table = nosuchtable", "AllowedIPs = 10.0.0.0/8", ":3: ", "nosuchtable"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_changed(
    world, host, files, interface, peer, place, word
):
    path = files.write(interface, peer)
    before = state(host)
    once = {"WG_ENDPOINT_RESOLUTION_RETRIES": "0"}
    result = program(host, world, "up", path, check=False, env=once)
    assert result.returncode == 1 and state(host) == before
    assert path + place in result.stderr and word in result.stderr


def test_without_a_tool_for_name_servers_that_is_said_and_the_tunnel_is_up(world, host, files):
    path = files.write("Address = 10.77.0.1/24\nDNS = 10.77.0.53", "AllowedIPs = 10.77.0.0/24")
    tools = os.path.join(world.folder, "bin")
    os.mkdir(tools)
    for tool in ("bash", "sh", "nft"):
        os.symlink(shutil.which(tool), os.path.join(tools, tool))
    result = host.run("env", f"PATH={tools}", world.program, "up", path)
    assert f"{path}:4: " in result.stderr and "name servers stay" in result.stderr
    host.ping("10.77.0.1")
    program(host, world, "down", name_of(path))


def test_name_servers_are_set_and_taken_back_by_resolvconf(world, host, files):
    """A resolvconf that writes down how it is called stands for all of its kind."""
    tools = os.path.join(world.folder, "bin")
    os.mkdir(tools)
    log = os.path.join(world.folder, "calls")
    with open(os.path.join(tools, "resolvconf"), "w") as tool:
        tool.write(f'#!/bin/sh\necho "$@" >> {log}\ncase $1 in -a) cat >> {log};; esac\n')
    os.chmod(tool.name, 0o755)
    path = files.write("DNS = 10.77.0.53, fd77::53, example.org", "AllowedIPs = 10.77.0.0/24")
    name = name_of(path)
    env = {"PATH": f"{tools}:{os.environ['PATH']}"}
    program(host, world, "up", path, env=env)
    program(host, world, "down", name, env=env)
    calls = open(log).read()
    assert re.fullmatch(
        rf"-a (\S+\.)?{name} -m 0 -x\nnameserver 10.77.0.53\nnameserver fd77::53\n"
        rf"search example.org\n-f -d (\S+\.)?{name}\n",
        calls,
    )


def test_in_the_foreground_it_stays_and_takes_down_at_the_end(world, host, files):
    path = files.write(
        "Address = 10.77.0.1/24", "AllowedIPs = 0.0.0.0/0\nEndpoint = 10.66.0.2:51820"
    )
    before = state(host)
    process = host.start(world.program, "up", "-f", path)
    eventually(lambda: "10.77.0.1" in state(host) and "suppress" in state(host))
    process.terminate()
    assert process.wait(10) == 0
    eventually(lambda: state(host) == before)


def test_ten_thousand_peers_in_a_file(world, host, files):
    count = 10_000
    path = files.write("Address = 10.77.0.1/32", "AllowedIPs = 10.78.0.0/32")
    with open(path, "a") as file:
        for i in range(1, count):
            key = base64.b64encode(i.to_bytes(32, "little")).decode()
            file.write(f"[Peer]\nPublicKey = {key}\nAllowedIPs = 10.78.{i // 256}.{i % 256}/32\n")
    program(host, world, "up", path)
    routes = host.ip("route", "show", "dev", name_of(path)).stdout.splitlines()
    assert len(routes) == count
    report = json.loads(program(host, world, "status", "--json", name_of(path)).stdout)
    assert len(report["interfaces"][0]["peers"]) == count
    program(host, world, "down", name_of(path))


def test_keys_are_as_wg_makes_them(world, host):
    private = program(host, world, "genkey").stdout
    assert subprocess.run(
        ["wg", "pubkey"], input=private, capture_output=True, text=True, check=True
    ).stdout == (
        subprocess.run(
            [world.program, "pubkey"], input=private, capture_output=True, text=True, check=True
        ).stdout
    )
    assert len(program(host, world, "genpsk").stdout) == 45


def test_a_running_interface_and_the_example_as_files(world, host, files):
    daemon = world.daemon(host)
    daemon.set("listen-port", "7", "fwmark", "0x5", "peer", files.peer, "allowed-ips", "10.0.0.0/8")
    theirs = host.run("wg", "showconf", daemon.interface).stdout
    assert program(host, world, "showconf", daemon.interface).stdout == theirs
    path = os.path.join(world.folder, world.unique("wg") + ".conf")
    with open(path, "w") as file:
        file.write(program(host, world, "show-config").stdout)
    os.chmod(path, 0o600)
    program(host, world, "up", path)
    stripped = os.path.join(world.folder, "stripped")
    with open(stripped, "w") as file:
        file.write(program(host, world, "strip", path).stdout)
    host.run("wg", "setconf", name_of(path), stripped)
    program(host, world, "down", name_of(path))
