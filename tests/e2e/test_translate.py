# SPDX-License-Identifier: BSD-3-Clause
"""IPv6 clients of IPv4 servers (mode fullnat): real stacks at both ends, large transfers, and a narrow link on the way."""
import hashlib
import json
import os

import pytest
from balancer import lab_config
from lab import IPERF_PORT, SERVERS, VIP, WHOAMI_PORT, endpoint, half_each, wait_for
from load import Crowd

ADDRESS = VIP["nat", 6]


def translating():
    """The IPv6 address alone, and both pools of IPv4 servers."""
    config = lab_config(modes=(), bulk=True)
    offers = [("web", "tcp", 80, "servers-v4"), ("whoami-tcp", "tcp", WHOAMI_PORT, "servers-v4"),
              ("whoami-udp", "udp", WHOAMI_PORT, "servers-v4"), ("bulk-tcp", "tcp", IPERF_PORT, "bulk-v4"),
              ("bulk-udp", "udp", IPERF_PORT, "bulk-v4")]
    config["services"] = [{"name": name, "address": endpoint(ADDRESS, port), "protocol": protocol, "mode": "fullnat",
        "pool": pool} for name, protocol, port, pool in offers]
    return config


@pytest.fixture
def lb(start):
    return start(translating())


def test_http_and_udp(lab, lb):
    assert half_each(lab.curl(ADDRESS, 20), 20)
    assert half_each(lab.datagrams(ADDRESS, 20), 20)
    with Crowd(lab, ADDRESS, WHOAMI_PORT, 20, pause=0.01) as crowd:
        crowd.progress(20)
    assert not crowd.errors
    assert set(crowd.server) == {"s1", "s2"}


def test_session_shows_both_families(lab, lb):
    with Crowd(lab, ADDRESS, WHOAMI_PORT, 1, pause=0.01) as crowd:
        crowd.progress(2)
        text = json.dumps(lb.get("session", "list"))
    assert ADDRESS in text
    assert "10.0.0.1" in text


@pytest.fixture(scope="module")
def distant(lab):
    """A client behind a link of 1280 bytes that it knows nothing of."""
    lab.add("distant")
    lab.link("distant", "eth0", "router", "narrow")
    lab.ip("distant", "link set eth0 up", "addr add 2001:db8:a::2/64 dev eth0 nodad")
    lab.ip("router", "link set narrow mtu 1280 up", "addr add 2001:db8:a::1/64 dev narrow nodad")
    lab.ip("distant", "route add ::/0 via 2001:db8:a::1", version=6)
    return "distant"


def download(lab, source, size):
    """A file nobody can guess from s1 and s2; whether it arrives whole."""
    data = os.urandom(size)
    for server in ("s1", "s2"):
        with open(os.path.join(lab.www(server), "blob"), "wb") as f:
            f.write(data)
    got = os.path.join(lab.directory, "got")
    lab.run(source, ["curl", "-gsSf", "-m", "60", "-o", got, f"http://{endpoint(ADDRESS, 80)}/blob"])
    with open(got, "rb") as f:
        arrived = hashlib.file_digest(f, "sha256").digest()
    os.unlink(got)
    return arrived == hashlib.sha256(data).digest()


def test_large_download(lab, lb):
    assert download(lab, "client", 16 << 20)


def test_narrow_link(lab, lb, distant):
    """The router's "too big" reaches the server as one of its own family."""
    assert lab.curl(ADDRESS, 2, source=distant) == {"s1": 1, "s2": 1}
    assert download(lab, distant, 2 << 20)
    cached = [lab.run(s, ["ip", "route", "get", "10.0.0.1"]).stdout for s in ("s1", "s2")]
    assert any("mtu 1260" in c for c in cached), cached


@pytest.fixture(scope="module")
def iperf(lab):
    """iperf3 on s1, for IPv4 alone."""
    server = lab.spawn("s1", ["iperf3", "-s", "-B", SERVERS["s1"][4], "-p", str(IPERF_PORT)], "iperf3-v4.log")
    wait_for(lambda: "LISTEN" in lab.run("s1", ["ss", "-Hltn", f"sport = :{IPERF_PORT}"]).stdout)
    yield
    lab.end(server)
    lab.processes.remove(server)


@pytest.mark.parametrize("options", [[], ["-R"], ["-u", "-b", "20M", "-l", "1400"], ["-u", "-b", "20M", "-l", "1400", "-R"]],
    ids=["tcp-up", "tcp-down", "udp-up", "udp-down"])
def test_iperf3(lab, lb, iperf, options):
    out = json.loads(lab.run("client", ["iperf3", "-J", "-c", ADDRESS, "-p", str(IPERF_PORT), "-t", "1", *options],
        check=False).stdout)
    assert "error" not in out, out["error"]
    if "-u" in options:
        end = out["end"]["sum"]
        assert end["packets"] > 500
        assert end["lost_percent"] < 20
    else:
        assert out["end"]["sum_received"]["bytes"] > 1_000_000
