# SPDX-License-Identifier: BSD-3-Clause
"""One arm or two, for each mode: the ways that the lab's usual addresses do not take. There DR's are on the servers' network,
NAT's and the tunnels' on the clients'; test_fullnat.py has fullnat on one arm.

On one arm the balancer has the port lan alone, and clients come through the router. With NAT it is the servers' gateway.
"""
import pytest
from balancer import WORKER, lab_config
from lab import IPERF_PORT, SERVERS, WHOAMI_PORT, endpoint, half_each
from load import iperf3, iperf_at

TWO, ONE = ("wan", "lan"), ("lan",)
# Mode, ports, the client's IP version, the servers', and the virtual address.
CASES = [("dr", TWO, 4, 4, "192.0.2.41"), ("dr", TWO, 6, 6, "2001:db8:1::41"),
         ("tunnel", ONE, 4, 4, "10.0.0.141"), ("tunnel", ONE, 6, 6, "2001:db8:2::141"),
         ("fullnat", ONE, 6, 4, "2001:db8:2::142"),
         ("nat", ONE, 4, 4, "10.0.0.143"), ("nat", ONE, 6, 6, "2001:db8:2::143")]


def config(mode, ports, to, address):
    usual = lab_config(modes=(), bulk=True)
    offers = [("tcp", 80, "servers"), ("udp", WHOAMI_PORT, "servers"), ("tcp", IPERF_PORT, "bulk"), ("udp", IPERF_PORT, "bulk")]
    gateways = {"gateways": ["10.0.0.254", "2001:db8:2::fffe"]} if ports == ONE else {}
    return {"workers": [WORKER], "pools": usual["pools"],
        "ports": [{**port, **gateways} for port in usual["ports"] if port["name"] in ports],
        "services": [{"name": f"{protocol}-{port}", "address": endpoint(address, port), "protocol": protocol, "mode": mode,
                      "pool": f"{pool}-v{to}"} for protocol, port, pool in offers]}


@pytest.fixture
def at(lab, mode, version, to, address):
    """Where the servers listen: at the address itself, which is then theirs and answers through the router, or at their own."""
    if mode not in ("dr", "tunnel"):
        yield SERVERS["s1"][to]
        return
    for s in ("s1", "s2"):
        lab.ip(s, f"addr add {address} dev lo" + (" nodad" if version == 6 else ""), f"rule add from {address} table 100",
            version=version)
    yield address
    for s in ("s1", "s2"):
        lab.ip(s, f"addr del {address} dev lo", f"rule del from {address} table 100", version=version)


def measure(lab, at, address, *options):
    with iperf_at(lab, "s1", [at]):
        return iperf3(lab, address, *options)


@pytest.mark.parametrize("mode,ports,version,to,address", CASES,
    ids=[f"{mode}-{len(ports)}-{version}to{to}" for mode, ports, version, to, _ in CASES])
def test_arms(lab, start, at, mode, ports, version, to, address):
    lb = start(config(mode, ports, to, address))
    assert [p["name"] for p in lb.get("port", "list")] == list(ports)
    assert half_each(lab.curl(address, 10), 10)
    assert half_each(lab.datagrams(address, 10), 10)
    for reverse in ([], ["-R"]):
        assert measure(lab, at, address, "-n", "16M", *reverse)["sum_received"]["bytes"] > 4_000_000
        # Few may be lost on a busy machine; a path that does not work loses all.
        out = measure(lab, at, address, "-u", "-b", "20M", "-l", "1400", "-n", "1M", *reverse)["sum"]
        assert out["packets"] > 500 and out["lost_percent"] < 20
