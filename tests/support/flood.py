# SPDX-License-Identifier: BSD-3-Clause
"""Floods into a balancer in a lab: a port for them, whose device is shared memory, and the generator at the other end of it
(tests/flood). And a way to keep everything but the worker off the worker's core."""
import contextlib
import json
import os
import subprocess

from balancer import BUILD, WORKER
from lab import LabError, endpoint, wait_for

FLOOD = os.path.join(BUILD, "tests/flood/flood")
# 198.18.0.0/15 is for benchmarks (RFC 2544).
ADDRESS = {4: "198.18.0.1", 6: "2001:db8:f::1"}
GATEWAY = {4: "198.18.0.254", 6: "2001:db8:f::fe"}
RATE = 3_000_000
# Where the generator, the control core, clients and servers run.
OTHERS = sorted(os.sched_getaffinity(0) - {WORKER}) or [WORKER]


def socket_of(directory):
    return os.path.join(directory, "flood.sock")


def add_port(config, directory):
    """The port of the flood. It has the default routes, so that answers to sources out of all the world go there."""
    for port in config["ports"]:
        port.pop("gateways", None)
    config["ports"].append({"name": "flood", "device": f"memif:{socket_of(directory)},role=server",
        "addresses": [f"{ADDRESS[4]}/24", f"{ADDRESS[6]}/64"], "gateways": [GATEWAY[4], GATEWAY[6]]})
    return config


class Flood:
    """A flood of `kind` to [(address, port)], running from the moment the constructor returns; result() waits for its end. See
    tests/flood/main.c for the kinds and for what is in the result."""

    def __init__(self, directory, kind, to, seconds, rate=RATE, size=None):
        command = [FLOOD, "--memif", socket_of(directory), "--kind", kind, "--address", GATEWAY[4],
            "--address6", GATEWAY[6], "--via", ADDRESS[4], "--rate", str(rate), "--seconds", str(seconds),
            "--core", str(OTHERS[0]), *(word for target in to for word in ("--to", endpoint(*target)))]
        self.errors = os.path.join(directory, "flood.log")
        self.seconds = seconds
        with open(self.errors, "w") as log:
            self.process = subprocess.Popen(command + (["--size", str(size)] if size else []), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, text=True)
        self._result = None
        try:
            wait_for(self._begun, 20)
        except LabError:
            self.end()
            raise LabError(f"no flood: {open(self.errors).read()}") from None

    def _begun(self):
        if self.process.poll() not in (None, 0):
            raise LabError("it ended at once")
        return "flood: begins" in open(self.errors).read()

    def running(self):
        return self.process.poll() is None

    def result(self):
        if self._result is None:
            out, _ = self.process.communicate(timeout=self.seconds * 3 + 30)
            if self.process.returncode != 0:
                raise LabError(f"flood: exit {self.process.returncode}: {open(self.errors).read()}")
            self._result = json.loads(out)
            print(f"flood: {self._result}")
        return self._result

    def end(self):
        if self.running():
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.end()


def _threads(pid):
    try:
        return [int(t) for t in os.listdir(f"/proc/{pid}/task")]
    except FileNotFoundError:
        return []


def worker_first(pid):
    """The process goes before whatever else the machine does on its cores. Not where it uses interfaces of the kernel: the kernel's
    own threads there, which deliver what it sends, would starve."""
    for thread in _threads(pid):
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, thread, -15)


@contextlib.contextmanager
def worker_alone(lab, balancer):
    """The worker of a balancer, or of a testpmd, has its core to itself, as far as the lab's processes are concerned, this one
    included. Where there is one core only, nothing changes."""
    pids = {os.getpid()}
    for name in lab.names:
        out = subprocess.run(["ip", "netns", "pids", lab.ns(name)], capture_output=True, text=True).stdout
        pids |= set(map(int, out.split()))
    pids.discard(balancer.process.pid)
    before = {}
    for thread in (t for pid in pids for t in _threads(pid)):
        with contextlib.suppress(ProcessLookupError):
            before[thread] = os.sched_getaffinity(thread)
            os.sched_setaffinity(thread, OTHERS)
    try:
        yield
    finally:
        for thread, cores in before.items():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread, cores)
