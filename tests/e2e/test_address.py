# SPDX-License-Identifier: BSD-3-Clause
"""The balancer's addresses, virtual ones and those of its ports, are there for their neighbours."""
import json

import pytest
from balancer import lab_config
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
        return {n["address"]: (n["port"], n["mac"]) for n in lb.get("neighbour", "list")["neighbours"]}

    for version in (4, 6):
        assert listed()[SERVERS["s1"][version]] == ("lan", mac(lab, "s1", "lan"))
        assert listed()[CLIENT[version]] == ("wan", mac(lab, "client", "wan"))


@pytest.fixture
def s1_mac(lab):
    """Changes the MAC of s1; back to the old one at the end. announced: the server tells everybody."""
    old = mac(lab, "s1", "lan")

    def change(new, announced):
        lab.sysctl("s1", **{"net.ipv4.conf.lan.arp_notify": int(announced), "net.ipv6.conf.lan.ndisc_notify": int(announced)})
        lab.ip("s1", f"link set lan address {new}")

    yield change
    change(old, False)


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "silent"])
def test_changed_mac_of_a_server(lab, start, s1_mac, announced):
    """A server has another MAC all of a sudden: heard of at once when it announces that, otherwise found out about when
    it is asked again."""
    config = lab_config(modes=("nat",))
    if not announced:
        config["neighbour"] = {"reachable": "1s", "retry": "200ms"}
    start(config)
    good = {"s1": 2, "s2": 2}
    for version in (4, 6):
        assert lab.curl(VIP["nat", version], 4) == good
    s1_mac("02:00:00:00:00:11", announced)
    for version in (4, 6):
        wait_for(lambda: lab.datagrams(VIP["nat", version], 4, timeout=0.5) == good, timeout=30)
        assert lab.curl(VIP["nat", version], 4) == good
