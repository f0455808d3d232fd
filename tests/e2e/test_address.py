# SPDX-License-Identifier: BSD-3-Clause
"""The balancer's addresses, virtual ones and those of its ports, are there for their neighbours."""
import json

import pytest
from lab import CLIENT, PORT_ADDRESS, SERVERS, VIP, wait_for

SEEN_FROM = [
    # who asks, for which address, which port of the balancer has to answer
    *[("client", PORT_ADDRESS["wan", v], "wan") for v in (4, 6)],
    *[("client", VIP["nat", v], "wan") for v in (4, 6)],
    *[("router", VIP["dr", v], "lan") for v in (4, 6)],
    *[("s1", PORT_ADDRESS["lan", v], "lan") for v in (4, 6)],
]


def mac(lab, name, iface):
    with lab.inside(name):
        out = lab.run(name, ["ip", "-j", "link", "show", iface]).stdout
    return json.loads(out)[0]["address"]


def neighbour(lab, name, address):
    """The MAC that a namespace holds for an address, or None."""
    found = json.loads(lab.run(name, ["ip", "-j", "neigh", "show", "to", address]).stdout or "[]")
    return found[0].get("lladdr") if found else None


@pytest.mark.parametrize("name,address,port", SEEN_FROM)
def test_answers_for_address(lab, lb, name, address, port):
    """ARP or ND, then an echo: the interfaces have no address, so the kernel is not who answers."""
    lab.run(name, ["ip", "neigh", "flush", "to", address])
    done = lab.run(name, ["ping", "-c", "3", "-i", "0.2", "-W", "2", address], check=False)
    assert done.returncode == 0, done.stdout
    assert neighbour(lab, name, address) == mac(lab, "lb", port)


@pytest.mark.parametrize("size", [0, 1, 56, 1472])
def test_echo_of_any_size(lab, lb, size):
    for address in (VIP["nat", 4], VIP["nat", 6]):
        less = 20 if ":" in address and size > 1400 else 0
        lab.run("client", ["ping", "-c", "1", "-W", "2", "-s", str(size - less), address])


def test_servers_are_silent_about_the_virtual_address(lab, lb):
    """What DR asks of the servers, and what its documentation says of Linux: the router never hears of theirs."""
    for version in (4, 6):
        address = VIP["dr", version]
        for _ in range(5):
            lab.run("router", ["ip", "neigh", "flush", "to", address])
            lab.run("router", ["ping", "-c", "1", "-W", "2", address])
            assert neighbour(lab, "router", address) == mac(lab, "lb", "lan")


def test_neighbours_are_listed(lab, lb):
    lab.curl(VIP["nat", 4], 4)
    lab.curl(VIP["nat", 6], 4)

    def listed():
        return {n["address"]: n["mac"] for n in lb.get("neighbour", "list") if n.get("mac")}

    for version in (4, 6):
        assert listed()[SERVERS["s1"][version]] == mac(lab, "s1", "lan")
        assert listed()[CLIENT[version]] == mac(lab, "client", "wan")


@pytest.mark.parametrize("version", [4, 6])
def test_changed_mac_of_a_server(lab, lb, version):
    """An answer from the new address, or none from the old one, is found out about by itself."""
    address = VIP["nat", version]
    assert lab.curl(address, 4) == {"s1": 2, "s2": 2}
    old = mac(lab, "s1", "lan")
    new = "02:00:00:00:00:%02x" % (0x11 + version)
    lab.ip("s1", f"link set lan address {new}")
    try:
        wait_for(lambda: lab.curl(address, 4) == {"s1": 2, "s2": 2}, timeout=60)
    finally:
        lab.ip("s1", f"link set lan address {old}")
        wait_for(lambda: lab.curl(address, 4) == {"s1": 2, "s2": 2}, timeout=60)
