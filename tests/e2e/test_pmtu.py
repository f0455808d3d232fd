# SPDX-License-Identifier: BSD-3-Clause
"""Path MTU discovery through each mode, past a link of 1,280 bytes between two routers, on the clients' side or the servers':

    far client -- r1 == r2 -- wan (lab) lan -- r3 == r4 -- far server        ==: 1,280 bytes

Both ends have links of 1,500 bytes and segments to match, so that nothing arrives unless a router's "too big" reaches who
sent what was too big, and that one knows it for its own. With a tunnel the balancer is who sent it on the servers' side: it
hears r3, and tells the client what is left for its packets. test_tunnel.py has the client that does not listen.
"""
import contextlib
import errno
import hashlib
import http.server
import os
import socket
import threading
import time

import pytest
from balancer import WORKER, Balancer
from conftest import stop
from lab import CLIENT, PORT_ADDRESS, SERVERS, VIP, endpoint

HTTP_PORT, UDP_PORT = 8099, 8098
NARROW = 1280
FAR_CLIENT = {4: "198.18.1.2", 6: "2001:db8:a1::2"}
FAR_SERVER = {4: "198.18.2.2", 6: "2001:db8:a2::2"}
SIZE = 3_000_000

# By mode and the client's IP version: the virtual address with a server that is near, and with the far one.
NEAR = {("dr", 4): VIP["dr", 4], ("dr", 6): VIP["dr", 6], ("nat", 4): "192.0.2.11", ("nat", 6): "2001:db8:1::11",
        ("fullnat", 4): "192.0.2.21", ("fullnat", 6): "2001:db8:1::21", ("fullnat-6to4", 6): "2001:db8:1::26",
        ("tunnel", 4): VIP["tunnel", 4], ("tunnel", 6): VIP["tunnel", 6]}
FAR = {("nat", 4): "192.0.2.12", ("nat", 6): "2001:db8:1::12", ("fullnat", 4): "192.0.2.22",
       ("fullnat", 6): "2001:db8:1::22", ("fullnat-6to4", 6): "2001:db8:1::27",
       ("tunnel", 4): "192.0.2.32", ("tunnel", 6): "2001:db8:1::32"}
DIRECT = ("dr", "tunnel")  # the server has the virtual address, and answers by itself
CASES = [(mode, version, "client") for mode, version in NEAR] + [(mode, version, "server") for mode, version in FAR]
each_case = pytest.mark.parametrize("mode,version,side", CASES)

# linux/in.h, linux/in6.h
DISCOVER = {4: (socket.IPPROTO_IP, 10), 6: (socket.IPPROTO_IPV6, 23)}
MTU = {4: (socket.IPPROTO_IP, 14), 6: (socket.IPPROTO_IPV6, 24)}
RECVERR = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}
HOPS = {4: (socket.IPPROTO_IP, 2), 6: (socket.IPPROTO_IPV6, 16)}
DISCOVER_DO = 2
HEADERS = {4: 28, 6: 48}


def config():
    pools, services = [], []
    for v in (4, 6):
        pools += [{"name": f"near{v}", "servers": [{"name": "s1", "address": SERVERS["s1"][v]}]},
                  {"name": f"far{v}", "servers": [{"name": "far", "address": FAR_SERVER[v]}]}]
    for addresses, where in ((NEAR, "near"), (FAR, "far")):
        for (mode, v), address in addresses.items():
            to = 4 if mode == "fullnat-6to4" else v
            services += [{"name": f"{mode}-{v}-{where}-{protocol}", "address": endpoint(address, port), "protocol": protocol,
                          "mode": mode.partition("-")[0], "pool": f"{where}{to}"}
                         for protocol, port in (("tcp", HTTP_PORT), ("udp", UDP_PORT))]
    return {
        "workers": [WORKER],
        "ports": [{"name": name, "device": f"af_packet:{name}",
                   "addresses": [f"{PORT_ADDRESS[name, 4]}/24", f"{PORT_ADDRESS[name, 6]}/64"]} for name in ("wan", "lan")],
        "routes": [{"to": "198.18.1.0/24", "via": "192.0.2.253"}, {"to": "2001:db8:a1::/64", "via": "2001:db8:1::fffd"},
                   {"to": "198.18.2.0/24", "via": "10.0.0.253"}, {"to": "2001:db8:a2::/64", "via": "2001:db8:2::fffd"}],
        "pools": pools, "services": services,
    }


