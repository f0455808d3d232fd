# SPDX-License-Identifier: BSD-3-Clause
"""Headers of the PROXY protocol in mode tcp: nginx reads those that fairlead writes, fairlead reads those of curl and some that are
cut to pieces or wrong, and whoever is not trusted is not believed. Beside them, monitors, whose connections are closed at once."""
import contextlib
import os
import socket
import struct
import threading
import time

import pytest
from balancer import WORKER
from lab import CLIENT, PORT_ADDRESS, SERVERS, WHOAMI_PORT, endpoint, wait_for

VIRTUAL = {4: "192.0.2.70", 6: "2001:db8:1::70"}
NGINX_PORT = 8080
ECHO_PORT = 8100
TOLD = {4: ("203.0.113.9", "198.51.100.80"), 6: ("2001:db8:9::9", "2001:db8:5::80")}  # by headers of clients; not of the lab

each_family = pytest.mark.parametrize("family", (4, 6))
each_version = pytest.mark.parametrize("version", ("v1", "v2"))
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def header(version, src, sport, dst, dport, more=b"", command=1):
    """Of TCP over the addresses' family. more: behind them, in version 2."""
    family = 6 if ":" in src else 4
    if version == "v1":
        return f"PROXY TCP{family} {src} {dst} {sport} {dport}\r\n".encode()
    kind = {4: socket.AF_INET, 6: socket.AF_INET6}[family]
    body = socket.inet_pton(kind, src) + socket.inet_pton(kind, dst) + struct.pack("!HH", sport, dport) + more
    return SIGNATURE + bytes([0x20 | command, {4: 0x11, 6: 0x21}[family]]) + struct.pack("!H", len(body)) + body


def told(version, family, sport=4321, dport=443):
    """The header of a client that says it is somebody else."""
    src, dst = TOLD[family]
    return header(version, src, sport, dst, dport)


def config(port, proxy=None, servers=("s1",), server_family=None, families=(4, 6), service=None, **pool):
    """A service for each family, whose servers listen on the same port."""
    return {
        "workers": [WORKER],
        "ports": [{"name": name, "device": f"af_packet:{name}",
                   "addresses": [f"{PORT_ADDRESS[name, 4]}/24", f"{PORT_ADDRESS[name, 6]}/64"]} for name in ("wan", "lan")],
        "pools": [{"name": f"v{f}", "servers": [{"name": s, "address": SERVERS[s][server_family or f]} for s in servers], **pool}
                  for f in families],
        "services": [{"name": f"v{f}", "address": endpoint(VIRTUAL[f], port), "mode": "tcp", "pool": f"v{f}",
                      "proxy": proxy or {}, **(service or {})} for f in families],
    }


def trusting(*prefixes, **more):
    return {"accept-header": {"trusted": list(prefixes), **more}}


TRUST = trusting("192.0.2.0/24", "2001:db8:1::/64")


class Call:
    """A connection to the service."""

    def __init__(self, lab, family, port, source="client"):
        with lab.inside(source):
            self.s = socket.create_connection((VIRTUAL[family], port), timeout=20)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address, self.port = self.s.getsockname()[:2]

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.s.close()

    def pieces(self, data):
        """A segment for each byte."""
        for i in range(len(data)):
            self.s.sendall(data[i:i + 1])
            time.sleep(0.001)

    def rest(self):
        """What comes until the end."""
        got = b""
        while part := self.s.recv(65536):
            got += part
        return got

    def echoed(self, data=b""):
        """Sends this, and no more: everything the server got."""
        self.s.sendall(data)
        self.s.shutdown(socket.SHUT_WR)
        return self.rest()

    def is_reset(self):
        with contextlib.suppress(ConnectionResetError):
            self.rest()
            return False
        return True


