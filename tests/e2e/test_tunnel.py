# SPDX-License-Identifier: BSD-3-Clause
"""Mode tunnel with a server behind a router and a link of 1,280 bytes, which answers the client past the balancer.

    client ---- wan ---- lb ---- lan ---- narrow ==== 1,280 bytes ==== server
    .100     192.0.2.0/24 .1   10.0.0.0/24 .254     10.9.0.0/24        .11
       |                                                                  |
       +------------------------- 203.0.113.0/24 -------------------------+

The server's decapsulator is tests/support/decap.py; the virtual address is on its loopback interface. Its SYN-ACK says an MSS
of 1,460, and the client hears no ICMP: its segments are too big for every link behind the balancer.
"""
import hashlib
import json
import os
import random
import socket
import threading

import pytest
from balancer import WORKER, Balancer
from lab import IPERF_PORT, Lab, Namespaces, endpoint, wait_for

VIP = {4: "192.0.2.10", 6: "2001:db8:1::10"}
SERVER = {4: "10.9.0.11", 6: "2001:db8:9::11"}
ENCAPSULATIONS = ("ipip", "gre", "gue")
BULK = 2 << 20

# Sends back what it gets.
ECHO = """
import socket, sys, threading
def serve(s):
    data = b""
    while (more := s.recv(1 << 16)):
        data += more
    s.sendall(data)
    s.close()
def listen(port):
    l = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
for p in sys.argv[1:]:
    threading.Thread(target=listen, args=(int(p),)).start()
"""


def port_of(encapsulation, outer):
    """Of the service with this encapsulation and servers of this family."""
    return 8000 + 10 * outer + ENCAPSULATIONS.index(encapsulation)


def config():
    def service(name, port, encapsulation, outer, protocol="tcp"):
        return {"name": name, "address": [endpoint(VIP[v], port) for v in (4, 6)], "protocol": protocol, "mode": "tunnel",
            "encapsulation": encapsulation, "pool": f"far{outer}"}

    services = [service(f"{e}{outer}", port_of(e, outer), e, outer) for e in ENCAPSULATIONS for outer in (4, 6)]
    services += [service("web", 80, "ipip", 4), service("bulk", IPERF_PORT, "gue", 4),
        service("bulk-udp", IPERF_PORT, "gue", 6, "udp")]
    return {"workers": [WORKER],
        "ports": [
            {"name": "wan", "device": "af_packet:wan", "addresses": ["192.0.2.1/24", "2001:db8:1::1/64"]},
            {"name": "lan", "device": "af_packet:lan", "addresses": ["10.0.0.1/24", "2001:db8:2::1/64"]}],
        "routes": [{"to": "10.9.0.0/24", "via": "10.0.0.254"}, {"to": "2001:db8:9::/64", "via": "2001:db8:2::fe"}],
        "pools": [{"name": f"far{v}", "servers": [{"name": "server", "address": SERVER[v]}]} for v in (4, 6)],
        "services": services}


def connect_all(net):
    for name in ("client", "lb", "server"):
        net.add(name)
    net.add("narrow", forward=True)
    net.sysctl("lb", **{"net.ipv6.conf.all.disable_ipv6": 1, "net.ipv6.conf.default.disable_ipv6": 1})
    net.link("client", "wan", "lb", "wan")
    net.link("lb", "lan", "narrow", "lan")
    net.link("narrow", "far", "server", "far")
    net.link("client", "back", "server", "back")
    net.ip("lb", "link set wan up", "link set lan up")
    net.ip("narrow", "link set lan up", "link set far mtu 1280 up", "addr add 10.0.0.254/24 dev lan",
        "addr add 2001:db8:2::fe/64 dev lan nodad", "addr add 10.9.0.254/24 dev far", "addr add 2001:db8:9::fe/64 dev far nodad")
    net.ip("server", "link set far mtu 1280 up", "link set back up", "addr add 10.9.0.11/24 dev far",
        "addr add 2001:db8:9::11/64 dev far nodad", "addr add 203.0.113.2/24 dev back",
        "addr add 2001:db8:f::2/64 dev back nodad", f"addr add {VIP[4]}/32 dev lo", f"addr add {VIP[6]}/128 dev lo nodad",
        "route add 10.0.0.0/24 via 10.9.0.254", "route add 2001:db8:2::/64 via 2001:db8:9::fe",
        "route add 192.0.2.0/24 via 203.0.113.1", "route add 2001:db8:1::/64 via 2001:db8:f::1")
    net.ip("client", "link set wan up", "link set back up", "addr add 192.0.2.100/24 dev wan",
        "addr add 2001:db8:1::100/64 dev wan nodad", "addr add 203.0.113.1/24 dev back",
        "addr add 2001:db8:f::1/64 dev back nodad")


