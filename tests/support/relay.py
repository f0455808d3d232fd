# SPDX-License-Identifier: BSD-3-Clause
"""Two hosts with a link between them that loses, reorders, repeats, damages and delays frames as a seed decides (tests/relay):

    a -- eth0 ---- a [relay] b ---- eth0 -- b
    198.18.0.1                      198.18.0.2
    2001:db8:18::1                  2001:db8:18::2

a is a Linux host. b is one too, or its eth0 is left alone, without an address and without IPv6, for a process that opens it by
itself (spawn it in "b"; for DPDK, device af_packet:eth0) and answers for the addresses of ADDRESS["b"].
"""
import contextlib
import json
import os
import signal
import socket
import threading

from balancer import BUILD
from lab import LabError, Namespaces, wait_for
from load import iperf3, iperf_at

RELAY = os.path.join(BUILD, "tests/relay/relay")
ADDRESS = {"a": {4: "198.18.0.1", 6: "2001:db8:18::1"}, "b": {4: "198.18.0.2", 6: "2001:db8:18::2"}}
ECHO_PORT = 7
CONGESTION = "reno"  # which each kernel has, and lets each namespace have
# A bad link, though not one on which nothing gets on: per cent, and ms.
BAD = {"loss": 2, "reorder": 2, "duplicate": 1, "corrupt": 1, "delay": 5, "jitter": 1}


def words(profile):
    """Options of tests/relay from {"loss": 2, "hold_frames": 5, ...}. "ab" and "ba" are profiles for one direction."""
    ways = [(way, profile[way]) for way in ("ab", "ba") if way in profile]
    out = [word for name, value in profile.items() if name not in ("ab", "ba")
        for word in (f"--{name.replace('_', '-')}", str(value))]
    return out + [word for way, own in ways for word in ("--way", way, *words(own))]


class Relay:
    """A relay in a namespace that has the interfaces a and b, forwarding from the moment the constructor returns."""

    def __init__(self, lab, namespace="relay", seed=1, profile=None):
        self.lab = lab
        self.log_name = f"relay-{len(lab.processes)}.log"
        open(os.path.join(lab.directory, self.log_name), "w").close()
        self.process = lab.spawn(namespace, [RELAY, "a", "b", "--seed", str(seed), *words(profile or {})], self.log_name)
        try:
            wait_for(self._begun)
        except LabError as e:
            raise LabError(f"no relay: {e}\n{lab.log(self.log_name)}") from None

    def _begun(self):
        if self.process.poll() is not None:
            raise LabError(f"it ended with status {self.process.returncode}")
        return "relay: ready" in self.lab.log(self.log_name)

    def _reports(self):
        return [json.loads(line) for line in self.lab.log(self.log_name).splitlines(keepends=True)
            if line.startswith("{") and line.endswith("\n")]

    def counters(self):
        """{"seed": N, "ab": {"received": N, "lost": N, ...}, "ba": ...}; after stop(), those at the end."""
        if self.process.poll() is not None:
            return self._reports()[-1]
        before = len(self._reports())
        self.process.send_signal(signal.SIGUSR1)
        return wait_for(lambda: self._reports()[before:])[0]

    def stop(self):
        """The counters; LabError where the relay did not end well. What was under way in it is lost."""
        if self.process in self.lab.processes:
            self.lab.processes.remove(self.process)
            if self.lab.end(self.process) != 0:
                raise LabError(f"relay: exit {self.process.returncode}:\n{self.lab.log(self.log_name)}")
        return self.counters()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()


class RelayNet(Namespaces):
    """The topology above, in which Relay(net, ...) forwards. linux: b is a Linux host."""

    def __init__(self, prefix=None, directory=None, linux=True):
        super().__init__(prefix or f"fr{os.getpid()}", directory)
        try:
            self._network(("a", "b") if linux else ("a",))
        except BaseException:
            self.close()
            raise

    def _network(self, hosts):
        for name in ("a", "relay", "b"):
            self.add(name)
            if name not in hosts:
                self.sysctl(name, **{"net.ipv6.conf.all.disable_ipv6": 1, "net.ipv6.conf.default.disable_ipv6": 1})
        for name in ("a", "b"):
            self.link(name, "eth0", "relay", name)
            # The link-local address is there at once; neighbours are asked in its name.
            self.sysctl(name, **{"net.ipv6.conf.all.accept_dad": 0, "net.ipv6.conf.eth0.accept_dad": 0})
            self.ip("relay", f"link set dev {name} up")
            self.ip(name, "link set eth0 up")
        for name in hosts:
            # What was learnt of the path in one test is not to help the next, nor is the machine to say how windows grow.
            self.sysctl(name, **{"net.ipv4.tcp_no_metrics_save": 1, "net.ipv4.tcp_congestion_control": CONGESTION})
            self.ip(name, f"addr add {ADDRESS[name][4]}/24 dev eth0", f"addr add {ADDRESS[name][6]}/64 dev eth0 nodad")

    def meet(self, name, address):
        """Where a relay is forwarding: a host finds its neighbour, so that its first packets do not wait for that while later ones pass."""
        def found():
            return "lladdr" in self.run(name, ["ip", "neigh", "show", address]).stdout

        self.ip(name, f"neigh replace {address} dev eth0 use")
        wait_for(found)


def goodput(net, seed, profile, version=4, seconds=10, congestion=CONGESTION, options=()):
    """What TCP of Linux brings from a to b past a relay: {"bits_per_second", "retransmits", "relay": its counters}. congestion: the
    algorithm, as Linux calls it. options: more words for iperf3, "-R" for the other way."""
    address = ADDRESS["b"][version]
    with iperf_at(net, "b", [address]), Relay(net, seed=seed, profile=profile) as relay:
        end = iperf3(net, address, "-t", str(seconds), "-C", congestion, *options, source="a")
    return {"bits_per_second": end["sum_received"]["bits_per_second"], "retransmits": end["sum_sent"]["retransmits"],
            "relay": relay.counters()}


# ---- TCP, both ways at once ---------------------------------------------------------------------

def echo(net, address, data, port=ECHO_PORT, timeout=120):
    """What comes back to a from an echo service that is sent the data, and then the end."""
    got = bytearray()
    with net.inside("a"):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    with s:
        s.settimeout(timeout)
        s.connect((address, port))
        errors = []

        def send():
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
            except OSError as e:
                errors.append(e)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        try:
            while piece := s.recv(65536):
                got += piece
        except OSError as e:
            errors.append(e)
        sender.join(timeout)
    if errors:
        raise LabError(f"echo at {address}: {errors}, {len(got)} of {len(data)} bytes came back")
    return bytes(got)


def _serve_echo(listener):
    with contextlib.suppress(OSError):  # the listener's end
        while True:
            s, _ = listener.accept()
            with s, contextlib.suppress(OSError):  # who asked will notice
                s.settimeout(120)
                while piece := s.recv(65536):
                    s.sendall(piece)


@contextlib.contextmanager
def echo_at(net, address, port=ECHO_PORT):
    """An echo service of Linux on b, for one connection after the other."""
    with net.inside("b"):
        listener = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    server = threading.Thread(target=_serve_echo, args=(listener,), daemon=True)
    server.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        server.join(10)
        listener.close()
