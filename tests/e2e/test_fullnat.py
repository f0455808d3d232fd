# SPDX-License-Identifier: BSD-3-Clause
"""Mode fullnat beyond what test_forward.py asks of every mode: one arm, servers that know no way to the client, more flows
to one server than an address has ports, and the client's address told to the server."""
import json
import random
import socket
import struct
import threading
import time

import pytest
from balancer import WORKER
from lab import CLIENT, IPERF_PORT, SERVERS, WHOAMI_PORT, endpoint, half_each, remove, wait_for
from load import iperf_at

VIRTUAL = {4: "10.0.0.110", 6: "2001:db8:2::110"}  # on the servers' network
FLOWS = 70000
LOAD_PORT = 7100

each_family = pytest.mark.parametrize("version", (4, 6))


def pool(name, version, servers=("s1", "s2"), **more):
    return {"name": name, "servers": [{"name": s, "address": SERVERS[s][version]} for s in servers], **more}


def service(name, address, port, pool_name, protocol="tcp", **more):
    return {"name": name, "address": endpoint(address, port), "protocol": protocol, "mode": "fullnat", "pool": pool_name, **more}


LAN = {"name": "lan", "device": "af_packet:lan", "addresses": ["10.0.0.1/24", "2001:db8:2::1/64"]}
WAN = {"name": "wan", "device": "af_packet:wan", "addresses": ["192.0.2.1/24", "2001:db8:1::1/64"]}


# ---- one arm -----------------------------------------------------------------------------------


def one_arm_config():
    """The balancer is on the servers' network only; clients come through the router, or are there themselves."""
    config = {"workers": [WORKER], "ports": [{**LAN, "gateways": ["10.0.0.254", "2001:db8:2::fffe"]}],
        "pools": [pool(f"v{v}", v) for v in (4, 6)] + [pool(f"bulk{v}", v, ["s1"]) for v in (4, 6)], "services": []}
    for v in (4, 6):
        config["services"] += [service(f"web{v}", VIRTUAL[v], 80, f"v{v}"),
            service(f"udp{v}", VIRTUAL[v], WHOAMI_PORT, f"v{v}", "udp"),
            service(f"bulk{v}", VIRTUAL[v], IPERF_PORT, f"bulk{v}"),
            service(f"bulk-udp{v}", VIRTUAL[v], IPERF_PORT, f"bulk{v}", "udp")]
    return config


@pytest.fixture
def iperf(lab):
    with iperf_at(lab, "s1", SERVERS["s1"].values()):
        yield


@pytest.fixture
def one_arm(lab, start):
    return start(one_arm_config())


@each_family
@pytest.mark.parametrize("source", ("client", "s3"), ids=("through the router", "on the servers' network"))
def test_one_arm(lab, one_arm, version, source):
    assert half_each(lab.curl(VIRTUAL[version], 10, source=source), 10)
    assert half_each(lab.datagrams(VIRTUAL[version], 10, source=source), 10)


@each_family
@pytest.mark.parametrize("options", [[], ["-R"], ["-u", "-b", "20M", "-l", "1400"], ["-u", "-b", "20M", "-l", "1400", "-R"]],
    ids=["tcp-up", "tcp-down", "udp-up", "udp-down"])
def test_one_arm_iperf3(lab, one_arm, iperf, version, options):
    out = json.loads(lab.run("s3", ["iperf3", "-J", "-c", VIRTUAL[version], "-p", str(IPERF_PORT), "-t", "1", *options],
        check=False).stdout)
    assert "error" not in out, out["error"]
    if "-u" in options:
        assert out["end"]["sum"]["packets"] > 500
        assert out["end"]["sum"]["lost_percent"] < 20
    else:
        assert out["end"]["sum_received"]["bytes"] > 1_000_000


# ---- two arms ----------------------------------------------------------------------------------


@each_family
def test_servers_without_a_route(lab, start, version):
    """Servers know their own network alone: what NAT cannot do."""
    family = f"-{version}"
    start({"workers": [WORKER], "ports": [WAN, LAN], "pools": [pool("web", version)],
        "services": [service("web", {4: "192.0.2.12", 6: "2001:db8:1::12"}[version], 80, "web")]})
    for s in ("s1", "s2"):
        lab.run(s, ["ip", family, "route", "del", "default"])
    try:
        assert half_each(lab.curl({4: "192.0.2.12", 6: "2001:db8:1::12"}[version], 10), 10)
    finally:
        for s in ("s1", "s2"):
            lab.run(s, ["ip", family, "route", "add", "default", "via", {4: "10.0.0.1", 6: "2001:db8:2::1"}[version]])


DEEP = {4: "172.20.2.2", 6: "2001:db8:d2::2"}


