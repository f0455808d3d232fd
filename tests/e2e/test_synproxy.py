# SPDX-License-Identifier: BSD-3-Clause
"""SYN cookies with real clients and servers: each mode and family, options on and off at both ends, large transfers both ways,
servers that are not there, and a flood that turns the cookies on."""
import hashlib
import os
import random
import socket
import struct
import time

import pytest
from balancer import lab_config
from lab import IPERF_PORT, SERVERS, VIP, WHOAMI_PORT, endpoint, half_each, wait_for
from load import Crowd, Requests, iperf3, iperf_at

WAYS = [("nat", 4, 4), ("nat", 6, 6), ("fullnat", 4, 4), ("fullnat", 6, 6), ("fullnat", 6, 4)]
each_way = pytest.mark.parametrize("mode,version,servers", WAYS, ids=lambda v: str(v))
CLOSED = 7999


def proxying(servers=None, **syn_proxy):
    """The usual services of NAT and full NAT, all with cookies, and one on a port where nobody listens. servers 4: IPv6
    clients have IPv4 servers."""
    config = lab_config(modes=("nat", "fullnat"), bulk=True)
    config["services"] += [{"name": f"{mode}-closed-v{v}", "address": endpoint(VIP[mode, v], CLOSED), "mode": mode,
        "pool": f"servers-v{v}"} for mode in ("nat", "fullnat") for v in (4, 6)]
    for s in config["services"]:
        if s.get("protocol", "tcp") == "tcp":
            s["syn-proxy"] = {"mode": "always", **syn_proxy}
        if servers == 4 and s["mode"] == "fullnat":
            s["pool"] = s["pool"].replace("-v6", "-v4")
    return config


@pytest.fixture
def lb(start, request):
    way = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    return start(proxying(way.get("servers") if way.get("version") == 6 else None))


def cookies(lb, name):
    return lb.get("service", "show", name)["cookies"]


def rejected(lab):
    """Segments that the servers' kernels took for none of theirs by the echo of their clock, or for old ones by the client's."""
    total = 0
    for server in ("s1", "s2"):
        lines = lab.run(server, ["cat", "/proc/net/netstat"]).stdout.splitlines()
        names, values = (line.split()[1:] for line in lines if line.startswith("TcpExt:"))
        counts = dict(zip(names, map(int, values)))
        total += counts.get("TSEcrRejected", 0) + counts["PAWSEstab"]
    return total


@each_way
def test_requests(lab, lb, mode, version, servers):
    address = VIP[mode, version]
    before = rejected(lab)
    assert half_each(lab.curl(address, 20), 20)
    with Crowd(lab, address, WHOAMI_PORT, 20, pause=0.01) as crowd:
        crowd.progress(20)
    assert not crowd.errors
    with Requests(lab, address, width=8) as requests:
        assert sum(requests.next(200).values()) == 200
    assert not requests.errors
    assert rejected(lab) == before
    counts = cookies(lb, f"{mode}-web-v{version}")
    assert counts["sent"] >= counts["accepted"] >= 220
    assert counts["wrong"] == counts["failed"] == 0
    rows = {s["name"]: s["syn_proxy"] for s in lb.get("service", "list")}
    assert rows[f"{mode}-web-v{version}"] == "on"
    assert rows[f"{mode}-whoami-udp-v{version}"] == "off"


def download(lab, address, size):
    """A file nobody can guess from s1 and s2; whether it arrives whole."""
    data = os.urandom(size)
    for server in ("s1", "s2"):
        with open(os.path.join(lab.www(server), "blob"), "wb") as f:
            f.write(data)
    got = os.path.join(lab.directory, "got")
    lab.run("client", ["curl", "-gsSf", "-m", "60", "-o", got, f"http://{endpoint(address, 80)}/blob"])
    with open(got, "rb") as f:
        arrived = hashlib.file_digest(f, "sha256").digest()
    os.unlink(got)
    return arrived == hashlib.sha256(data).digest()


@each_way
def test_transfers(lab, lb, mode, version, servers):
    address = VIP[mode, version]
    assert download(lab, address, 16 << 20)
    with iperf_at(lab, "s1", [SERVERS["s1"][servers]]):
        assert iperf3(lab, address, "-t", "1")["sum_received"]["bytes"] > 1_000_000
        assert iperf3(lab, address, "-t", "1", "-R")["sum_received"]["bytes"] > 1_000_000


