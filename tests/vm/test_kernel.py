"""What this host's kernel need not have, in a virtual machine (vm-run): the kernel's WireGuard,
vsock, a bad line."""

import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def in_vm(request, script, steps):
    program = os.path.abspath(request.config.getoption("--program"))
    result = subprocess.run(
        [os.path.join(HERE, "vm-run"), "-t", "280", "--", os.path.join(HERE, script), program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    print(result.stdout[-6000:], result.stderr[-3000:])
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    for step in steps:
        assert f"ok: {step}" in result.stdout


def test_with_the_kernel_in_both_roles_and_over_a_bad_line(request):
    in_vm(
        request,
        "with-kernel",
        (
            "ours begins over IPv4",
            "ours begins over IPv6",
            "the kernel begins",
            "preshared key",
            "2 % loss",
        ),
    )


def test_over_vsock(request):
    in_vm(
        request,
        "over-vsock",
        (
            "ping over vsock",
            "iperf3 over vsock",
            "wg show and showconf",
            "the native form",
            "the host side came back",
            "without AF_VSOCK it says so",
        ),
    )


def test_over_tcp_on_a_bad_line(request):
    in_vm(request, "over-tcp", ("tcp over a good line", "tcp over 2 % loss and delay"))