class Echo:
    """A server in a namespace that sends back what it gets, to the last byte."""

    def __init__(self, lab, name):
        with lab.inside(name):
            self.s = socket.create_server(("::", ECHO_PORT), family=socket.AF_INET6, dualstack_ipv6=True)
        self.accepted = 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                c, _ = self.s.accept()
                self.accepted += 1
                threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        with contextlib.suppress(OSError), c:
            while part := c.recv(65536):
                c.sendall(part)

    def close(self):
        with contextlib.suppress(OSError):
            self.s.shutdown(socket.SHUT_RDWR)
        self.s.close()


@pytest.fixture
def echo(lab):
    with contextlib.closing(Echo(lab, "s1")) as e:
        yield e


NGINX_CONF = """
user root;
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    server {{
        listen {port} proxy_protocol;
        listen [::]:{port} proxy_protocol;
        default_type text/plain;
        set $server "$proxy_protocol_server_addr $proxy_protocol_server_port";
        location = / {{ return 200 "$proxy_protocol_addr $proxy_protocol_port $server"; }}
    }}
}}
"""


@pytest.fixture(scope="module")
def nginx(lab):
    """On s1; answers with what it was told."""
    home = os.path.join(lab.directory, "proxy-header")
    os.makedirs(home)
    with open(os.path.join(home, "nginx.conf"), "w") as f:
        f.write(NGINX_CONF.format(home=home, port=NGINX_PORT))
    process = lab.spawn("s1", ["nginx", "-e", f"{home}/error.log", "-c", f"{home}/nginx.conf"], "proxy-header.log")

    def listening():
        with lab.inside("s1"), contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", NGINX_PORT), timeout=1).close()
            return True

    wait_for(listening)
    yield
    lab.end(process)
    lab.processes.remove(process)


def ask(call):
    """What nginx was told, as a list of words."""
    call.s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    head, _, body = call.rest().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    return body.decode().split()


# ---- toward servers ----------------------------------------------------------------------------


@each_family
@each_version
def test_nginx_is_told(lab, start, nginx, version, family):
    start(config(NGINX_PORT, **{"proxy-header": version}))
    for _ in range(3):
        with Call(lab, family, NGINX_PORT) as c:
            assert ask(c) == [CLIENT[family], str(c.port), VIRTUAL[family], str(NGINX_PORT)]
    out = lab.run("client", ["curl", "-gsS", "-m", "5", f"http://{endpoint(VIRTUAL[family], NGINX_PORT)}/"]).stdout.split()
    assert (out[0], *out[2:]) == (CLIENT[family], VIRTUAL[family], str(NGINX_PORT))


def test_clients_of_the_other_family(lab, start, nginx):
    """An IPv6 client, told to an IPv4 server."""
    start(config(NGINX_PORT, server_family=4, families=(6,), **{"proxy-header": "v1"}))
    with Call(lab, 6, NGINX_PORT) as c:
        assert ask(c) == [CLIENT[6], str(c.port), VIRTUAL[6], str(NGINX_PORT)]


@each_version
def test_before_anything_else(lab, start, echo, version):
    """Also where the client says nothing, and where it has said much already. Each server may have its own way."""
    lb = start(config(ECHO_PORT, **{"proxy-header": version}))
    big = os.urandom(300000)
    for data in (b"", b"hello", big):
        with Call(lab, 4, ECHO_PORT) as c:
            assert c.echoed(data) == header(version, CLIENT[4], c.port, VIRTUAL[4], ECHO_PORT) + data
    other = config(ECHO_PORT, **{"proxy-header": version})
    other["pools"][0]["servers"][0]["proxy-header"] = "none"
    lb.reload(other)
    with Call(lab, 4, ECHO_PORT) as c:
        assert c.echoed(b"hello") == b"hello"
    with Call(lab, 6, ECHO_PORT) as c:
        assert c.echoed(b"hello") == header(version, CLIENT[6], c.port, VIRTUAL[6], ECHO_PORT) + b"hello"


# ---- from clients ------------------------------------------------------------------------------


