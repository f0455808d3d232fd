# SPDX-License-Identifier: BSD-3-Clause
"""The small services of tests/echo on b of a RelayNet: our TCP, behind the bad link of tests/support/relay.py."""
import json
import os
import signal
import socket

from balancer import BUILD, WORKER
from lab import LabError, eal_prefix, endpoint, wait_for
from relay import ADDRESS

ECHO = os.path.join(BUILD, "tests/echo/echo")
CALLS, ECHO_PORT, DISCARD, SOURCE, HTTP = PORTS = (1, 7, 9, 19, 80)
# The port's own addresses, which calls come from. The services have those of b.
OWN = {4: "198.18.0.3", 6: "2001:db8:18::3"}
PERIOD = 251
_PATTERN = bytes(range(PERIOD)) * 4096


def pattern(size, at=0):
    """The bytes that the services send."""
    out = bytearray()
    while len(out) < size:
        begin = (at + len(out)) % PERIOD
        out += _PATTERN[begin:begin + size - len(out)]
    return bytes(out)


def config(workers, services, packets):
    # A pool is what a service has to have; there is nobody in it.
    return {
        "workers": list(range(1, workers + 1)) if workers > 1 else [WORKER],
        "control": 0,
        "idle": {"sleep-max": "20us"},
        "limits": {"packets": packets, "flows": 65536, "flows-v6": 65536},
        "ports": [{"name": "eth0", "device": "af_packet:eth0", "addresses": [f"{OWN[4]}/24", f"{OWN[6]}/64"],
            "gateways": [ADDRESS["a"][4], ADDRESS["a"][6]]}],
        "pools": [{"name": f"nobody-v{v}", "servers": [{"name": "nobody", "address": endpoint(ADDRESS["a"][v], 9)}]} for v in (4, 6)],
        "services": [{"name": f"p{port}-v{v}", "address": endpoint(ADDRESS["b"][v], port), "mode": "tcp", "pool": f"nobody-v{v}",
            **services.get(port, {})} for v in (4, 6) for port in PORTS],
    }


class Echo:
    """The program in a namespace, there when the constructor returns. services: more of a service's configuration, by port.
    options: of the program."""

    def __init__(self, net, workers=1, services=None, packets=16384, options=()):
        self.net = net
        self.log_name = f"echo-{len(net.processes)}.log"
        path = os.path.join(net.directory, "echo.json")
        with open(path, "w") as f:
            json.dump(config(workers, services or {}, packets), f)
        open(os.path.join(net.directory, self.log_name), "w").close()
        # More workers than there are cores beside the control core's share the last one.
        cores = ("--lcores", ",".join(["0@0", *(f"{i}@{WORKER}" for i in range(1, workers + 1))])) if workers > 1 else ()
        self.process = net.spawn("b", [ECHO, "--config", path, "--socket", os.path.join(net.directory, "echo.sock"), *cores, *map(str, options), "--",
            "--no-huge", "--in-memory", f"--file-prefix={eal_prefix(net.prefix)}"], self.log_name)
        try:
            wait_for(self._begun, 30)
        except LabError as e:
            raise LabError(f"no echo: {e}\n{self.log()}") from None

    def log(self):
        """What it said; of the reports, the last."""
        lines = self.net.log(self.log_name).splitlines(keepends=True)
        reports = [line for line in lines if line.startswith("{")]
        return "".join([line for line in lines if not line.startswith("{")] + reports[-1:])

    def _begun(self):
        if self.process.poll() is not None:
            raise LabError(f"it ended with status {self.process.returncode}")
        return "echo: ready" in self.log()

    def _reports(self):
        return [json.loads(line) for line in self.net.log(self.log_name).splitlines(keepends=True) if line.startswith("{") and line.endswith("\n")]

    def report(self):
        """{"workers": [{"conns": N, ..., "count": {...}}], "packets": {"size": N, "free": N}, "tcp_packets": [...]}; after stop(), that of
        the end."""
        if self.process.poll() is not None:
            return self._reports()[-1]
        before = len(self._reports())
        self.process.send_signal(signal.SIGUSR1)
        return wait_for(lambda: self._reports()[before:])[0]

    def count(self, name):
        """A counter, or another number of the workers', their sum."""
        return sum(w["count"].get(name, w.get(name)) for w in self.report()["workers"])

    def stop(self):
        """The last report; LabError where something was left of a connection."""
        if self.process in self.net.processes:
            self.net.processes.remove(self.process)
            if self.net.end(self.process, 20) != 0:
                raise LabError(f"echo: exit {self.process.returncode}:\n{self.log()}")
        return self.report()

    def kill(self):
        """Ends it, whatever is left."""
        if self.process in self.net.processes:
            self.net.processes.remove(self.process)
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, *unused):
        if kind is None:
            self.stop()
        else:  # it is what failed before that counts
            self.kill()


def client(net, address, port, timeout=60, options=(), source=None):
    """A socket of a, connected to a service. options: (level, name, value), set before that. source: its own address and port."""
    with net.inside("a"):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    for option in options:
        s.setsockopt(*option)
    if source:
        s.bind(source)
    s.settimeout(timeout)
    try:
        s.connect((address, port))
    except BaseException:
        s.close()
        raise
    return s


def receive(s, size=None):
    """What comes until the end, or so many bytes of it."""
    out = bytearray()
    while size is None or len(out) < size:
        piece = s.recv(min(1 << 20, size - len(out)) if size else 1 << 20)
        if not piece:
            break
        out += piece
    return bytes(out)


def call(s, what, address, port, size):
    """Has the program connect to address and port; what came of it. s: a connection to CALLS."""
    s.sendall(f"{what} {address} {port} {size}\n".encode())
    answer = b""
    while not answer.endswith(b"\n"):
        piece = s.recv(4096)
        if not piece:
            raise LabError(f"no answer to a call: {answer}")
        answer += piece
    return json.loads(answer)
