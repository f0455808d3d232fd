# SPDX-License-Identifier: BSD-3-Clause
"""Services for whole networks: each of their addresses is a virtual one. The client has a route to them through the balancer; with
DR the servers take each address for their own, as `ip route add local NETWORK dev lo` has it."""
import ipaddress

import pytest
from balancer import lab_config
from lab import PORT_ADDRESS, WHOAMI_PORT

NETWORK = {("dr", 4): "203.0.113.0/25", ("dr", 6): "2001:db8:e1::/64",
           ("fullnat", 4): "203.0.113.128/25", ("fullnat", 6): "2001:db8:e2::/64"}
DIRECT = [(network, version) for (mode, version), network in NETWORK.items() if mode == "dr"]


def config():
    services = [{"name": f"{mode}-{v}-{protocol}", "address": f"[{net}]:{port}" if v == 6 else f"{net}:{port}",
                 "protocol": protocol, "mode": mode, "pool": f"servers-v{v}"}
                for (mode, v), net in NETWORK.items() for protocol, port in (("tcp", 80), ("udp", WHOAMI_PORT))]
    return {**lab_config(modes=()), "services": services}


@pytest.fixture(scope="module")
def routes(lab):
    """The client's way to the networks, and the servers' own. Linux lets UDP answer from an IPv6 address that is local by a route
    alone where it may from any (ip_nonlocal_bind)."""
    def change(verb):
        for (_, v), network in NETWORK.items():
            lab.ip("client", f"route {verb} {network} via {PORT_ADDRESS['wan', v]}", version=v)
        for s in ("s1", "s2"):
            lab.sysctl(s, **{"net.ipv6.ip_nonlocal_bind": int(verb == "add")})
            for network, v in DIRECT:
                lab.ip(s, f"route {verb} local {network} dev lo", f"rule {verb} from {network} table 100", version=v)

    change("add")
    yield
    change("del")


@pytest.mark.parametrize("mode,version", list(NETWORK))
def test_each_address_answers(lab, start, routes, mode, version):
    start(config())
    network = ipaddress.ip_network(NETWORK[mode, version])
    for n in (0, 1, 77, network.num_addresses - 1):
        address = str(network[n])
        assert lab.curl(address, 2) == {"s1": 1, "s2": 1}, address
        assert lab.datagrams(address, 2) == {"s1": 1, "s2": 1}, address