@pytest.fixture(scope="module")
def narrow(lab):
    """A server two routers away, with a link of 1,280 bytes between them: router ==1280== mid -- deep."""
    lab.add("mid", forward=True)
    lab.add("deep")
    lab.link("router", "narrow", "mid", "near")
    lab.link("mid", "far", "deep", "eth0")
    lab.ip("router", "link set narrow up mtu 1280", "addr add 172.20.1.1/24 dev narrow",
        "addr add 2001:db8:d1::1/64 dev narrow nodad", "route add 172.20.2.0/24 via 172.20.1.2",
        "route add 2001:db8:d2::/64 via 2001:db8:d1::2")
    lab.ip("mid", "link set near up mtu 1280", "link set far up", "addr add 172.20.1.2/24 dev near",
        "addr add 2001:db8:d1::2/64 dev near nodad", "addr add 172.20.2.1/24 dev far",
        "addr add 2001:db8:d2::1/64 dev far nodad", "route add default via 172.20.1.1",
        "route add ::/0 via 2001:db8:d1::1")
    lab.ip("deep", "link set eth0 up", "addr add 172.20.2.2/24 dev eth0", "addr add 2001:db8:d2::2/64 dev eth0 nodad",
        "route add default via 172.20.2.1", "route add ::/0 via 2001:db8:d2::1")
    yield
    remove(lab.prefix, ["mid", "deep"])
    lab.names = [n for n in lab.names if n not in ("mid", "deep")]


@pytest.fixture
def deep_iperf(lab, narrow):
    with iperf_at(lab, "deep", DEEP.values()):
        yield


@each_family
@pytest.mark.parametrize("told", ("none", "toa"))
@pytest.mark.parametrize("options", [[], ["-R"]], ids=["up", "down"])
def test_narrow_link(lab, start, deep_iperf, version, told, options):
    """The path's MTU is found through the balancer: the router's message about a packet of ours reaches the client."""
    virtual = {4: "192.0.2.12", 6: "2001:db8:1::12"}[version]
    start({"workers": [WORKER], "ports": [WAN, LAN],
        "routes": [{"to": "172.20.0.0/16", "via": "10.0.0.254"}, {"to": "2001:db8:d2::/64", "via": "2001:db8:2::fffe"}],
        "pools": [{"name": "deep", "servers": [{"name": "deep", "address": DEEP[version]}]}],
        "services": [service("deep", virtual, IPERF_PORT, "deep", **{"client-address": told})]})
    lab.ip("client", "route flush cache", version=version)
    out = json.loads(lab.run("client", ["iperf3", "-J", "-c", virtual, "-p", str(IPERF_PORT), "-t", "1", *options],
        check=False).stdout)
    assert "error" not in out, out["error"]
    assert out["end"]["sum_received"]["bytes"] > 1_000_000


# ---- more flows than ports ---------------------------------------------------------------------

# Answers each datagram with who sent it, and the datagram.
ECHO = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
s.bind(("{SERVERS['s1'][4]}", {LOAD_PORT}))
while True:
    data, peer = s.recvfrom(64)
    s.sendto(b"%s %d " % (peer[0].encode(), peer[1]) + data, peer)
"""


class Crowd:
    """Many clients, each an address of 100.64.0.0/10 with one flow, behind the client's interface: the kernel there has none of
    these addresses and drops what comes for them, after it was seen here."""

    def __init__(self, lab, mac, virtual):
        with lab.inside("client"):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
            self.socket.bind(("wan", 0x0800))
            own = self.socket.getsockname()[4]
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
        self.head = mac + own + b"\x08\x00"
        self.virtual = socket.inet_aton(virtual)
        self.answers = {}
        self.stopping = False
        self.thread = threading.Thread(target=self._receive, daemon=True)
        self.socket.settimeout(0.1)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.stopping = True
        self.thread.join(10)
        self.socket.close()

    def _receive(self):
        while not self.stopping:
            try:
                data = self.socket.recv(2048)
            except TimeoutError:
                continue
            # An IPv4 header without options, UDP, from the virtual address.
            if data[23] != 17 or data[26:30] != self.virtual:
                continue
            length, = struct.unpack("!H", data[38:40])
            source, port, number = data[42:34 + length].split()
            if data[30:34] == self.address(int(number)):
                self.answers[int(number)] = (source.decode(), int(port))

    @staticmethod
    def address(i):
        return struct.pack("!I", (100 << 24 | 64 << 16) + i)

    def send(self, i):
        payload = b"%d" % i
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0, self.address(i), self.virtual)
        total = sum(struct.unpack("!10H", ip))
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        ip = ip[:10] + struct.pack("!H", total ^ 0xFFFF) + ip[12:]
        # Without a checksum, as UDP over IPv4 may be.
        self.socket.send(self.head + ip + struct.pack("!HHHH", 5000, LOAD_PORT, 8 + len(payload), 0) + payload)

    def ask_all(self, n, seconds=60):
        """Every client asks until it is answered."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            waiting = [i for i in range(n) if i not in self.answers]
            if not waiting:
                break
            for k, i in enumerate(waiting):
                self.send(i)
                if k % 50 == 49:
                    time.sleep(0.002)  # what a single-threaded server and af_packet keep up with
            time.sleep(0.3)
        return len(self.answers)


