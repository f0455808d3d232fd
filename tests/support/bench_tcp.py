# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench: what our TCP brings over a bad link (tests/support/relay.py), beside what TCP of Linux does. A host of Linux is at one end
in both cases, tests/echo or another host of Linux at the other. The two are measured in turn, seed by seed: with the same seed the nth
frame of a direction is lost on both links."""
import contextlib
import signal
import socket
import statistics
import threading
import time

from relay import ADDRESS, BAD, Relay, RelayNet
from tcpecho import DISCARD, SOURCE, Echo, client, pattern

# A kernel has it for root at least, whatever it lets a namespace choose.
CUBIC = (socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
# As much as Linux lets a connection grow to (tcp_wmem).
BUFFERS = 4 << 20
PROFILES = {
    "delay 5 ms": {"delay": 5},
    "loss 0.1 %": {"loss": 0.1}, "loss 1 %": {"loss": 1}, "loss 2 %": {"loss": 2},
    "loss 0.1 %, delay 5 ms": {"loss": 0.1, "delay": 5}, "loss 1 %, delay 5 ms": {"loss": 1, "delay": 5},
    "loss 2 %, delay 5 ms": {"loss": 2, "delay": 5},
    "all at once": BAD,
}
# What b does, which is what is compared.
WAYS = {"receives": DISCARD, "sends": SOURCE}


def _discard(s):
    while s.recv(1 << 18):
        pass


def _source(s):
    data = pattern(1 << 18)
    while True:
        s.sendall(data)


def _serve(s, serve):
    with s, contextlib.suppress(OSError):
        serve(s)


def _accept(listener, serve):
    with contextlib.suppress(OSError):  # the listener's end
        while True:
            threading.Thread(target=_serve, args=(listener.accept()[0], serve), daemon=True).start()


class Linux:
    """b is a host of Linux with the same services."""

    def __init__(self, net):
        self.listeners = []
        for port, serve in ((DISCARD, _discard), (SOURCE, _source)):
            with net.inside("b"):
                listener = socket.create_server((ADDRESS["b"][4], port))
            listener.setsockopt(*CUBIC)
            threading.Thread(target=_accept, args=(listener, serve), daemon=True).start()
            self.listeners.append(listener)

    @contextlib.contextmanager
    def awake(self):
        yield

    def close(self):
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()


class Ours:
    """b is tests/echo, which stands still while it is not measured: else it polls."""

    def __init__(self, net):
        self.echo = Echo(net, options=("--cc", "cubic", "--buffers", BUFFERS))
        self.echo.process.send_signal(signal.SIGSTOP)

    @contextlib.contextmanager
    def awake(self):
        self.echo.process.send_signal(signal.SIGCONT)
        try:
            yield
        finally:
            self.echo.process.send_signal(signal.SIGSTOP)

    def close(self):
        self.echo.kill()  # there may be connections whose end was lost with the relay


def send(s, seconds):
    """Bits a second that get there, from the beginning until the end is acknowledged."""
    data, sent, began = pattern(1 << 18), 0, time.monotonic()
    while time.monotonic() < began + seconds:
        sent += s.send(data)
    s.shutdown(socket.SHUT_WR)
    s.recv(1)
    return 8 * sent / (time.monotonic() - began)


def receive(s, seconds):
    got, began = 0, time.monotonic()
    while time.monotonic() < began + seconds:
        got += len(s.recv(1 << 18))
    return 8 * got / (time.monotonic() - began)


def goodput(net, way, seed, profile, seconds):
    """Bits a second that b receives or sends."""
    with Relay(net, seed=seed, profile=profile), client(net, ADDRESS["b"][4], WAYS[way], options=[CUBIC]) as s:
        return (send if way == "receives" else receive)(s, seconds)


def run(bench):
    """[{"profile", "way", "linux": [bits a second, by seed], "fairlead": [...], "of_linux": factor of the medians}]"""
    rows = []
    with contextlib.ExitStack() as stack:
        peers = {}
        for name, peer in (("linux", Linux), ("fairlead", Ours)):
            net = stack.enter_context(RelayNet(f"{bench.prefix}{name[0]}", linux=peer is Linux))
            peers[name] = (net, stack.enter_context(contextlib.closing(peer(net))))
        for profile in bench.tcp_profiles or PROFILES:
            for way in WAYS:
                row = {"profile": profile, "way": way, "linux": [], "fairlead": []}
                for seed in range(1, bench.tcp_seeds + 1):
                    for name, (net, peer) in peers.items():
                        with peer.awake():
                            row[name].append(goodput(net, way, seed, PROFILES[profile], bench.tcp_seconds))
                row["of_linux"] = statistics.median(row["fairlead"]) / statistics.median(row["linux"])
                rows.append(row)
    return rows
