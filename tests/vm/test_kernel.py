"""Ours with the Linux kernel's WireGuard, which this host need not have: in a virtual machine (vm-run)."""

import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def test_with_the_kernel_in_both_roles_and_over_a_bad_line(request):
    program = os.path.abspath(request.config.getoption("--program"))
    result = subprocess.run([os.path.join(HERE, "vm-run"), "-t", "280", "--", os.path.join(HERE, "with-kernel"), program],
                            cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    print(result.stdout[-6000:], result.stderr[-3000:])
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    for step in ("ours begins over IPv4", "ours begins over IPv6", "the kernel begins", "preshared key", "2 % loss"):
        assert f"ok: {step}" in result.stdout
