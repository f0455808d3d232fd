# SPDX-License-Identifier: BSD-3-Clause
"""Services of mode tcp: a client's connection ends at the balancer, which opens another one to a server."""
import copy
import hashlib
import socket
import struct
import threading
import time

import pytest
from balancer import Balancer, lab_config
from conftest import stop
from lab import IPERF_PORT, PORT_ADDRESS, SERVERS, WHOAMI_PORT, endpoint, half_each, wait_for
from load import Crowd, Requests, iperf3, iperf_at

ADDRESS = {4: "192.0.2.70", 6: "2001:db8:1::70"}
CROSSED = {4: "192.0.2.71", 6: "2001:db8:1::71"}  # servers are of the other family
ALONE = {4: "192.0.2.72", 6: "2001:db8:1::72"}  # s1 and nobody else
BROKEN = "192.0.2.73"  # a port where nobody listens, and s1
REFUSED = "192.0.2.74"  # the first of these alone
IMPATIENT = "192.0.2.75"
CLOSED_PORT = 9


def service(name, address, pool, ports=(80, WHOAMI_PORT), **more):
    return {"name": name, "address": [endpoint(address, port) for port in ports], "mode": "tcp", "pool": pool, **more}


def proxies():
    config = lab_config(modes=())
    for v in (4, 6):
        config["pools"].append({"name": f"s1-v{v}", "servers": [{"name": "s1", "address": SERVERS["s1"][v]}]})
        config["services"] += [
            service(f"both-v{v}", ADDRESS[v], f"servers-v{v}"),
            service(f"crossed-v{v}", CROSSED[v], f"servers-v{10 - v}"),
            service(f"alone-v{v}", ALONE[v], f"s1-v{v}", ports=(80, IPERF_PORT, WHOAMI_PORT)),
        ]
    closed = {"name": "closed", "address": f"{SERVERS['s2'][4]}:{CLOSED_PORT}"}
    config["pools"] += [
        {"name": "broken", "servers": [closed, {"name": "s1", "address": f"{SERVERS['s1'][4]}:80"}]},
        {"name": "refused", "servers": [closed]}]
    config["services"] += [
        service("broken", BROKEN, "broken"),
        service("refused", REFUSED, "refused", proxy={"retries": 1}),
        service("impatient", IMPATIENT, "s1-v4",
            proxy={"client-timeout": "1s", "server-timeout": "1s", "half-closed-timeout": "2s"})]
    return config


@pytest.fixture(scope="module")
def relays(lab, shared):
    shared.release()
    b = Balancer(lab, proxies()).start()
    yield b
    stop(b)


def connect(lab, address, port, timeout=10):
    with lab.inside("client"):
        return socket.create_connection((address, port), timeout)


def lines(s, n):
    with s.makefile("rb") as f:
        return [f.readline() for _ in range(n)]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("addresses", [ADDRESS, CROSSED], ids=["same-family", "other-family"])
def test_requests(lab, relays, addresses, version):
    assert half_each(lab.curl(addresses[version], 10), 10)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("options", [(), ("-R",), ("-P", "8")], ids=["up", "down", "eight"])
def test_iperf3(lab, relays, options, version):
    """20 MB, of which some may be on their way when iperf3 stops counting."""
    with iperf_at(lab, "s1", [SERVERS["s1"][version]]):
        end = iperf3(lab, ALONE[version], "-n", "20M", *options)
    assert end["sum_received"]["bytes"] >= 10e6


def test_bytes_are_the_same(lab, relays):
    """Lines of whoami, each with the server's name before it: 4 MB there and back."""
    sent = hashlib.sha256()
    got = hashlib.sha256()
    line = bytes(range(33, 127)) * 10
    with connect(lab, ALONE[4], WHOAMI_PORT) as s, s.makefile("rb") as f:
        for i in range(400):
            part = b"".join(b"%d %d " % (i, j) + line + b"\n" for j in range(10))
            s.sendall(part)
            sent.update(part)
            for _ in range(10):
                name, _, rest = f.readline().partition(b" ")
                assert name == b"s1"
                got.update(rest)
    assert sent.digest() == got.digest()


def test_half_close(lab, relays):
    """The client has said all it has, and its FIN is the server's, who may still answer."""
    with connect(lab, ALONE[4], WHOAMI_PORT) as s:
        s.sendall(b"last\n")
        s.shutdown(socket.SHUT_WR)
        with s.makefile("rb") as f:
            assert f.readline() == b"s1 last\n"
            assert f.read() == b""


