"""The daemon's life: starting, refusing to start, ending, and what is left behind."""

import os
import re
import signal
import socket
import subprocess
import time

import pytest

from tests.netns.lab import eventually, hold_udp_port, iperf, keypair, received_bytes, run


@pytest.fixture
def host(world):
    return world.host("d")


def start(world, host, *arguments, env=None, check=True):
    """Starts it in the background, as a user does; returns the finished parent."""
    log = os.path.join(world.folder, "daemon.log")
    return host.run(
        world.program, "--log-file", log, *arguments, env={**os.environ, **(env or {})}, check=check
    )


def socket_of(interface):
    return f"/var/run/wireguard/{interface}.sock"


def pids(world, interface):
    return run("pgrep", "-f", f"{world.program} .*{interface}$", check=False).stdout.split()


def gone(world, host, interface):
    eventually(lambda: not pids(world, interface), what="the daemon did not end")
    assert not os.path.exists(socket_of(interface))
    assert host.ip("link", "show", interface, check=False).returncode != 0


def test_when_the_parent_returns_interface_and_socket_are_there(world, host):
    name = world.unique("wg")
    began = time.monotonic()
    start(world, host, name)
    assert time.monotonic() - began < 2
    assert os.path.exists(socket_of(name))
    assert "mtu 1420" in host.ip("link", "show", name).stdout
    assert host.run("wg", "show", name).stdout == f"interface: {name}\n"
    host.ip("link", "delete", name)
    gone(world, host, name)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, "socket"])
def test_the_other_ways_to_end_it(world, host, how):
    name = world.unique("wg")
    start(world, host, name)
    if how == "socket":
        os.unlink(socket_of(name))
    else:
        os.kill(int(pids(world, name)[0]), how)
    gone(world, host, name)


def test_after_kill_9_the_next_start_just_works(world, host):
    name = world.unique("wg")
    for _ in range(3):
        start(world, host, name)
        os.kill(int(pids(world, name)[0]), signal.SIGKILL)
        eventually(lambda: not pids(world, name))
        assert os.path.exists(socket_of(name))  # stale
    start(world, host, name)
    assert host.run("wg", "show", name).returncode == 0


