# SPDX-License-Identifier: BSD-3-Clause
"""Each mode forwards TCP and UDP, IPv4 and IPv6, and large transfers arrive whole."""
import hashlib
import json
import os

import pytest
from balancer import MODES
from lab import IPERF_PORT, SERVERS, VIP, WHOAMI_PORT, endpoint, half_each, wait_for
from load import Crowd

CASES = [(mode, version) for mode in MODES for version in (4, 6)]
each_mode = pytest.mark.parametrize("mode,version", CASES)


@each_mode
def test_http(lab, lb, mode, version):
    assert half_each(lab.curl(VIP[mode, version], 20), 20)


@each_mode
def test_udp(lab, lb, mode, version):
    assert half_each(lab.datagrams(VIP[mode, version], 20), 20)


@each_mode
def test_connection_stays_with_its_server(lab, lb, mode, version):
    with Crowd(lab, VIP[mode, version], WHOAMI_PORT, 20, pause=0.01) as crowd:
        crowd.progress(20)
    assert not crowd.errors
    assert set(crowd.server) == {"s1", "s2"}


@each_mode
def test_counters(lab, lb, mode, version):
    def connections():
        services = {s["name"]: s for s in lb.get("stats", "show")["services"]}
        return services[f"{mode}-web-v{version}"]["connections"]

    before = connections()
    lab.curl(VIP[mode, version], 5)
    assert connections() == before + 5


@pytest.fixture(scope="module")
def large(lab):
    """A file of 48 MiB that no compression or repetition makes easy, on both servers; its SHA-256."""
    data = os.urandom(1 << 20)
    digest = hashlib.sha256()
    files = [open(os.path.join(lab.www(s), "large"), "wb") for s in ("s1", "s2")]
    for i in range(48):
        block = i.to_bytes(4, "big") + data[i:]
        digest.update(block)
        for f in files:
            f.write(block)
    for f in files:
        f.close()
    return digest.hexdigest()


@each_mode
def test_large_download(lab, lb, large, mode, version):
    got = os.path.join(lab.directory, "got")
    lab.run("client", ["curl", "-gsSf", "-m", "60", "-o", got, f"http://{endpoint(VIP[mode, version], 80)}/large"])
    with open(got, "rb") as f:
        assert hashlib.file_digest(f, "sha256").hexdigest() == large
    os.unlink(got)


@pytest.fixture(scope="module")
def iperf(lab):
    """iperf3 on s1, for each address of its own: over UDP it answers from the address it is bound to."""
    addresses = [VIP[mode, v] for mode in ("dr", "tunnel") for v in (4, 6)] + list(SERVERS["s1"].values())
    running = [lab.spawn("s1", ["iperf3", "-s", "-B", a, "-p", str(IPERF_PORT)], "iperf3.log") for a in addresses]
    wait_for(lambda: lab.run("s1", ["ss", "-Hltn", f"sport = :{IPERF_PORT}"]).stdout.count("LISTEN") == len(addresses))
    yield
    for p in running:
        lab.end(p)
        lab.processes.remove(p)


@each_mode
@pytest.mark.parametrize("options", [[], ["-R"], ["-u", "-b", "20M"], ["-u", "-b", "20M", "-R"]],
    ids=["tcp-up", "tcp-down", "udp-up", "udp-down"])
def test_iperf3(lab, lb, iperf, mode, version, options):
    if "-u" in options:
        # Datagrams of the whole MTU of the path.
        options = [*options, "-l", "1400"]
    out = json.loads(lab.run("client", ["iperf3", "-J", "-c", VIP[mode, version], "-p", str(IPERF_PORT), "-t", "1",
        *options], check=False).stdout)
    assert "error" not in out, out["error"]
    if "-u" in options:
        end = out["end"]["sum"]
        assert end["packets"] > 500
        # Few may be lost on a busy machine; a path that does not work loses all.
        assert end["lost_percent"] < 20
    else:
        assert out["end"]["sum_received"]["bytes"] > 1_000_000


@pytest.fixture(scope="module")
def far(lab):
    """A client behind the router."""
    lab.add("far")
    lab.link("far", "eth0", "router", "far")
    lab.ip("far", "link set eth0 up", "addr add 198.51.100.2/24 dev eth0", "addr add 2001:db8:9::2/64 dev eth0 nodad")
    lab.ip("router", "link set far up", "addr add 198.51.100.1/24 dev far", "addr add 2001:db8:9::1/64 dev far nodad")
    lab.ip("far", "route add default via 198.51.100.1", "route add ::/0 via 2001:db8:9::1")
    return "far"


@each_mode
def test_client_behind_the_gateway(lab, lb, far, mode, version):
    assert half_each(lab.curl(VIP[mode, version], 10, source=far), 10)
    assert half_each(lab.datagrams(VIP[mode, version], 10, source=far), 10)