def lb_mac(lab, iface):
    out = lab.run("lb", ["ip", "-j", "link", "show", iface]).stdout
    return bytes.fromhex(json.loads(out)[0]["address"].replace(":", ""))


def test_more_flows_than_ports(lab, start):
    """70,000 flows at a time to one address and port of one server, which two sources carry and one could not."""
    sources = ["10.0.0.5", "10.0.0.6"]
    lb = start({"workers": [WORKER], "ports": [WAN, LAN],
        "routes": [{"to": "100.64.0.0/10", "via": CLIENT[4]}],
        "pools": [pool("load", 4, ["s1"], sources=sources)],
        "services": [service("load", "192.0.2.12", LOAD_PORT, "load", "udp")]})
    echo = lab.spawn("s1", ["/usr/bin/python3", "-c", ECHO], "echo.log")
    wait_for(lambda: f":{LOAD_PORT}" in lab.run("s1", ["ss", "-Hlun"]).stdout)
    try:
        with Crowd(lab, lb_mac(lab, "wan"), "192.0.2.12") as crowd:
            assert crowd.ask_all(FLOWS) == FLOWS
            # Each flow has a source and port of its own, and keeps them.
            seen = dict(crowd.answers)
            assert len(set(seen.values())) == FLOWS
            assert {source for source, _ in seen.values()} == set(sources)
            again = random.Random(3).sample(range(FLOWS), 500)
            for i in again:
                del crowd.answers[i]
            wait_for(lambda: [crowd.send(i) for i in again if i not in crowd.answers] == [], timeout=20, step=0.2)
            assert crowd.answers == seen
        web = [s for s in lb.get("stats", "show")["services"] if s["name"] == "load"][0]
        assert web["active"] == FLOWS
        session = lb.get("session", "list", "--client", "100.64.0.9")["sessions"][0]
        assert session["source"] == "%s:%d" % seen[9]
        assert sum(w["local_ports"] for w in lb.get("worker", "list")) == FLOWS
    finally:
        lab.end(echo)
        lab.processes.remove(echo)


# ---- TOA ---------------------------------------------------------------------------------------


def options_of(tcp):
    out, at = [], 20
    end = (tcp[12] >> 4) * 4
    while at < end and tcp[at] != 0:
        length = 1 if tcp[at] == 1 else tcp[at + 1]
        if tcp[at] != 1:
            out.append((tcp[at], tcp[at + 2:at + length]))
        at += length
    return out


class Listener:
    """TCP segments that arrive at a server's port: (flags, options), with the checksum verified by the kernel that answers."""

    def __init__(self, lab, name, version, port):
        with lab.inside(name):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800 if version == 4 else 0x86DD))
            self.socket.bind(("lan", 0x0800 if version == 4 else 0x86DD))
        self.version, self.port = version, port

    def segments(self):
        self.socket.settimeout(0.5)
        out = []
        while True:
            try:
                frame, (_, _, kind, _, _) = self.socket.recvfrom(4096)
            except TimeoutError:
                return out
            ip = frame[14:]
            proto, tcp = (ip[9], ip[(ip[0] & 15) * 4:]) if self.version == 4 else (ip[6], ip[40:])
            if kind == socket.PACKET_HOST and proto == 6 and struct.unpack("!H", tcp[2:4])[0] == self.port:
                out.append((tcp[13], options_of(tcp)))


@each_family
def test_toa(lab, start, version):
    """The server's kernel, which knows nothing of the option, takes what carries it; the client is in it."""
    virtual = {4: "192.0.2.12", 6: "2001:db8:1::12"}[version]
    start({"workers": [WORKER], "ports": [WAN, LAN], "pools": [pool("web", version, ["s1"])],
        "services": [service("web", virtual, 80, "web", **{"client-address": "toa"})]})
    lab.curl(virtual, 1)  # neighbours are known from here on
    listener = Listener(lab, "s1", version, 80)
    listener.segments()
    out = lab.run("client", ["curl", "-gsS", "-m", "5", "--local-port", str(43210 + version), f"http://{endpoint(virtual, 80)}/"]).stdout
    assert out == "s1\n"
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    client = struct.pack("!H", 43210 + version) + socket.inet_pton(family, CLIENT[version])
    seen = listener.segments()
    told = [[value for kind, value in options if kind == 254] for _, options in seen]
    assert seen[0][0] & 2 and told[0] == []       # SYN
    assert told[1] == [client]                    # the ACK that completes the handshake
    assert told[-1] == [], "still told after the server has answered"
    # Beside the client's own options, not in their place.
    assert any(kind == 8 for kind, _ in seen[1][1])