def build_arm(lab, number, host, inner, outer, net, address, far, default):
    """host -- inner == outer -- a network of the lab's."""
    middle = {4: f"198.18.{number + 10}", 6: f"2001:db8:b{number}:"}
    edge = {4: far[4].rpartition(".")[0], 6: far[6].rpartition(":")[0]}
    lab.add(host)
    lab.add(inner, forward=True)
    lab.add(outer, forward=True)
    lab.link(host, "eth0", inner, "edge")
    lab.link(inner, "narrow", outer, "narrow")
    lab.plug(outer, net, net)
    lab.ip(host, "link set eth0 up", f"addr add {far[4]}/24 dev eth0", f"addr add {far[6]}/64 dev eth0 nodad",
        f"route add default via {edge[4]}.1", f"route add ::/0 via {edge[6]}:1")
    lab.ip(inner, "link set edge up", f"link set narrow mtu {NARROW} up", f"addr add {edge[4]}.1/24 dev edge",
        f"addr add {edge[6]}:1/64 dev edge nodad", f"addr add {middle[4]}.1/24 dev narrow",
        f"addr add {middle[6]}:1/64 dev narrow nodad", f"route add default via {middle[4]}.2",
        f"route add ::/0 via {middle[6]}:2")
    lab.ip(outer, f"link set narrow mtu {NARROW} up", f"addr add {middle[4]}.2/24 dev narrow",
        f"addr add {middle[6]}:2/64 dev narrow nodad", f"addr add {address[4]}/24 dev {net}",
        f"addr add {address[6]}/64 dev {net} nodad", f"route add {edge[4]}.0/24 via {middle[4]}.1",
        f"route add {edge[6]}:/64 via {middle[6]}:1", f"route add default via {default[4]}",
        f"route add ::/0 via {default[6]}")