@each_family
@each_version
def test_header_is_believed(lab, start, nginx, version, family):
    """What a balancer in front says reaches nginx, whichever version either speaks."""
    src, dst = TOLD[family]
    start(config(NGINX_PORT, TRUST, **{"proxy-header": {"v1": "v2", "v2": "v1"}[version]}))
    with Call(lab, family, NGINX_PORT) as c:
        c.s.sendall(told(version, family))
        assert ask(c) == [src, "4321", dst, "443"]
    # Addresses of the other family than the connection's.
    src, dst = TOLD[10 - family]
    with Call(lab, family, NGINX_PORT) as c:
        c.s.sendall(told(version, 10 - family))
        assert ask(c) == [src, "4321", dst, "443"]


@each_family
def test_curl_as_the_balancer_in_front(lab, start, nginx, family):
    start(config(NGINX_PORT, TRUST, **{"proxy-header": "v2"}))
    out = lab.run("client", ["curl", "-gsS", "-m", "5", "--haproxy-protocol",
        f"http://{endpoint(VIRTUAL[family], NGINX_PORT)}/"]).stdout.split()
    assert (out[0], *out[2:]) == (CLIENT[family], VIRTUAL[family], str(NGINX_PORT))


@each_version
def test_header_in_pieces(lab, start, echo, version):
    """Byte by byte, cut once anywhere, and with data in the same segment: the server gets the data and nothing else."""
    start(config(ECHO_PORT, TRUST))
    h = told(version, 6)
    with Call(lab, 4, ECHO_PORT) as c:
        c.pieces(h)
        assert c.echoed(b"hello") == b"hello"
    with Call(lab, 4, ECHO_PORT) as c:
        c.pieces(h + b"hello")
        assert c.echoed() == b"hello"
    for cut in range(0, len(h) + 1, 5):
        with Call(lab, 4, ECHO_PORT) as c:
            c.s.sendall(h[:cut])
            time.sleep(0.002)
            assert c.echoed(h[cut:] + b"hello") == b"hello"
    with Call(lab, 4, ECHO_PORT) as c:
        assert c.echoed(h + h) == h  # one header is one


def test_headers_without_addresses(lab, start, echo):
    """Of checks, and of what is not TCP: the connection's own addresses hold. Beside addresses there may be more."""
    start(config(ECHO_PORT, TRUST, **{"proxy-header": "v1"}))
    longest = header("v2", *("203.0.113.9", 4321, "198.51.100.80", 443), more=bytes(536 - 28))
    for h in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", SIGNATURE + b"\x20\0\0\0",
              header("v2", "203.0.113.9", 1, "198.51.100.80", 2, command=0), SIGNATURE + b"\x21\x31\0\xd8" + bytes(216)):
        with Call(lab, 4, ECHO_PORT) as c:
            assert c.echoed(h + b"hello") == header("v1", CLIENT[4], c.port, VIRTUAL[4], ECHO_PORT) + b"hello"
    with Call(lab, 4, ECHO_PORT) as c:
        assert c.echoed(longest + b"hello") == told("v1", 4) + b"hello"


WRONG = {
    "none": b"GET / HTTP/1.0\r\n\r\n",
    "zero": b"\0",
    "no addresses": b"PROXY TCP4\r\n",
    "a leading zero": b"PROXY TCP4 203.0.113.9 198.51.100.80 04321 443\r\n",
    "the other family": b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
    "no CR": b"PROXY TCP4 203.0.113.9 198.51.100.80 4321 443\n",
    "too long": b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    "version 3": SIGNATURE + b"\x31\x11\0\x0c" + bytes(12),
    "an unknown command": SIGNATURE + b"\x22\x11\0\x0c" + bytes(12),
    "an unknown family": SIGNATURE + b"\x21\x41\0\x0c" + bytes(12),
    "cut addresses": SIGNATURE + b"\x21\x21\0\x0c" + bytes(12),
    "too much": SIGNATURE + b"\x21\x11\x02\x09" + bytes(521),
}


