# SPDX-License-Identifier: BSD-3-Clause
"""Our TCP in a worker (tests/echo) and TCP of Linux, with the bad link of tests/support/relay.py between them: what is sent arrives, both
ways, whatever happens to packets; connections end as they should, and nothing is left of them."""
import contextlib
import hashlib
import os
import random
import selectors
import socket
import struct
import threading
import time

import pytest
from lab import endpoint, wait_for
from relay import ADDRESS, BAD, Relay, RelayNet, echo as echoed
from tcpecho import CALLS, DISCARD, ECHO_PORT, HTTP, SOURCE, Echo, call, client, pattern, receive

# How bad the link is, and how much is sent over it.
LINKS = {
    "clean": ({}, 8_000_000), "loss-0.1": ({"loss": 0.1}, 4_000_000), "loss-1": ({"loss": 1}, 2_000_000), "loss-5": ({"loss": 5}, 300_000),
    "reorder": ({"reorder": 5}, 3_000_000), "duplicate": ({"duplicate": 5}, 4_000_000), "corrupt": ({"corrupt": 1}, 2_000_000),
    "delay": ({"delay": 5, "jitter": 1}, 3_000_000), "bad": (BAD, 400_000),
}
# struct tcp_info of Linux (linux/tcp.h).
OPT_TIMESTAMPS, OPT_SACK, OPT_WSCALE, OPT_ECN = 1, 2, 4, 8
ABORT = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST instead of FIN
each_version = pytest.mark.parametrize("version", (4, 6))


@pytest.fixture(scope="module")
def net():
    with RelayNet(linux=False) as net:
        yield net


@pytest.fixture(scope="module")
def shared(net, request):
    """The program that tests share. Two workers, so that each packet may have to be handed over."""
    echo, failed = Echo(net, workers=2), request.session.testsfailed
    yield echo
    if request.session.testsfailed == failed:
        echo.stop()
    else:  # what a test that failed has left is no other failure
        echo.kill()


@pytest.fixture
def echo(shared):
    yield shared
    assert shared.process.poll() is None, f"echo ended with {shared.process.returncode}:\n{shared.log()}"


@contextlib.contextmanager
def link(net, echo, seed=1, **profile):
    """A relay, until nothing is left of connections that went through it."""
    with Relay(net, seed=seed, profile=profile) as relay:
        yield relay
        wait_for(lambda: is_quiet(echo.report()), 30)


@contextlib.contextmanager
def own(options=(), seed=1, profile=None, **kwargs):
    """A network and a program for one test: (network, program, relay)."""
    with RelayNet(f"fs{os.getpid()}", linux=False) as net, Echo(net, options=options, **kwargs) as echo, \
            Relay(net, seed=seed, profile=profile or {}) as relay:
        yield net, echo, relay


def is_quiet(report):
    pools = [report["packets"], *report["tcp_packets"]]
    return all(w[k] == 0 for w in report["workers"] for k in ("conns", "half_open", "orphans", "segments", "sessions")) and \
        all(p["free"] == p["size"] for p in pools)


def counting(echo):
    """A function that says by how much a counter has grown since."""
    before = {w: n["count"] for w, n in enumerate(echo.report()["workers"])}
    return lambda name: sum(n["count"][name] - before[w][name] for w, n in enumerate(echo.report()["workers"]))


def digest(data):
    return hashlib.sha256(data).hexdigest()


def linux_info(s):
    """Of a connection: options agreed on, shifts of the windows, segments that are not acknowledged."""
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
    return {"options": info[5], "snd_wscale": info[6] & 15, "rcv_wscale": info[6] >> 4, "unacked": struct.unpack_from("I", info, 24)[0]}


@contextlib.contextmanager
def changed(net, name, **values):
    """A host's sysctls, for the time being."""
    before = {}
    with net.inside(name):
        for key in values:
            with open("/proc/sys/" + key.replace(".", "/")) as f:
                before[key] = f.read().strip()
    net.sysctl(name, **values)
    try:
        yield
    finally:
        net.sysctl(name, **before)


# ---- bytes that arrive --------------------------------------------------------------------------

