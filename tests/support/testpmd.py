# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd at its prompt: as a generator (flowgen), as a ceiling (mac, io), and to answer ARP (icmpecho)."""
import os
import re
import select
import subprocess
import time

from lab import LabError

TESTPMD = "dpdk-testpmd"
PROMPT = "testpmd> "


class Testpmd:
    """Runs until close(). core: its forwarding thread and its prompt share it. vdevs: device strings; eal, options: more
    words for the EAL and for testpmd itself. namespace: where its interfaces are."""

    def __init__(self, prefix, core, vdevs, eal=(), options=(), namespace=None):
        # By lines: otherwise what a command prints comes after the next prompt.
        command = [*(["ip", "netns", "exec", namespace] if namespace else []), "stdbuf", "-oL", TESTPMD, "--lcores", f"(0,1)@{core}",
            "--no-pci", "--no-telemetry", f"--file-prefix={prefix}", *eal, *(f"--vdev={v}" for v in vdevs), "--", "-i",
            "--total-num-mbufs=16384", "--record-core-cycles", *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.text = ""
        self.said = self._until_prompt(30)

    def _until_prompt(self, timeout):
        """What it prints until it asks for a command."""
        end = time.monotonic() + timeout
        fd = self.process.stdout.fileno()
        while PROMPT not in self.text:
            ready = select.select([fd], [], [], max(0, end - time.monotonic()))[0]
            data = os.read(fd, 65536) if ready else b""
            if not data:
                self.process.kill()
                raise LabError(f"testpmd {'ended' if ready else 'does not answer'}:\n{self.text}")
            self.text += data.decode(errors="replace")
        said, _, self.text = self.text.partition(PROMPT)
        return said

    def command(self, line, timeout=30):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        said = self._until_prompt(timeout)
        if "Bad arguments" in said or "Command not found" in said:
            raise LabError(f"testpmd does not know '{line}':\n{said}")
        return said

    def start(self, mode):
        self.command(f"set fwd {mode}")
        self.command("start")

    def stop(self):
        """Stops forwarding; the cycles that it needed for a packet, or None."""
        found = re.search(r"CPU cycles/packet=([0-9.]+)", self.command("stop"))
        return float(found[1]) if found else None

    def counters(self):
        """(received, sent) packets, of all ports."""
        return counters(self.command("show port stats all"))

    def close(self):
        if self.process.poll() is None:
            try:
                self.process.stdin.write(b"stop\nquit\n")
                self.process.stdin.close()
                self.process.wait(10)
            except (OSError, subprocess.TimeoutExpired):
                self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def counters(text):
    """(received, sent) packets, of what "show port stats all" prints."""
    def total(name):
        return sum(int(n) for n in re.findall(rf"{name}-packets:\s+(\d+)", text))

    return total("RX"), total("TX")
