# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench with Pktgen-DPDK, where it is installed: the configurations and command files of scripts/pktgen as they are, with
shared memory (memif) in place of the NICs. What fairlead's worker receives is counted."""
import contextlib
import os
import pty
import shutil
import subprocess
import time

from balancer import WORKER, Balancer
from bench_memif import MODES, worker_busy
from flood import OTHERS, worker_first
from lab import ROOT, LabError, wait_for

PKTGEN = "pktgen"
FILES = os.path.join(ROOT, "scripts/pktgen")
# (mode, command file); a SYN flood of a mode that forwards it, and of one that answers with cookies.
CASES = (*((mode, "udp.pkt") for mode in MODES), ("dr", "syn-flood.pkt"), ("nat", "syn-flood.pkt"))


def socket_of(bench, port):
    return os.path.join(bench.lab.directory, f"pktgen{port}.sock")


def config(bench, mode):
    """The ready configuration, on the worker's core and with memif as its devices; their MACs are those of the command files."""
    with open(os.path.join(FILES, f"{mode}.json")) as f:
        text = f.read()
    changes = [('"workers": [2]', f'"workers": [{WORKER}]'), *(
        (f"0000:3b:00.{i}", f"memif:{socket_of(bench, i)},role=server,mac=02:00:00:00:00:0{i + 1}") for i in range(2))]
    for old, new in changes:
        if old not in text:
            raise LabError(f"{mode}.json has no {old}")
        text = text.replace(old, new)
    return text


class Pktgen:
    """Sends what a command file says, until the end. It wants a terminal to read from."""

    def __init__(self, bench, file):
        self.log = os.path.join(bench.lab.directory, "pktgen.log")
        self.terminal, slave = pty.openpty()
        # An lcore for the screen and one for each port, on the cores that are not the worker's.
        command = [PKTGEN, "--lcores", f"(0-2)@({','.join(map(str, OTHERS))})", "--no-pci", "--no-telemetry",
            f"--file-prefix={bench.prefix}-pktgen", *bench.eal,
            *(f"--vdev=net_memif{i},role=client,socket={socket_of(bench, i)},socket-abstract=no" for i in range(2)),
            "--", "-P", "-m", "1.0,2.1", "-f", "addresses.pkt", "-f", file]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, cwd=FILES, stdin=slave, stdout=log, stderr=subprocess.STDOUT)
        os.close(slave)

    def running(self):
        if self.process.poll() is not None:
            with open(self.log, errors="replace") as f:
                raise LabError(f"pktgen ended with status {self.process.returncode}: {f.read()[-2000:]}")
        return True

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        with contextlib.suppress(OSError):
            os.write(self.terminal, b"quit\n")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.terminal)


def measure(bench, mode, file):
    with Balancer(bench.lab, config(bench, mode), eal=bench.balancer_eal) as lb:
        worker_first(lb.process.pid)
        with Pktgen(bench, file) as pktgen:
            wait_for(lambda: pktgen.running() and worker_busy(lb)[0] > 10_000, 30)
            time.sleep(2)  # until it has sent all of its packets once, and they have made their flows
            before, then = worker_busy(lb), time.monotonic()
            time.sleep(bench.seconds)
            after, now = worker_busy(lb), time.monotonic()
            pktgen.running()
        packets = after[0] - before[0]
        return {"packets_per_second": packets / (now - then), "cycles_per_packet": (after[1] - before[1]) / max(packets, 1),
            "flows": lb.get("worker", "list")[0]["flows_v4"]}


def run(bench):
    """[{what, packets_per_second, ...}]; what cannot be had has "error" instead."""
    if not shutil.which(PKTGEN):
        return [{"what": "Pktgen-DPDK", "error": f"{PKTGEN} was not found in PATH"}]
    rows = []
    for mode, file in CASES:
        row = {"what": f"fairlead {mode}, {file}"}
        try:
            row.update(measure(bench, mode, file))
        except LabError as e:
            row["error"] = str(e).strip()
        rows.append(row)
    return rows
