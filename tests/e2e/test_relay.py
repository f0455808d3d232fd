# SPDX-License-Identifier: BSD-3-Clause
"""The bad link of tests/support/relay.py by itself, between two hosts of Linux: it does the harm that it counts, and no other; TCP gets
its data through unharmed nevertheless. Shares, times and orders are looked at in tests/relay."""
import contextlib
import hashlib
import os
import random
import socket
import time

import pytest
import testpmd
from flood import OTHERS
from lab import wait_for
from relay import ADDRESS, BAD, Relay, RelayNet, echo, echo_at, goodput

SIZE = 1_000_000
UDP_PORT = 7100
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
each_version = pytest.mark.parametrize("version", (4, 6))


@pytest.fixture
def net():
    """For one test: what TCP still sends after a connection's end is not to count in the next."""
    with RelayNet() as net:
        yield net


@contextlib.contextmanager
def one_core():
    """This thread, and the relay that it starts: on its way through two cores' backlogs a frame may overtake another."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def datagram_socket(net, name, version, port=0):
    with net.inside(name):
        s = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
    s.bind((ADDRESS[name][version], port))
    s.setblocking(False)
    return s


def pending(s):
    got = []
    while True:
        try:
            got.append(s.recv(65536))
        except BlockingIOError:
            return got


def send(net, version, datagrams, source="a", to="b"):
    """They are sent at once; those that came when the counters say that nothing more will, and the counters."""
    with datagram_socket(net, to, version, UDP_PORT) as receiver, datagram_socket(net, source, version) as sender:
        net.meet(source, ADDRESS[to][version])
        sender.setblocking(True)
        for d in datagrams:
            sender.sendto(d, (ADDRESS[to][version], UDP_PORT))
        got = []

        def settled():
            c = net.relay.counters()["ab" if source == "a" else "ba"]
            gone = c["lost"] + c["too_big"] + c["queue_full"]
            got.extend(pending(receiver))
            return c if c["received"] - c["link"] + c["duplicated"] - gone == len(got) and \
                c["received"] - c["link"] == len(datagrams) else None

        counters = wait_for(settled)
        assert counters["missed"] == counters["refused"] == 0
        return got, counters


def link(net, seed=1, **profile):
    net.relay = Relay(net, seed=seed, profile=profile)
    return net.relay


@each_version
def test_tcp(net, version):
    data = random.Random(version).randbytes(SIZE)
    with link(net, **BAD), echo_at(net, ADDRESS["b"][version]):
        back = echo(net, ADDRESS["b"][version], data)
    assert hashlib.sha256(back).hexdigest() == hashlib.sha256(data).hexdigest()
    counters = net.relay.counters()
    for way in ("ab", "ba"):
        assert counters[way]["bytes"] > SIZE
        for harm in ("lost", "held", "reordered", "duplicated", "corrupted"):
            assert counters[way][harm] > 0, (way, harm)


@each_version
def test_nothing_asked_nothing_harmed(net, version):
    datagrams = [b"%d" % i for i in range(500)]
    with one_core(), link(net):
        got, counters = send(net, version, datagrams)
    assert got == datagrams
    assert not any(counters[harm] for harm in ("lost", "held", "duplicated", "corrupted", "too_big", "queue_full"))


@each_version
def test_same_seed_same_harm(net, version):
    """The same datagrams in the same order, each time; with another seed not."""
    def once(seed):
        with one_core(), link(net, seed, loss=5, reorder=5, duplicate=5, hold=5000):
            got, counters = send(net, version, [b"%d" % i for i in range(500)])
        assert counters["lost"] > 5 and counters["reordered"] > 5 and counters["duplicated"] > 5
        return got

    assert once(7) == once(7) != once(8)


@each_version
def test_corrupt(net, version):
    """Each frame has one wrong bit, which a checksum finds; or, with IPv6, which is of no matter: none arrives changed."""
    datagrams = [bytes([i % 256]) * 1000 for i in range(100)]
    with link(net, ab={"corrupt": 100}), datagram_socket(net, "b", version, UDP_PORT) as receiver, \
            datagram_socket(net, "a", version) as sender:
        net.meet("a", ADDRESS["b"][version])
        for d in datagrams:
            sender.sendto(d, (ADDRESS["b"][version], UDP_PORT))
        wait_for(lambda: net.relay.counters()["ab"]["corrupted"] >= 100)
        got = pending(receiver)
    assert set(got) <= set(datagrams) and len(got) < 10


@each_version
def test_neighbours_are_found_when_all_else_is_lost(net, version):
    with link(net, loss=100), datagram_socket(net, "a", version) as sender:
        net.meet("a", ADDRESS["b"][version])
        sender.sendto(b"anyone", (ADDRESS["b"][version], UDP_PORT))
        wait_for(lambda: net.relay.counters()["ab"]["lost"] == 1)
        counters = net.relay.counters()
        assert counters["ab"]["link"] > 0 and counters["ba"]["link"] > 0


def test_one_way(net):
    with link(net, ba={"loss": 100}):
        got, _ = send(net, 4, [b"there"])
        assert got == [b"there"]
        got, counters = send(net, 4, [b"back"], source="b", to="a")
        assert got == [] and counters["lost"] == 1


@each_version
def test_mtu(net, version):
    headers = {4: 28, 6: 48}[version]
    fits, too_big = bytes(1280 - headers), bytes(1281 - headers)
    with link(net, mtu=1280):
        got, counters = send(net, version, [too_big, fits])
    assert got == [fits] and counters["too_big"] == 1


def test_queue(net):
    """A bottleneck that takes seconds for a frame; four fit in front of it."""
    with link(net, rate=0.001, queue=5000):
        with datagram_socket(net, "a", 4) as sender:
            net.meet("a", ADDRESS["b"][4])
            for _ in range(50):
                sender.sendto(bytes(1000), (ADDRESS["b"][4], UDP_PORT))
            wait_for(lambda: net.relay.counters()["ab"]["queue_full"])
            wait_for(lambda: net.relay.counters()["ab"]["received"] >= 50)


def test_delay(net):
    """No answer is there before its time."""
    with link(net, delay=30), echo_at(net, ADDRESS["b"][4]):
        began = time.monotonic()
        assert echo(net, ADDRESS["b"][4], b"hello") == b"hello"
        assert time.monotonic() - began >= 2 * 2 * 0.03


@each_version
def test_goodput(net, version):
    with_loss = goodput(net, 1, {"loss": 2, "delay": 2}, version, seconds=1)
    assert with_loss["bits_per_second"] > 0 and with_loss["retransmits"] > 0
    assert with_loss["relay"]["ab"]["lost"] > 0


def test_peer_that_opens_its_interface_by_itself():
    """b is a process with DPDK's af_packet instead of a host: testpmd, which answers ARP and ICMP echoes."""
    with RelayNet(linux=False) as net, link(net, delay=1):
        with testpmd.Testpmd(f"{net.prefix}-peer", OTHERS[0], ["net_af_packet0,iface=eth0"], ("--no-huge", "--no-shconf", "-m", "256"),
                namespace=net.ns("b")) as peer:
            peer.start("icmpecho")
            out = net.run("a", ["ping", "-c", "5", "-i", "0.2", ADDRESS["b"][4]]).stdout
        assert " 5 received" in out, out
        counters = net.relay.counters()
        assert counters["ab"]["received"] - counters["ab"]["link"] == counters["ba"]["received"] - counters["ba"]["link"] == 5