@each_version
@pytest.mark.parametrize("name", LINKS)
def test_echo(net, echo, name, version):
    profile, size = LINKS[name]
    data = random.Random(version).randbytes(size)
    more = counting(echo)
    with link(net, echo, seed=version, **profile) as relay:
        back = echoed(net, ADDRESS["b"][version], data)
        counters = relay.counters()
    assert digest(back) == digest(data)
    for harm, counted in (("loss", "lost"), ("reorder", "reordered"), ("duplicate", "duplicated"), ("corrupt", "corrupted")):
        if harm in profile:
            assert counters["ab"][counted] > 0 and counters["ba"][counted] > 0

    assert more("bytes_in") == more("bytes_out") == size
    if "loss" in profile:
        assert more("retransmitted") > 0


@each_version
def test_curl(net, echo, version):
    """A body of 5 MB through a link that loses one frame in a hundred."""
    with link(net, echo, loss=1):
        path = os.path.join(net.directory, "body")
        net.run("a", ["curl", "-gsS", "-m", "60", "-o", path, f"http://{endpoint(ADDRESS['b'][version], HTTP)}/5000000"], timeout=70)
        with open(path, "rb") as f:
            assert digest(f.read()) == digest(pattern(5_000_000))


@pytest.mark.parametrize("off", ("tcp_timestamps", "tcp_sack", "tcp_window_scaling"))
def test_without_options(net, echo, off):
    """What the peer does not offer is not used, and loss is repaired nevertheless."""
    data = random.Random(off).randbytes(1_000_000)
    with changed(net, "a", **{f"net.ipv4.{off}": 0}), link(net, echo, loss=1):
        with client(net, ADDRESS["b"][4], ECHO_PORT) as s:
            options = linux_info(s)["options"]
        assert digest(echoed(net, ADDRESS["b"][4], data)) == digest(data)
    want = {"tcp_timestamps": OPT_TIMESTAMPS, "tcp_sack": OPT_SACK, "tcp_window_scaling": OPT_WSCALE}
    assert not options & want.pop(off)
    assert all(options & bit for bit in want.values())


def test_ecn(net, echo):
    data = random.Random(0).randbytes(500_000)
    with changed(net, "a", **{"net.ipv4.tcp_ecn": 1}), link(net, echo, loss=1):
        with client(net, ADDRESS["b"][4], ECHO_PORT) as s:
            assert linux_info(s)["options"] & OPT_ECN
        assert digest(echoed(net, ADDRESS["b"][4], data)) == digest(data)


def test_large_windows(net, echo):
    """More is on its way at once, each way, than a window without scaling could hold."""
    most = 0
    with link(net, echo, delay=20):
        with client(net, ADDRESS["b"][4], DISCARD) as s:
            data = bytes(1 << 16)
            for _ in range(100):
                s.sendall(data)
                most = max(most, linux_info(s)["unacked"])
            assert linux_info(s)["snd_wscale"] > 0
        assert most * 1448 > 2 * 65535
        with client(net, ADDRESS["b"][4], HTTP) as s:
            s.sendall(b"GET /12000000 HTTP/1.1\r\n\r\n")
            got = []
            reader = threading.Thread(target=lambda: got.append(receive(s)), daemon=True)
            reader.start()
            wait_for(lambda: echo.count("segments") * 1448 > 2 * 65535, 20, 0.01)
            reader.join(30)
        assert got and got[0].endswith(pattern(12_000_000))


def test_many_at_once(net, echo):
    """200 connections, each of which sends and gets back something of its own."""
    size, n = 20_000, 200
    with link(net, echo, loss=1, delay=1), contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        with net.inside("a"):
            sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        state = {}
        for i, s in enumerate(sockets):
            s.setblocking(False)
            s.connect_ex((ADDRESS["b"][4], ECHO_PORT))
            state[s] = [random.Random(i).randbytes(size), bytearray()]  # to be sent; what came back
            selector.register(s, selectors.EVENT_READ | selectors.EVENT_WRITE)
        end = time.monotonic() + 60
        while selector.get_map():
            assert time.monotonic() < end, f"{len(selector.get_map())} connections have not ended"
            for key, events in selector.select(1):
                s, (data, back) = key.fileobj, state[key.fileobj]
                if events & selectors.EVENT_WRITE:
                    state[s][0] = data[s.send(data):]
                    if not state[s][0]:
                        s.shutdown(socket.SHUT_WR)
                        selector.modify(s, selectors.EVENT_READ)
                if events & selectors.EVENT_READ:
                    piece = s.recv(65536)
                    back += piece
                    if not piece:
                        selector.unregister(s)
        assert [bytes(state[s][1]) for s in sockets] == [random.Random(i).randbytes(size) for i in range(n)]


