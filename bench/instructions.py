#!/usr/bin/python3
"""How many instructions each piece of the packet path takes, by valgrind's callgrind: figures that
a noisy machine does not change. AVX2 is the widest that valgrind knows, so the AEAD is that
kernel's."""

import os
import re
import shutil
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from tests.netns import lab  # noqa: E402


def count(micro):
    """Instructions for one unit of each piece that wg-micro measures, by its name; none without
    valgrind."""
    if not shutil.which("valgrind"):
        return {}
    with tempfile.TemporaryDirectory() as folder:
        output = lab.run(
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", micro, timeout=600
        ).stdout
        units = {
            name: int(number)
            for name, number in re.findall(r"^(\w+) (\d+) units$", output, re.MULTILINE)
        }
        totals = {}
        for entry in os.scandir(folder):
            with open(entry.path, encoding="utf-8") as file:
                text = file.read()
            trigger = re.search(r"^desc: Trigger: Client Request: (\w+)$", text, re.MULTILINE)
            if trigger:
                totals[trigger[1]] = int(
                    re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)[1]
                )
    return {name: totals[name] / number for name, number in units.items()}


def main():
    micro = os.path.abspath(
        sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build/release/bench/wg-micro")
    )
    for name, instructions in count(micro).items():
        print(f"{name} {instructions:.1f}")


if __name__ == "__main__":
    main()