@pytest.mark.parametrize("where", ("client", "servers"))
@pytest.mark.parametrize("without", ("tcp_timestamps", "tcp_sack", "tcp_window_scaling"))
def test_options_off(lab, lb, where, without):
    """A host that does not know an option."""
    hosts = ["client"] if where == "client" else ["s1", "s2"]
    key = f"net.ipv4.{without}"
    for host in hosts:
        lab.sysctl(host, **{key: 0})
    try:
        assert half_each(lab.curl(VIP["nat", 4], 4), 4)
        assert download(lab, VIP["nat", 4], 4 << 20)
        assert download(lab, VIP["fullnat", 6], 4 << 20)
        with iperf_at(lab, "s1", [SERVERS["s1"][4]]):
            assert iperf3(lab, VIP["nat", 4], "-t", "1")["sum_received"]["bytes"] > 1_000_000
    finally:
        for host in hosts:
            lab.sysctl(host, **{key: 1})


def test_another_scale(lab, start):
    """What is announced is not what servers have; and segments are short."""
    start(proxying(**{"window-scale": 2, "mss": 600, "window": 3000}))
    for address in (VIP["nat", 4], VIP["fullnat", 6]):
        assert download(lab, address, 4 << 20)
    with iperf_at(lab, "s1", SERVERS["s1"].values()):
        assert iperf3(lab, VIP["nat", 4], "-t", "1")["sum_received"]["bytes"] > 1_000_000
        assert iperf3(lab, VIP["fullnat", 6], "-t", "1")["sum_received"]["bytes"] > 1_000_000


@each_way
def test_refused(lab, lb, mode, version, servers):
    """Nobody listens: the client is connected, and then is not."""
    with lab.inside("client"), pytest.raises(ConnectionResetError):
        # The RST may be there before connect() has looked.
        with socket.create_connection((VIP[mode, version], CLOSED), timeout=10) as s:
            s.recv(1)
    assert cookies(lb, f"{mode}-closed-v{version}")["failed"] == 1


def test_silent_servers(lab, lb):
    """Servers that do not answer: seven seconds, then a RST, whether the client has said something or not."""
    for s in ("s1", "s2"):
        lab.ip(s, "route add blackhole 192.0.2.100/32")
    try:
        began = time.monotonic()
        with lab.inside("client"):
            waiting = [socket.create_connection((VIP["nat", 4], 80), timeout=20) for _ in range(4)]
        for s in waiting[:2]:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        for s in waiting:
            with s, pytest.raises(ConnectionResetError):
                s.recv(1)
        assert time.monotonic() - began > 6
    finally:
        for s in ("s1", "s2"):
            lab.ip(s, "route del blackhole 192.0.2.100/32")
    assert cookies(lb, "nat-web-v4")["failed"] == 4
    assert half_each(lab.curl(VIP["nat", 4], 4), 4)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn(source, destination, port):
    """An IPv4 packet from whomever."""
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    header = struct.pack("!HHIIBBHHH", random.randrange(1024, 65536), port, random.getrandbits(32), 0, 6 << 4, 2, 64240, 0, 0)
    tcp = header + b"\x02\x04\x05\xb4"
    tcp = tcp[:16] + struct.pack("!H", checksum(ends + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + ends + tcp


def test_flood(lab, start):
    """Cookies come with the flood and go after it. Connections that were there, and new ones, notice nothing."""
    random.seed(7)
    config = lab_config(modes=("nat",))
    for s in config["services"]:
        if s["protocol"] == "tcp":
            s["syn-proxy"] = {"rate": 100}
    lb = start(config)
    address = VIP["nat", 4]

    def state():
        return lb.get("service", "show", "nat-web-v4")["syn_proxy"]

    assert half_each(lab.curl(address, 4), 4)
    assert state() == "ready"
    assert cookies(lb, "nat-web-v4")["sent"] == 0
    with Crowd(lab, address, WHOAMI_PORT, 10, pause=0.05) as crowd, Requests(lab, address) as requests:
        crowd.progress(5)
        with lab.inside("client"):
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        packets = [syn(f"203.0.113.{random.randrange(1, 255)}", address, 80) for _ in range(2000)]

        def flooded():
            for p in random.sample(packets, 200):
                raw.sendto(p, (address, 0))
            return state() == "on" and cookies(lb, "nat-web-v4")["sent"] > 1000

        with raw:
            wait_for(flooded, timeout=60, step=0.01)
            requests.next(20)
        crowd.progress(5)
    assert not crowd.errors
    assert not requests.errors
    assert cookies(lb, "nat-web-v4")["accepted"] > 10
    # Those of the first moments.
    assert lb.get("session", "count", "--service", "nat-web-v4", "--state", "syn")["sessions"] < 1000
    # The control core looks once a second.
    wait_for(lambda: "service nat-web-v4: SYN cookies on, for more than 100 SYNs a second" in lb.log(), timeout=5)
    assert lb.get("service", "show", "nat-whoami-tcp-v4")["syn_proxy"] == "ready"
    wait_for(lambda: state() == "ready", timeout=60)
    wait_for(lambda: "service nat-web-v4: SYN cookies off after" in lb.log(), timeout=5)
    assert half_each(lab.curl(address, 4), 4)