def deafen(net):
    """No ICMP from the balancer's side reaches the client. The balancer is its neighbour, known without asking."""
    lb = net.run("lb", ["cat", "/sys/class/net/wan/address"]).stdout.strip()
    net.ip("client", f"neigh replace {VIP[4]} lladdr {lb} dev wan", f"neigh replace {VIP[6]} lladdr {lb} dev wan")
    for version, icmp in ((4, "icmp"), (6, "ipv6-icmp")):
        net.ip("client", f"rule add pref 5 iif wan ipproto {icmp} blackhole", "rule add pref 10 lookup local",
            "rule del pref 0", version=version)


@pytest.fixture(scope="module")
def net():
    with Namespaces(prefix=f"fltun{os.getpid()}") as net:
        connect_all(net)
        deafen(net)
        Lab.decapsulate(net, "server")
        ports = [port_of(e, outer) for e in ENCAPSULATIONS for outer in (4, 6)]
        net.spawn("server", ["/usr/bin/python3", "-c", ECHO, *map(str, ports)], "echo.log")
        for address in VIP.values():  # datagrams are answered from it
            net.spawn("server", ["iperf3", "-s", "-B", address, "-p", str(IPERF_PORT)], "iperf3.log")
        Lab.serve(net, "server")
        wait_for(lambda: net.run("server", ["ss", "-Hltn", f"sport = :{IPERF_PORT}"]).stdout.count("LISTEN") == 2)
        balancer = Balancer(net, config()).start()
        net.balancer = balancer
        yield net
        assert balancer.stop() == 0, balancer.log()


def exchange(net, address, port):
    """Sends BULK bytes and gets them back: two digests."""
    data = random.Random(port).randbytes(BULK)
    with net.inside("client"):
        s = socket.create_connection((address, port), timeout=30)
    with s:
        def send():
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        got = hashlib.sha256()
        while (more := s.recv(1 << 16)):
            got.update(more)
        sender.join(30)
    return hashlib.sha256(data).hexdigest(), got.hexdigest()


@pytest.mark.parametrize("inner", (4, 6), ids=("v4-inside", "v6-inside"))
@pytest.mark.parametrize("outer", (4, 6), ids=("v4-outside", "v6-outside"))
@pytest.mark.parametrize("encapsulation", ENCAPSULATIONS)
def test_too_big_for_the_way_and_deaf(net, encapsulation, outer, inner):
    sent, got = exchange(net, VIP[inner], port_of(encapsulation, outer))
    assert sent == got
    route = net.run("client", ["ip", "route", "get", VIP[inner]]).stdout
    assert "mtu" not in route, "the client has heard of a path MTU"


def test_splits_and_learns(net):
    """After what went before: the balancer has sent fragments, and was told of the narrow link."""
    drops = {d["reason"]: d["packets"] for d in net.balancer.get("stats", "show")["drops"]}
    assert drops.get("path_learned", 0) > 0, drops


@pytest.mark.parametrize("version", (4, 6))
def test_curl(net, version):
    assert Lab.curl(net, VIP[version], 5) == {"server": 5}


@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("options", [[], ["-R"], ["-u", "-b", "5M", "-l", "1400"], ["-u", "-b", "5M", "-l", "1400", "-R"]],
    ids=["tcp-up", "tcp-down", "udp-up", "udp-down"])
def test_iperf3(net, version, options):
    out = json.loads(net.run("client", ["iperf3", "-J", "-c", VIP[version], "-p", str(IPERF_PORT), "-t", "1", *options],
        check=False).stdout)
    assert "error" not in out, out["error"]
    if "-u" in options:
        assert out["end"]["sum"]["packets"] > 100
        assert out["end"]["sum"]["lost_percent"] < 20
    else:
        assert out["end"]["sum_received"]["bytes"] > 500_000
