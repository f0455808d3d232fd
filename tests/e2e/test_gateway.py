# SPDX-License-Identifier: BSD-3-Clause
"""The gateway for servers: what s1, whose default gateway is the balancer, may do beside answering."""
import hashlib
import os
import socket
import threading

import pytest
from balancer import Balancer, lab_config
from lab import CLIENT, SERVERS, VIP, half_each

OUTSIDE = {4: "192.0.2.51", 6: "2001:db8:1::51"}
SOURCE = {4: "192.0.2.60", 6: "2001:db8:1::60"}
NETWORK = {4: "10.0.0.0/24", 6: "2001:db8:2::/64"}
both = pytest.mark.parametrize("version", (4, 6))


def config(**gateway):
    return {**lab_config(), "gateway": gateway}


def masquerade():
    return [{"from": NETWORK[v], "port": "wan", "sources": [SOURCE[v]]} for v in (4, 6)]


def one_to_one():
    return [{"outside": OUTSIDE[v], "inside": SERVERS["s1"][v]} for v in (4, 6)]


def family(version):
    return socket.AF_INET6 if version == 6 else socket.AF_INET


class Outside:
    """A TCP server at the client's that sends `data` to whoever connects and keeps who that was."""

    def __init__(self, lab, version, data=b""):
        with lab.inside("client"):
            self.socket = socket.create_server((CLIENT[version], 0), family=family(version))
        self.port = self.socket.getsockname()[1]
        self.data, self.peers = data, []
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def serve(self):
        while True:
            try:
                s, peer = self.socket.accept()
            except OSError:
                return
            self.peers.append(peer[0])
            with s:
                s.sendall(self.data)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


def fetch(lab, name, address, port):
    with lab.inside(name):
        s = socket.create_connection((address, port), timeout=5)
    got = bytearray()
    with s:
        while data := s.recv(1 << 16):
            got += data
    return bytes(got)


@both
def test_masquerade(lab, start, version):
    start(config(masquerade=masquerade()))
    data = os.urandom(4 << 20)
    with Outside(lab, version, data) as outside:
        got = fetch(lab, "s1", CLIENT[version], outside.port)
    assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
    assert outside.peers == [SOURCE[version]]
    assert lab.run("s1", ["ping", "-c", "3", "-i", "0.2", "-W", "2", CLIENT[version]]).returncode == 0
    # Services go on as ever, and nobody outside reaches a server.
    assert half_each(lab.curl(VIP["nat", version], 4), 4)


@both
def test_masquerade_udp(lab, start, version):
    lb = start(config(masquerade=masquerade()))
    with lab.inside("client"):
        outside = socket.socket(family(version), socket.SOCK_DGRAM)
    outside.bind((CLIENT[version], 0))
    outside.settimeout(5)
    with lab.inside("s1"):
        inside = socket.socket(family(version), socket.SOCK_DGRAM)
    inside.settimeout(5)
    with outside, inside:
        inside.sendto(b"question", (CLIENT[version], outside.getsockname()[1]))
        data, peer = outside.recvfrom(100)
        assert (data, peer[0]) == (b"question", SOURCE[version])
        outside.sendto(b"answer", peer)
        assert inside.recv(100) == b"answer"
    flows = [s for s in lb.get("session", "list")["sessions"] if s["mode"] == "masquerade"]
    assert [s["service"] for s in flows] == ["gateway"]


@both
def test_one_to_one(lab, start, version):
    start(config(**{"one-to-one": one_to_one()}))
    # In: to the server by its outside address.
    assert lab.curl(OUTSIDE[version], 3) == {"s1": 3}
    assert lab.run("client", ["ping", "-c", "3", "-i", "0.2", "-W", "2", OUTSIDE[version]]).returncode == 0
    # Out: it goes with that address.
    with Outside(lab, version, b"hello") as outside:
        assert fetch(lab, "s1", CLIENT[version], outside.port) == b"hello"
    assert outside.peers == [OUTSIDE[version]]
    # A port that is closed there is refused at once: the RST and the ICMP error come back translated.
    with lab.inside("client"):
        s = socket.socket(family(version), socket.SOCK_DGRAM)
    with s:
        s.connect((OUTSIDE[version], 9))
        s.settimeout(5)
        s.send(b"?")
        with pytest.raises(ConnectionRefusedError):
            s.recv(1)


@both
def test_routing(lab, start, version):
    start(config(routing=[{"between": ["wan", "lan"]}]))
    lab.ip("client", f"route add {SERVERS['s2'][version]} via "
        + {4: "192.0.2.1", 6: "2001:db8:1::1"}[version])
    try:
        assert lab.curl(SERVERS["s2"][version], 3) == {"s2": 3}
        with Outside(lab, version, b"hello") as outside:
            assert fetch(lab, "s2", CLIENT[version], outside.port) == b"hello"
        assert outside.peers == [SERVERS["s2"][version]]
    finally:
        lab.ip("client", f"route del {SERVERS['s2'][version]}")


@both
def test_off_by_default(lab, start, version):
    lb = start(lab_config())
    with Outside(lab, version) as outside, pytest.raises(OSError):
        fetch(lab, "s1", CLIENT[version], outside.port)
    assert outside.peers == []
    assert {d["reason"] for d in lb.get("stats", "show")["drops"]} >= {"not_for_us"}


def test_faults(lab, ports_free):
    bad = config(**{"one-to-one": [{"outside": VIP["nat", 4], "inside": SERVERS["s1"][4]}],
        "masquerade": [{"from": NETWORK[4], "port": "wam"}]})
    b = Balancer(lab, bad)
    done = lab.run("lb", b.command("--check"), check=False)
    assert done.returncode == 1
    assert "gateway.one-to-one[0].outside: 192.0.2.10 is the address of a service" in done.stdout + done.stderr
    assert 'no port is called "wam"; did you mean "wan"?' in done.stdout + done.stderr