def test_wrong_headers(lab, start, echo):
    """The client hears RST, and no server hears anything."""
    start(config(ECHO_PORT, TRUST))
    for name, data in WRONG.items():
        with Call(lab, 4, ECHO_PORT) as c:
            c.s.sendall(data)
            assert c.is_reset(), name
    # Broken off.
    for data in (b"", told("v1", 4)[:-1], told("v2", 4)[:-1]):
        with Call(lab, 6, ECHO_PORT) as c:
            c.s.sendall(data)
            c.s.shutdown(socket.SHUT_WR)
            assert c.is_reset(), data
    assert echo.accepted == 0
    with Call(lab, 4, ECHO_PORT) as c:
        assert c.echoed(told("v2", 4) + b"hello") == b"hello"


def test_header_that_does_not_come(lab, start, echo):
    start(config(ECHO_PORT, trusting("192.0.2.0/24", timeout="300ms")))
    for data in (b"", b"PROXY TCP4 203.0.113.9", SIGNATURE):
        with Call(lab, 4, ECHO_PORT) as c:
            c.s.sendall(data)
            assert c.is_reset(), data
    assert echo.accepted == 0


@each_version
def test_who_is_not_trusted(lab, start, echo, version):
    """A header of anybody else is data, and says nothing of who the client is."""
    start(config(ECHO_PORT, trusting("10.0.0.0/8"), **{"proxy-header": "v2"}))
    for family in (4, 6):
        with Call(lab, family, ECHO_PORT) as c:
            h = told(version, family)
            assert c.echoed(h) == header("v2", CLIENT[family], c.port, VIRTUAL[family], ECHO_PORT) + h


def test_trust_is_changed(lab, start, echo):
    h = told("v1", 4)
    lb = start(config(ECHO_PORT))
    with Call(lab, 4, ECHO_PORT) as c:
        assert c.echoed(h) == h
    with Call(lab, 4, ECHO_PORT) as before:
        before.s.sendall(b"hel")
        assert before.s.recv(3, socket.MSG_WAITALL) == b"hel"
        lb.reload(config(ECHO_PORT, TRUST))
        with Call(lab, 4, ECHO_PORT) as c:
            assert c.echoed(h) == b""
        assert before.echoed(b"lo") == b"lo"


def test_scheduler_goes_by_the_header(lab, start):
    """Each client that headers tell of has a server, and not all the same one, although all connections come from one address."""
    start(config(WHOAMI_PORT, TRUST, servers=("s1", "s2", "s3"), families=(4,), scheduler="source"))

    def server_of(i):
        with Call(lab, 4, WHOAMI_PORT) as c:
            return c.echoed(header("v2", f"203.0.113.{i}", 1024 + i, "198.51.100.80", 80) + b"who\n").split()[0]

    first = [server_of(i) for i in range(1, 31)]
    assert first == [server_of(i) for i in range(1, 31)]
    assert len(set(first)) == 3


# ---- monitors ----------------------------------------------------------------------------------


def test_monitor(lab, start, echo):
    """Accepted and closed, without a word and without a server; nothing is counted as the service's."""
    lb = start(config(ECHO_PORT, {**trusting("0.0.0.0/0"), "monitor": ["192.0.2.0/24", "2001:db8:1::100"]}))

    def opened():
        return sum(s["connections"] for s in lb.get("service", "list"))

    before = opened()
    for family in (4, 6):
        for _ in range(5):
            with Call(lab, family, ECHO_PORT) as c:
                assert c.rest() == b""
    assert echo.accepted == 0 and opened() == before
    # From elsewhere the service is what it was.
    with Call(lab, 4, ECHO_PORT, source="s3") as c:
        assert c.echoed(told("v1", 4) + b"hello") == b"hello"
    wait_for(lambda: opened() == before + 1)
    # Also where there is no server.
    lb.reload(config(ECHO_PORT, {"monitor": ["192.0.2.0/24"]}, servers=()))
    with Call(lab, 4, ECHO_PORT) as c:
        assert c.rest() == b""
    with pytest.raises(ConnectionResetError), Call(lab, 6, ECHO_PORT) as c:  # perhaps before connect() looks
        c.rest()