# ---- connections that the program opens ---------------------------------------------------------

@contextlib.contextmanager
def linux_echo(net, version):
    """On a, for any number of connections: reads until the end, and sends it all back only then. Gives the port."""
    with net.inside("a"):
        listener = socket.create_server((ADDRESS["a"][version], 0), family=socket.AF_INET6 if version == 6 else socket.AF_INET, backlog=200)

    def serve(s):
        with s:
            s.sendall(receive(s))

    def accept():
        with contextlib.suppress(OSError):  # the listener's end
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@each_version
@pytest.mark.parametrize("name", ("clean", "bad"))
def test_call(net, echo, name, version):
    """Our end closes first, and goes on reading."""
    profile, size = LINKS[name]
    more = counting(echo)
    with linux_echo(net, version) as port, link(net, echo, **profile):
        with client(net, ADDRESS["b"][version], CALLS) as s:
            for n in (size // 2, 1, 0):
                assert call(s, "echo", ADDRESS["a"][version], port, n) == {"sent": n, "received": n, "intact": True, "error": ""}
    assert more("opened_active") == 3 and more("time_wait") >= 3


def test_calls_at_once(net, echo):
    """From both workers: each chooses ports whose answers come back to it."""
    more = counting(echo)
    with linux_echo(net, 4) as port, link(net, echo, loss=1, delay=1), contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(client(net, ADDRESS["b"][4], CALLS)) for _ in range(50)]
        for s in sockets:
            s.sendall(f"echo {ADDRESS['a'][4]} {port} 30000\n".encode())
        for s in sockets:
            assert b'"received": 30000, "intact": true, "error": ""' in s.recv(4096)
    assert more("opened_active") == 50
    assert all(w["count"]["opened_active"] > 0 for w in echo.report()["workers"])


@each_version
def test_call_refused(net, echo, version):
    with link(net, echo), client(net, ADDRESS["b"][version], CALLS) as s:
        got = call(s, "echo", ADDRESS["a"][version], 1, 1000)
    assert got["error"] == os.strerror(111) and got["received"] == 0  # ECONNREFUSED


# ---- ends ---------------------------------------------------------------------------------------

@each_version
def test_half_closed(net, echo, version):
    """The client's end is told at once; what the service still has to send comes after that."""
    with link(net, echo, loss=1):
        with client(net, ADDRESS["b"][version], ECHO_PORT) as s:
            s.sendall(b"something")
            s.shutdown(socket.SHUT_WR)
            assert receive(s) == b"something"
        with client(net, ADDRESS["b"][version], HTTP) as s:
            s.sendall(b"GET /1000000 HTTP/1.1\r\n\r\n")
            s.shutdown(socket.SHUT_WR)
            assert receive(s).endswith(b"\r\n\r\n" + pattern(1_000_000))


@each_version
def test_reset_by_the_client(net, echo, version):
    more = counting(echo)
    with link(net, echo):
        for _ in range(10):
            s = client(net, ADDRESS["b"][version], SOURCE)
            assert s.recv(1) == b"\0"
            s.setsockopt(*ABORT)
            s.close()
        wait_for(lambda: more("resets_in") == 10)


def test_reset_of_what_nobody_reads(net, echo):
    """The service closes while something is on its way to it: a reset, as hosts have to (RFC 1122 4.2.2.13)."""
    with link(net, echo, delay=5), client(net, ADDRESS["b"][4], HTTP) as s:
        s.sendall(b"GET /10 HTTP/1.1\r\n\r\n" + bytes(5000))
        with pytest.raises(ConnectionResetError):
            while s.recv(4096):
                pass
            s.sendall(b"more")
            s.recv(1)


def test_port_again(net, echo):
    """The service closes first; the client comes back from the same port while it is in TIME-WAIT (RFC 6191)."""
    more = counting(echo)

    def connect(port):
        with contextlib.suppress(OSError):  # the last acknowledgement of the one before is on its way still
            return client(net, ADDRESS["b"][4], HTTP, source=(ADDRESS["a"][4], port), options=[(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)])

    with link(net, echo):
        for timestamps in (1, 0):
            with changed(net, "a", **{"net.ipv4.tcp_timestamps": timestamps}):
                for _ in range(5):
                    with wait_for(lambda: connect(40000 + timestamps)) as s:
                        s.sendall(b"GET /1000 HTTP/1.1\r\n\r\n")
                        assert receive(s).endswith(pattern(1000))
    assert more("time_wait") == 10 and more("time_wait_reused") == 8