def test_the_child_is_a_daemon(world, host):
    name = world.unique("wg")
    start(world, host, name)
    pid = pids(world, name)[0]
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert all(os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null" for fd in (0, 1, 2))
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    session, terminal = fields[3], fields[4]
    assert session == pid and terminal == "0"


def test_inherited_descriptors_are_not_kept(world, host):
    name = world.unique("wg")
    read_end, write_end = os.pipe()
    subprocess.run(
        host.command(world.program, "--log-file", world.folder + "/l", name),
        pass_fds=[write_end],
        check=True,
    )
    os.close(write_end)
    os.set_blocking(read_end, False)
    assert os.read(read_end, 1) == b""  # the end of file: nobody holds the other end
    os.close(read_end)


def test_it_starts_with_its_standard_descriptors_closed(world, host):
    name = world.unique("wg")
    command = f"exec {world.program} --log-file {world.folder}/l {name} 0<&- 1>&- 2>&-"
    host.run("sh", "-c", command, timeout=10)
    assert host.run("wg", "show", name).returncode == 0
    pid = pids(world, name)[0]
    assert all(os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null" for fd in (0, 1, 2))
    host.ip("link", "delete", name)
    gone(world, host, name)


def test_files_are_named_from_the_folder_that_it_is_started_in(world, host):
    name = world.unique("wg")
    host.run(
        world.program,
        "--log-file",
        "a.log",
        "--keylog",
        "a.keys",
        name,
        cwd=world.folder,
        env={**os.environ, "LOG_LEVEL": "debug"},
    )
    eventually(lambda: os.path.exists(os.path.join(world.folder, "a.log")))
    assert os.path.exists(os.path.join(world.folder, "a.keys"))
    assert not os.path.exists("/a.log") and not os.path.exists("/a.keys")
    os.rename(os.path.join(world.folder, "a.log"), os.path.join(world.folder, "a.log.1"))
    os.kill(int(pids(world, name)[0]), signal.SIGHUP)
    eventually(lambda: os.path.exists(os.path.join(world.folder, "a.log")))


def test_a_free_number_for_percent_d(world, host):
    prefix = "t" + world.tag
    first = start(world, host, prefix + "%d")
    second = start(world, host, prefix + "%d")
    assert first.returncode == second.returncode == 0
    for number in (0, 1):
        assert host.run("wg", "show", f"{prefix}{number}").returncode == 0


@pytest.mark.parametrize(
    "name, reason",
    [
        ("sixteen-bytes-xx", "longer than 15 bytes"),
        ("a/b", "'/'"),
        ("", "empty"),
        ("wg%s", "%d"),
        ("a b", "white space"),
    ],
)
def test_bad_names(world, host, name, reason):
    result = start(world, host, name, check=False)
    assert result.returncode == 1
    assert reason in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_an_interface_that_exists(world, host):
    name = world.unique("wg")
    host.ip("tuntap", "add", name, "mode", "tun")
    result = start(world, host, name, check=False)
    assert result.returncode == 1
    assert name in result.stderr and "exists already" in result.stderr
    assert host.ip("link", "show", name).returncode == 0  # and it is still there


def test_a_second_daemon_for_the_same_interface(world, host):
    name = world.unique("wg")
    start(world, host, name)
    result = start(world, host, name, check=False)
    assert result.returncode == 1 and name in result.stderr
    other = world.host("e")  # the same name in another namespace: the socket's name is taken
    result = start(world, other, name, check=False)
    assert result.returncode == 1 and "in use" in result.stderr
    assert host.run("wg", "show", name).returncode == 0


def test_without_capabilities_it_says_which_one(world, host):
    result = host.run(
        "setpriv",
        "--bounding-set=-net_admin",
        "--inh-caps=-net_admin",
        world.program,
        "-f",
        world.unique("wg"),
        check=False,
    )
    assert result.returncode == 1
    assert "CAP_NET_ADMIN" in result.stderr and "setcap" in result.stderr


def test_a_log_that_cannot_be_written_is_an_error_at_the_start(world, host):
    result = host.run(
        world.program, "--log-file", "/no/such/folder/log", world.unique("wg"), check=False
    )
    assert result.returncode == 1
    assert "/no/such/folder/log" in result.stderr


def test_a_full_disk_does_not_end_it(world, host):
    name = world.unique("wg")
    host.run(
        world.program, "--log-file", "/dev/full", name, env={**os.environ, "LOG_LEVEL": "debug"}
    )
    host.ip("link", "set", name, "up")
    time.sleep(0.2)
    assert host.run("wg", "show", name).returncode == 0


def test_sighup_opens_the_log_anew(world, host):
    name = world.unique("wg")
    start(world, host, name)
    log = os.path.join(world.folder, "daemon.log")
    os.rename(log, log + ".1")
    os.kill(int(pids(world, name)[0]), signal.SIGHUP)
    eventually(lambda: os.path.exists(log) and "opened anew" in open(log, encoding="utf-8").read())
    assert host.run("wg", "show", name).returncode == 0


def flood(interface, count):
    """Sets that are refused, a log line each."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(socket_of(interface))
        answers = client.makefile("rb")
        for _ in range(count // 100):
            client.sendall(b"set=1\nnonsense=1\n\n" * 100)
            for _ in range(100):
                assert answers.readline() == b"errno=-22\n" and answers.readline() == b"\n"


def test_a_log_whose_reader_stalls_stops_nothing(world):
    one, two = world.host("one"), world.host("two")
    world.link(one, two, ["10.66.0.1/24"], ["10.66.0.2/24"])
    read_end, write_end = os.pipe()
    name = world.unique("wg")
    daemon = one.start(world.program, "-f", name, env={"LOG_LEVEL": "debug"}, output=write_end)
    os.close(write_end)
    eventually(lambda: one.run("wg", "show", name, check=False).returncode == 0)
    b = world.daemon(two)
    private, public = keypair()
    b.set("listen-port", "51820", "peer", public, "allowed-ips", "10.77.0.1/32")
    b.up("10.77.0.2/24")
    flood(name, 20_000)
    one.run(
        "wg",
        "set",
        name,
        "private-key",
        world.key_file(private),
        "peer",
        b.public,
        "allowed-ips",
        "10.77.0.2/32",
        "endpoint",
        "10.66.0.2:51820",
        timeout=5,
    )
    one.ip("address", "add", "10.77.0.1/24", "dev", name)
    one.ip("link", "set", name, "up")
    one.ping("10.77.0.2")
    os.set_blocking(read_end, False)
    text = b""

    def said():
        nonlocal text
        try:
            text += os.read(read_end, 1 << 20)
        except BlockingIOError:
            pass
        return re.search(rb"(\d+) lines did not fit and were dropped\n", text)

    dropped = int(eventually(said, what="the log did not say what it has dropped")[1])
    assert text.count(b"nonsense") + dropped >= 20_000
    one.ping("10.77.0.2")
    flood(name, 20_000)
    began = time.monotonic()
    os.kill(daemon.pid, signal.SIGTERM)
    daemon.wait(5)
    assert time.monotonic() - began < 2
    os.close(read_end)


def test_the_last_lines_are_in_the_log(world, host):
    for _ in range(5):
        peer = world.daemon(host)
        peer.process.terminate()
        peer.process.wait(5)
        assert "ending: SIGTERM" in peer.log_text()


@pytest.mark.parametrize(
    "variable, value",
    [
        ("LOG_LEVEL", "loud"),
        ("WG_THREADS", "0"),
        ("WG_THREADS", "many"),
        ("WG_TUN_FD", "77"),
        ("WG_UAPI_FD", "x"),
        ("WG_AEAD", "rot13"),
        ("WG_HELP", "perhaps"),
        ("WG_PIPELINE", "perhaps"),
    ],
)
def test_bad_environment(world, host, variable, value):
    result = start(world, host, world.unique("wg"), env={variable: value}, check=False)
    assert result.returncode == 1
    assert variable in result.stderr and value in result.stderr


def test_log_levels(world, host):
    for level, expected in (
        ("debug", {"debug", "info"}),
        ("info", {"info"}),
        ("error", set()),
        ("silent", set()),
    ):
        peer = world.daemon(host, level=level)
        peer.up()
        eventually(lambda: "UP" in host.ip("link", "show", peer.interface).stdout)
        time.sleep(0.1)
        found = {word for word in ("debug", "info") if f" {word}: " in peer.log_text()}
        assert found == expected, level
        peer.process.terminate()
        peer.process.wait()


@pytest.mark.parametrize("aead", ["library", "avx2", "avx512"])
def test_whatever_encrypts_the_other_side_understands(world, aead):
    env = {"WG_AEAD": aead}
    version = subprocess.run(
        [world.program, "--version"],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        check=False,
    )
    if version.returncode != 0:
        assert "has no " + aead in version.stderr
        pytest.skip(f"this CPU has no {aead}")
    assert f"transport data: {aead}" in version.stdout
    a, b = world.pair(envs=(env, {"WG_AEAD": "library"}))
    a.host.ping("10.77.0.2")
    assert f"transport data: {aead}" in a.log_text()
    for way in ([], ["-R"], ["-u", "-b", "200M", "-l", "100"]):
        assert received_bytes(iperf(a.host, b.host, "10.77.0.2", *way, seconds=1)) > 1_000_000
    for peer in (a, b):
        assert "bad_tag" not in peer.log_text()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_thread_counts(world, threads):
    one, two = world.host("one"), world.host("two")
    world.link(one, two, ["10.66.0.1/24"], ["10.66.0.2/24"])
    a = world.daemon(one, env={"WG_THREADS": str(threads)})
    b = world.daemon(two)
    a.set("peer", b.public, "allowed-ips", "10.77.0.2/32", "endpoint", "10.66.0.2:51820")
    b.set("listen-port", "51820", "peer", a.public, "allowed-ips", "10.77.0.1/32")
    a.up("10.77.0.1/24")
    b.up("10.77.0.2/24")
    one.ping("10.77.0.2")
    two.ping("10.77.0.1")


def test_an_inherited_tun_and_uapi_socket(world, host):
    """A supervisor opens both and passes them on; `child` stands for it."""
    name = world.unique("wg")
    path = socket_of(name)
    child = (
        "import fcntl,os,socket,struct,sys\n"
        "tun=os.open('/dev/net/tun',os.O_RDWR)\n"
        f"fcntl.ioctl(tun,0x400454ca,struct.pack('16sH14x',b'{name}',0x1001))\n"
        "s=socket.socket(socket.AF_UNIX)\n"
        "os.makedirs('/var/run/wireguard',exist_ok=True)\n"
        f"s.bind('{path}'); s.listen()\n"
        "os.set_inheritable(tun,True); os.set_inheritable(s.fileno(),True)\n"
        "os.environ.update(WG_TUN_FD=str(tun),WG_UAPI_FD=str(s.fileno()))\n"
        f"os.execv('{world.program}',['wireguard-cpp','-f','{name}'])\n"
    )
    other = world.host("e")
    world.link(host, other, ["10.66.0.1/24"], ["10.66.0.2/24"])
    process = host.start("python3", "-c", child)
    eventually(lambda: host.run("wg", "show", name, check=False).returncode == 0)
    b = world.daemon(other)
    private, public = keypair()
    host.run(
        "wg",
        "set",
        name,
        "private-key",
        world.key_file(private),
        "peer",
        b.public,
        "allowed-ips",
        "10.77.0.2/32",
        "endpoint",
        "10.66.0.2:51820",
    )
    b.set("listen-port", "51820", "peer", public, "allowed-ips", "10.77.0.1/32")
    b.up("10.77.0.2/24")
    host.ip("address", "add", "10.77.0.1/24", "dev", name)
    host.ip("link", "set", name, "up")
    host.ping("10.77.0.2")  # without a vnet header: packet by packet
    process.terminate()
    process.wait(5)
    os.unlink(path)


def test_an_inherited_tun_of_another_namespace_is_not_mistaken_for_another_of_its_name(world, host):
    name = world.unique("wg")
    inner = world.host("inner")
    log = os.path.join(world.folder, "inherited.log")
    child = (
        "import fcntl,os,struct,subprocess\n"
        "tun=os.open('/dev/net/tun',os.O_RDWR)\n"
        f"fcntl.ioctl(tun,0x400454ca,struct.pack('16sH14x',b'{name}',0x1001))\n"
        f"subprocess.run('ip link set {name} netns {inner.name}',shell=True,check=True)\n"
        f"subprocess.run('ip tuntap add {name} mode tun',shell=True,check=True)\n"
        f"subprocess.run('ip link set {name} up',shell=True,check=True)\n"
        "os.set_inheritable(tun,True)\n"
        "os.environ.update(WG_TUN_FD=str(tun),LOG_LEVEL='debug')\n"
        f"os.execv('{world.program}',['wireguard-cpp','-f','--log-file','{log}','{name}'])\n"
    )
    host.start("python3", "-c", child)
    eventually(lambda: host.run("wg", "show", name, check=False).returncode == 0)
    text = lambda: open(log).read()
    assert "interface is up" not in text()
    inner.ip("link", "set", name, "mtu", "1300", "up")
    eventually(lambda: "MTU is 1300" in text() and "interface is up" in text())


def test_where_events_of_other_namespaces_are_not_to_be_had_it_says_so(world, host):
    name = world.unique("wg")
    log = os.path.join(world.folder, "deaf.log")
    without = ["--bounding-set=-net_broadcast", "--inh-caps=-net_broadcast"]
    host.start("setpriv", *without, world.program, "-f", "--log-file", log, name)
    eventually(lambda: host.run("wg", "show", name, check=False).returncode == 0)
    host.ip("link", "set", name, "netns", world.host("inner").name)
    eventually(lambda: "CAP_NET_BROADCAST" in open(log).read())
    eventually(lambda: "interface is up" in open(log).read())  # it counts as up


def test_a_descriptor_that_is_no_unix_socket_is_refused(world, host):
    child = (
        "import os,socket\n"
        "s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen(); s.set_inheritable(True)\n"
        "os.environ.update(WG_UAPI_FD=str(s.fileno()))\n"
        f"os.execv('{world.program}',['wireguard-cpp','-f','{world.unique('wg')}'])\n"
    )
    result = host.run("python3", "-c", child, check=False)
    assert result.returncode == 1 and "no Unix stream socket that listens" in result.stderr


def test_a_port_in_use(world, host):
    taken = hold_udp_port(host, 7777)
    peer = world.daemon(host)
    peer.up()
    eventually(lambda: "listening on port" in peer.log_text())
    before = peer.show("listen-port")
    result = peer.wg("set", peer.interface, "listen-port", "7777", check=False)
    assert result.returncode != 0 and "Address already in use" in result.stderr
    assert peer.show("listen-port") == before
    assert "listen-port 7777" in peer.log_text() and "choose another port" in peer.log_text()
    taken.kill()
    taken.wait()
    peer.set("listen-port", "7777")


def test_a_host_without_ipv6(world, host):
    host.run(
        "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"
    )
    peer = world.daemon(host)
    peer.up()
    eventually(lambda: "listening on port" in peer.log_text())


def test_garbage_on_the_uapi_socket(world, host):
    peer = world.daemon(host)
    for garbage in (
        b"\0" * 100_000,
        b"set=1\n" + b"x" * 10_000_000,
        os.urandom(50_000),
        b"set=1\nfoo\n\n",
        b"get=1\n",
    ):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(5)
        client.connect(socket_of(peer.interface))
        try:
            client.sendall(garbage)
        except (BrokenPipeError, ConnectionResetError):
            pass
        client.close()
    assert peer.wg("show", peer.interface).returncode == 0


def test_a_hundred_thousand_peers(world, host):
    """The numbers are the benchmark's; here: they come, they are listed, they go, and nothing
    falls over."""
    peer = world.daemon(host, level="info")
    peer.up()
    client = socket.socket(socket.AF_UNIX)
    client.connect(socket_of(peer.interface))
    stream = client.makefile("rwb")
    lines = [b"set=1\n"]
    for i in range(100_000):
        lines.append(
            b"public_key=%s\nallowed_ip=10.%d.%d.%d/32\n"
            % (os.urandom(32).hex().encode(), i >> 16, i >> 8 & 255, i & 255)
        )
    stream.write(b"".join(lines) + b"\n")
    stream.flush()
    assert stream.readline() == b"errno=0\n" and stream.readline() == b"\n"
    assert len(peer.show("peers").splitlines()) == 100_000
    host.ip("link", "set", peer.interface, "down")
    host.ip("link", "set", peer.interface, "up")
    stream.write(b"set=1\nreplace_peers=true\n\n")
    stream.flush()
    assert stream.readline() == b"errno=0\n"
    assert peer.show("peers") == ""


def test_descriptors_do_not_leak(world, host):
    peer = world.daemon(host)
    pid = int(run("pgrep", "-f", f"{world.program} -f {peer.interface}$").stdout.split()[-1])

    def count():
        return len(os.listdir(f"/proc/{pid}/fd"))

    peer.up()
    eventually(lambda: "listening" in peer.log_text())
    before = count()
    for port in range(5000, 5020):
        peer.set("listen-port", str(port))
        host.ip("link", "set", peer.interface, "down")
        host.ip("link", "set", peer.interface, "up")
        peer.wg("show", peer.interface)
    eventually(lambda: count() == before, what=f"{count()} descriptors, {before} before")


def test_the_program_is_hardened(world):
    """What a distribution's linter would look for; an empty entry of the run path would be the
    current folder."""
    dynamic = run("readelf", "-d", world.program).stdout
    assert "BIND_NOW" in dynamic and "PIE" in dynamic
    paths = re.findall(r"(?:RUNPATH|RPATH)\).*\[(.*)\]", dynamic)
    assert all(entry.startswith("/usr/lib/") for path in paths for entry in path.split(":"))
    assert re.search(r"GNU_RELRO", run("readelf", "-l", world.program).stdout)
    assert "__stack_chk_fail" in run("readelf", "--dyn-syms", "-W", world.program).stdout


def test_another_inner_end_than_the_kernels(world, host):
    """tests/daemon/echo_end.hpp, a host that answers pings, behind the whole daemon."""
    binary = os.path.join(os.path.dirname(world.program), "..", "tests", "wg-echo-daemon")
    two = world.host("two")
    world.link(host, two, ["10.66.0.1/24"], ["10.66.0.2/24"])
    name = world.unique("wg")
    private, public = keypair()
    process = two.start(binary, name)
    eventually(lambda: two.run("wg", "show", name, check=False).returncode == 0)
    peer = world.daemon(host)
    peer.set("peer", public, "allowed-ips", "10.77.0.0/24", "endpoint", "10.66.0.2:51820")
    peer.up("10.77.0.1/24")
    key = world.key_file(private)
    two.run("wg", "set", name, "listen-port", "51820", "private-key", key)
    two.run("wg", "set", name, "peer", peer.public, "allowed-ips", "10.77.0.1/32")
    assert "0% packet loss" in host.ping("10.77.0.2", count=200, interval=0.002).stdout
    assert "0% packet loss" in host.ping("10.77.0.99", count=3, size=1300).stdout
    process.terminate()
    assert process.wait(5) == 0
    assert not os.path.exists(socket_of(name))