def peers_of(lab, name):
    """Who has connections to whoami there, as far as the server knows; some may be of tests before this one."""
    out = lab.run(name, ["ss", "-Htn", "state", "established", f"sport = :{WHOAMI_PORT}"]).stdout
    return {line.split()[-1] for line in out.splitlines()}


def test_reset_is_passed_on(lab, relays):
    """Of a client that resets the server hears: it has no connection any more."""
    before = peers_of(lab, "s1")
    s = connect(lab, ALONE[4], WHOAMI_PORT)
    s.sendall(b"x\n")
    assert lines(s, 1) == [b"s1 x\n"]
    added = peers_of(lab, "s1") - before
    assert len(added) == 1
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    wait_for(lambda: not added & peers_of(lab, "s1"))


def test_server_sees_the_balancer(lab, relays):
    before = peers_of(lab, "s1")
    s = connect(lab, ALONE[4], WHOAMI_PORT)
    s.sendall(b"x\n")
    assert lines(s, 1) == [b"s1 x\n"]
    (added,) = peers_of(lab, "s1") - before
    assert added.startswith(f"{PORT_ADDRESS['lan', 4]}:")
    s.close()


def test_refused_goes_to_another(lab, relays):
    """A server that refuses is tried no second time as long as there is another."""
    assert lab.curl(BROKEN, 4) == {"s1": 4}


def test_refused_by_all(lab, relays):
    with pytest.raises(ConnectionError):
        with connect(lab, REFUSED, 80) as s:
            s.recv(1)


def test_idle_connections_end(lab, relays):
    with connect(lab, IMPATIENT, WHOAMI_PORT) as s:
        s.sendall(b"x\n")
        assert lines(s, 1) == [b"s1 x\n"]
        with pytest.raises(ConnectionResetError):
            s.recv(1)


def test_busy_connections_do_not_end(lab, relays):
    with connect(lab, IMPATIENT, WHOAMI_PORT) as s, s.makefile("rb") as f:
        for i in range(6):
            s.sendall(b"%d\n" % i)
            assert f.readline() == b"s1 %d\n" % i
            time.sleep(0.4)


def test_slow_reader(lab, relays):
    """A client that does not read holds up the server, not the balancer, and nothing is lost when it reads again."""
    line = b"z" * 99 + b"\n"
    with connect(lab, ALONE[4], WHOAMI_PORT, timeout=30) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.setblocking(False)
        sent = 0
        end = time.monotonic() + 3
        while time.monotonic() < end:
            try:
                sent += s.send((line * 100)[sent % len(line):])
            except BlockingIOError:
                time.sleep(0.05)
        s.settimeout(30)
        rest = -sent % len(line)
        data = []
        with s.makefile("rb") as f:
            reader = threading.Thread(target=lambda: data.append(f.read()))
            reader.start()
            if rest:
                s.sendall(line[-rest:])
            s.shutdown(socket.SHUT_WR)
            reader.join()
    assert data == [(b"s1 " + line) * ((sent + rest) // len(line))]


def test_servers_change_under_load(lab, relays):
    config, lb = proxies(), relays
    with Requests(lab, ADDRESS[4]) as requests, Crowd(lab, ADDRESS[4], WHOAMI_PORT, 20, pause=0.1) as crowd:
        crowd.progress()
        lb.ctl("server", "drain", "servers-v4", "s1")
        assert set(requests.next(30)) == {"s2"}
        crowd.progress()
        assert not crowd.errors
        lb.ctl("server", "disable", "servers-v4", "s1")
        held = {i for i, server in enumerate(crowd.server) if server == "s1"}
        wait_for(lambda: crowd.failed() == held, timeout=30)
        lb.ctl("server", "enable", "servers-v4", "s1")
        assert set(requests.next(30)) == {"s1", "s2"}
        new = copy.deepcopy(config)
        new["pools"][0]["scheduler"] = "least-connections"
        lb.reload(new)
        crowd.progress()
        assert crowd.failed() == held
        assert len(requests.errors) <= requests.width
    lb.reload(config)


def test_service_goes(lab, relays):
    """Its connections end, and the others do not."""
    config, lb = proxies(), relays
    with Crowd(lab, ADDRESS[4], WHOAMI_PORT, 10, pause=0.1) as crowd:
        crowd.progress()
        config["services"] = [s for s in config["services"] if s["name"] != "both-v4"]
        with Crowd(lab, ALONE[4], WHOAMI_PORT, 10, pause=0.1) as stays:
            stays.progress()
            lb.reload(config)
            wait_for(lambda: len(crowd.failed()) == 10, timeout=30)
            stays.progress()
            assert not stays.errors