# ---- windows that close -------------------------------------------------------------------------

def test_peer_that_does_not_read(net, echo):
    """Its window closes, and is asked after until it opens; an answer is lost now and then."""
    more = counting(echo)
    with link(net, echo, loss=5), client(net, ADDRESS["b"][4], SOURCE, options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)]) as s:
        wait_for(lambda: more("window_probes") >= 3, 20)
        assert more("zero_windows") > 0
        assert receive(s, 300_000) == pattern(300_000)


def test_service_that_does_not_read(net, echo):
    """What nobody takes back is not read either: our window closes, and opens again."""
    data = random.Random(1).randbytes(12_000_000)
    with link(net, echo), client(net, ADDRESS["b"][4], ECHO_PORT, options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)]) as s:
        sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)), daemon=True)
        sender.start()

        def stuck():
            before = echo.count("bytes_in")
            time.sleep(0.5)
            return before > 1 << 20 and echo.count("bytes_in") == before

        wait_for(stuck, 20)
        assert sender.is_alive()
        assert digest(receive(s)) == digest(data)
        sender.join(10)


# ---- a link that is worse than bad --------------------------------------------------------------

def test_link_that_comes_back(net, echo):
    """Nothing arrives for some seconds; then everything does."""
    data = random.Random(2).randbytes(3_000_000)
    got = []
    with Relay(net, profile={"rate": 20}):
        asker = threading.Thread(target=lambda: got.append(echoed(net, ADDRESS["b"][4], data)), daemon=True)
        more = counting(echo)
        asker.start()
        wait_for(lambda: more("bytes_in") > 300_000)
    wait_for(lambda: more("timeouts") >= 3)
    with link(net, echo):
        asker.join(60)
        assert got and digest(got[0]) == digest(data)


def test_peer_that_vanishes():
    """It is given up, and all that was held for it is free."""
    with own(("--retries", 3)) as (net, echo, relay), client(net, ADDRESS["b"][4], SOURCE) as s:
        assert s.recv(1) == b"\0"
        relay.stop()
        wait_for(lambda: echo.count("timed_out") == 1, 20)
        wait_for(lambda: is_quiet(echo.report()))


@each_version
def test_black_hole(net, echo, version):
    """Large packets of ours are lost without a word."""
    more = counting(echo)
    with link(net, echo, ba={"mtu": 1280}), client(net, ADDRESS["b"][version], HTTP) as s:
        s.sendall(b"GET /200000 HTTP/1.1\r\n\r\n")
        assert receive(s).endswith(pattern(200_000))
    assert more("black_holes") == 1


def test_black_hole_toward_us(net, echo):
    """And those of a host that looks for that."""
    data = random.Random(3).randbytes(200_000)
    with changed(net, "a", **{"net.ipv4.tcp_mtu_probing": 1}), link(net, echo, ab={"mtu": 1280}):
        assert digest(echoed(net, ADDRESS["b"][6], data)) == digest(data)


# ---- floods -------------------------------------------------------------------------------------

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn(chance, port):
    """An IPv4 packet: a SYN from a source that does not exist."""
    source, target = chance.randbytes(4), socket.inet_aton(ADDRESS["b"][4])
    source = bytes([100 + source[0] % 50]) + source[1:]
    head = struct.pack("!HHIIBBHHHBBH", chance.randrange(1024, 65536), port, chance.getrandbits(32), 0, 6 << 4, 2, 65535, 0, 0, 2, 4, 1460)
    pseudo = source + target + struct.pack("!HH", 6, len(head))
    head = head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(head), 0, 0, 64, 6, 0) + source + target + head


def test_syn_flood():
    """SYNs from everywhere take no connection's place: cookies answer them, and clients get through."""
    chance = random.Random(4)
    with own(("--half-open", 50)) as (net, echo, _):
        with net.inside("a"):
            flood = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        with flood:
            for i in range(20):
                for _ in range(100):
                    flood.sendto(syn(chance, ECHO_PORT), (ADDRESS["b"][4], 0))
                data = chance.randbytes(20_000)
                assert echoed(net, ADDRESS["b"][4], data) == data
        assert echo.count("cookies_sent") >= 1900
        assert echo.count("cookies_good") >= 19
        assert echo.count("half_open") <= 50
        # Those that were believed at first are forgotten in their time: not waited for here.
        echo.kill()