def build_tunnel_end(lab):
    """The far server has the virtual addresses, and answers past the balancer: r3 sends what comes from them to the router."""
    lab.decapsulate("fs")
    for v, router in ((4, "10.0.0.254"), (6, "2001:db8:2::fffe")):
        virtual = FAR["tunnel", v]
        lab.ip("fs", f"addr add {virtual} dev lo" + (" nodad" if v == 6 else ""), version=v)
        lab.ip("r4", f"route add {virtual} via {FAR_SERVER[v]}", version=v)
        lab.ip("r3", f"rule add from {virtual} table 100", f"route add default via {router} table 100", version=v)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(self.server.body)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(hashlib.sha256(body).hexdigest().encode())

    def log_message(self, *unused):
        pass


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, address, body):
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.body = body
        super().__init__((address, HTTP_PORT), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def server_bind(self):
        self.socket.bind(self.server_address)  # without asking for a name

    server_name, server_port = "test", HTTP_PORT


@pytest.fixture(scope="module")
def body(lab):
    data = os.urandom(SIZE)
    with open(os.path.join(lab.directory, "up"), "wb") as f:
        f.write(data)
    return data


@pytest.fixture(scope="module")
def narrow(lab, shared, body):
    """The two arms, the servers, and a balancer."""
    build_arm(lab, 1, "fc", "r1", "r2", "wan", {4: "192.0.2.253", 6: "2001:db8:1::fffd"}, FAR_CLIENT,
        {4: "192.0.2.254", 6: "2001:db8:1::fffe"})
    build_arm(lab, 2, "fs", "r4", "r3", "lan", {4: "10.0.0.253", 6: "2001:db8:2::fffd"}, FAR_SERVER,
        {4: PORT_ADDRESS["lan", 4], 6: PORT_ADDRESS["lan", 6]})
    build_tunnel_end(lab)
    lab.ip("router", "route add 198.18.1.0/24 via 192.0.2.253", "route add 2001:db8:a1::/64 via 2001:db8:1::fffd")
    shared.release()
    with contextlib.ExitStack() as stack:
        direct = [NEAR[mode, v] for mode in DIRECT for v in (4, 6)]
        tunnel = [FAR["tunnel", v] for v in (4, 6)]
        for name, addresses in (("s1", [*SERVERS["s1"].values(), *direct]), ("fs", [*FAR_SERVER.values(), *tunnel])):
            for address in addresses:
                with lab.inside(name):
                    server = Server(address, body)
                stack.callback(server.server_close)
                stack.callback(server.shutdown)
        balancer = Balancer(lab, config()).start()
        yield balancer
        stop(balancer)


class Path:
    """The ends of a case."""

    def __init__(self, lab, mode, version, side):
        self.lab, self.version = lab, version
        self.vip = (NEAR if side == "client" else FAR)[mode, version]
        self.client = "fc" if side == "client" else "client"
        self.server = "s1" if side == "client" else "fs"
        self.server_version = 4 if mode == "fullnat-6to4" else version
        address = SERVERS["s1"] if side == "client" else FAR_SERVER
        self.server_address = self.vip if mode in DIRECT else address[self.server_version]
        # What each end is told: a link of the other IP version takes 20 bytes less or more of its packets.
        self.mtu_client = self.mtu_server = NARROW
        if mode == "fullnat-6to4" and side == "server":
            self.mtu_client += 20
        elif mode == "fullnat-6to4":
            self.mtu_server -= 20
        elif mode == "tunnel" and side == "server" and version == 4:
            self.mtu_client -= 20  # of IPv6 no less can be asked: the balancer cuts up what is in the tunnel
        for name in (self.client, self.server):  # nothing is remembered of earlier tests
            lab.run(name, ["ip", "route", "flush", "cache"], check=False)
            lab.run(name, ["ip", "-6", "route", "flush", "cache"], check=False)

    def socket(self, name, version):
        with self.lab.inside(name):
            s = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(*DISCOVER[version], DISCOVER_DO)
        s.settimeout(5)
        return s


@pytest.fixture
def path(lab, narrow, mode, version, side):
    return Path(lab, mode, version, side)


@each_case
def test_download(lab, path, body, mode, version, side):
    got = os.path.join(lab.directory, "down")
    lab.run(path.client, ["curl", "-gsSf", "-m", "30", "-o", got, f"http://{endpoint(path.vip, HTTP_PORT)}/"])
    with open(got, "rb") as f:
        assert f.read() == body
    os.unlink(got)


@each_case
def test_upload(lab, path, body, mode, version, side):
    out = lab.run(path.client, ["curl", "-gsSf", "-m", "30", "-T", os.path.join(lab.directory, "up"),
        f"http://{endpoint(path.vip, HTTP_PORT)}/up"]).stdout
    assert out == hashlib.sha256(body).hexdigest()
    if side == "server":  # no router of the client's own tells it
        route = lab.run(path.client, ["ip", "route", "get", path.vip]).stdout
        assert f" mtu {path.mtu_client}" in route, route


def discover(sender, receiver, version, mtu):
    """Sends datagrams of 1,400 bytes until the kernel knows better; then one of exactly the MTU arrives. With a tunnel those
    before may have arrived as well: in fragments, for a client that does not listen."""
    long = bytes(1400 - HEADERS[version])
    end = time.monotonic() + 10
    with pytest.raises(OSError) as refused:
        while time.monotonic() < end:
            sender.send(long)
            time.sleep(0.02)
    assert refused.value.errno == errno.EMSGSIZE
    assert sender.getsockopt(*MTU[version]) == mtu
    time.sleep(0.1)
    sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # what was said of the other datagrams
    exact = os.urandom(mtu - HEADERS[version])
    sender.send(exact)
    while (got := receiver.recv(2048)) == long:
        pass
    assert got == exact


@each_case
def test_datagrams(path, mode, version, side):
    with path.socket(path.client, version) as client, path.socket(path.server, path.server_version) as server:
        server.bind((path.server_address, UDP_PORT))
        client.connect((path.vip, UDP_PORT))
        client.send(b"hello")
        server.connect(server.recvfrom(100)[1])
        server.send(b"well")
        assert client.recv(100) == b"well"
        discover(client, server, version, path.mtu_client)
        discover(server, client, path.server_version, path.mtu_server)


@pytest.mark.parametrize("mode,version", [case for case in FAR if case[0] not in DIRECT])
def test_traceroute(lab, narrow, mode, version):
    """A router between balancer and server is seen by the client as the virtual address: what is behind stays hidden."""
    path = Path(lab, mode, version, "server")
    with path.socket("client", version) as client:
        client.setsockopt(*RECVERR[version], 1)
        client.setsockopt(*HOPS[version], 2)
        client.connect((path.vip, UDP_PORT))
        client.send(b"how far")
        end = time.monotonic() + 5
        while True:
            try:
                data, control, _, to = client.recvmsg(100, 512, socket.MSG_ERRQUEUE)
                break
            except BlockingIOError:
                assert time.monotonic() < end
                time.sleep(0.02)
        assert data == b"how far" and to[:2] == (path.vip, UDP_PORT)
        (level, kind, value), = [c for c in control if c[:2] == RECVERR[version]]
        # struct sock_extended_err: errno, origin, type, code; behind it the address of who complains
        assert (value[5], value[6]) == ((11, 0) if version == 4 else (3, 0))
        family, at = (socket.AF_INET, 20) if version == 4 else (socket.AF_INET6, 24)
        assert socket.inet_ntop(family, value[at:at + (4 if version == 4 else 16)]) == path.vip
