# SPDX-License-Identifier: BSD-3-Clause
"""Clients keep their server, servers keep their limits, backups take the rest: with real connections."""
import contextlib
import os
import socket

import pytest
from balancer import WORKER, lab_config
from lab import CLIENT, VIP, WHOAMI_PORT, wait_for

SOURCES = [f"192.0.2.{n}" for n in range(110, 122)]
# Two workers need three cores, the control core's among them.
WORKERS = [[WORKER]] + ([[WORKER - 1, WORKER]] if len(os.sched_getaffinity(0)) > 2 else [])


@pytest.fixture(scope="module")
def sources(lab):
    """Addresses of the client, each of them a client of its own."""
    lab.ip("client", *[f"addr add {a}/24 dev wan" for a in SOURCES])
    yield SOURCES
    lab.ip("client", *[f"addr del {a}/24 dev wan" for a in SOURCES])


def configure(mode, workers, servers=("s1", "s2"), pool=None, service=None):
    config = lab_config([mode], servers=servers)
    config["workers"] = workers
    for p in config["pools"]:
        p.update(pool or {})
    for s in config["services"]:
        s.update(service or {})
    return config


def curl(lab, source, address):
    return lab.run("client", ["curl", "-gsSf", "-m", "5", "--interface", source, f"http://{address}/"]).stdout.strip()


def connect(lab, address, source=CLIENT[4]):
    """A connection to whoami, and who answered."""
    with lab.inside("client"):
        s = socket.socket()
        s.bind((source, 0))
    s.settimeout(5)
    try:
        s.connect((address, WHOAMI_PORT))
        s.sendall(b"hello\n")
        return s, s.recv(100).split()[0].decode()
    except BaseException:
        s.close()
        raise


@pytest.mark.parametrize("workers", WORKERS, ids=len)
@pytest.mark.parametrize("mode", ["nat", "fullnat", "dr"])
def test_clients_keep_their_server(lab, start, sources, mode, workers):
    b = start(configure(mode, workers, service={"persistence": {"timeout": "1h"}}))
    seen = {a: {curl(lab, a, VIP[mode, 4]) for _ in range(4)} for a in sources}
    assert all(len(servers) == 1 for servers in seen.values()), seen
    assert set.union(*seen.values()) == {"s1", "s2"}
    assert b.get("persistence", "count") == {"entries": len(sources)}
    entry, = b.get("persistence", "list", "--client", sources[3])["entries"]
    assert {entry["server"]} == seen[sources[3]]
    assert entry["client"].split("/")[0] == sources[3]
    # Taken out of service: another one; forgotten: placed anew.
    gone = entry["server"]
    b.ctl("server", "disable", "servers-v4", gone)
    assert curl(lab, sources[3], VIP[mode, 4]) != gone
    assert b.get("persistence", "flush", "--all")["flushed"] == len(sources)
    assert b.get("persistence", "count") == {"entries": 0}


@pytest.mark.parametrize("workers", WORKERS, ids=len)
def test_group_of_ports(lab, start, sources, workers):
    """A client has one server on port 80 and port 7000."""
    start(configure("nat", workers, service={"persistence": {"timeout": "1h", "group": "shop"}}))
    for i, a in enumerate(sources):
        if i % 2:
            first = curl(lab, a, VIP["nat", 4])
        for _ in range(3):
            s, who = connect(lab, VIP["nat", 4], a)
            s.close()
            if i % 2:
                assert who == first
            assert curl(lab, a, VIP["nat", 4]) == who


@pytest.mark.parametrize("workers", WORKERS, ids=len)
@pytest.mark.parametrize("mode", ["nat", "fullnat"])
def test_max_connections(lab, start, mode, workers):
    """Exactly so many are accepted; the next one hears of it at once; one that ends makes room."""
    b = start(configure(mode, workers, pool={"max-connections": 5}, service={"refuse": "reset"}))
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(10):
            s, who = connect(lab, VIP[mode, 4])
            held.append((stack.enter_context(s), who))
        assert sorted(who for _, who in held) == ["s1"] * 5 + ["s2"] * 5
        for _ in range(5):
            with pytest.raises(ConnectionRefusedError):
                connect(lab, VIP[mode, 4])
        servers = b.get("server", "list", "servers-v4")
        assert [(s["limit"], s["current"]) for s in servers] == [(5, 5)] * 2
        closed = held[3]
        closed[0].close()
        wait_for(lambda: min(s["current"] for s in b.get("server", "list", "servers-v4")) == 4)
        s, who = connect(lab, VIP[mode, 4])
        stack.enter_context(s)
        assert who == closed[1]
        with pytest.raises(ConnectionRefusedError):
            connect(lab, VIP[mode, 4])


@pytest.mark.parametrize("workers", WORKERS, ids=len)
def test_backup(lab, start, workers):
    """What the pool does not take goes to its backup, and comes back."""
    config = configure("nat", workers, pool={"max-connections": 2})
    spare = configure("nat", workers, servers=["s3"])["pools"][0]
    spare["name"] = "spare"
    config["pools"][0]["backup"] = "spare"
    config["pools"].append(spare)
    b = start(config)
    with contextlib.ExitStack() as stack:
        got = []
        for _ in range(9):
            s, who = connect(lab, VIP["nat", 4])
            stack.enter_context(s)
            got.append(who)
        assert sorted(got) == ["s1"] * 2 + ["s2"] * 2 + ["s3"] * 5
        services = {s["name"]: s for s in b.get("service", "list")}
        assert services["nat-whoami-tcp-v4"]["overflowed"] == 5
    wait_for(lambda: all(s["current"] == 0 for s in b.get("server", "list", "servers-v4")))
    assert set(lab.curl(VIP["nat", 4], 8)) == {"s1", "s2"}
    for s in ("s1", "s2"):
        b.ctl("server", "drain", "servers-v4", s)
    assert lab.curl(VIP["nat", 4], 4) == {"s3": 4}
