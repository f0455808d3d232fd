# SPDX-License-Identifier: BSD-3-Clause
"""Links that go away and come back, and what the balancer says of itself then."""
import socket
import struct
import threading

import pytest
from balancer import lab_config
from lab import PORT_ADDRESS, VIP, half_each, wait_for

ETH_P_ALL = 3


class Listener:
    """Collects in one namespace the addresses that gratuitous ARP and unsolicited neighbour advertisements speak of."""

    def __init__(self, lab, name, iface):
        with lab.inside(name):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((iface, ETH_P_ALL))
        self.socket.settimeout(0.1)
        self.heard = set()
        self.stopping = False
        self.thread = threading.Thread(target=self._listen, daemon=True)

    def _listen(self):
        while not self.stopping:
            try:
                frame = self.socket.recv(2048)
            except OSError:  # nothing for a while; or the link is down
                continue
            kind = struct.unpack_from("!H", frame, 12)[0]
            if kind == 0x0806 and frame[28:32] == frame[38:42]:
                self.heard.add(socket.inet_ntop(socket.AF_INET, frame[28:32]))
            # Neighbour advertisement (136) to all nodes.
            if kind == 0x86DD and frame[20] == 58 and frame[54] == 136 and frame[38:40] == b"\xff\x02":
                self.heard.add(socket.inet_ntop(socket.AF_INET6, frame[62:78]))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.stopping = True
        self.thread.join()
        self.socket.close()


OWN = {"wan": {PORT_ADDRESS["wan", 4], PORT_ADDRESS["wan", 6], VIP["nat", 4], VIP["nat", 6]},
       "lan": {PORT_ADDRESS["lan", 4], PORT_ADDRESS["lan", 6], VIP["dr", 4], VIP["dr", 6]}}


def link_is(lb, port, up):
    ports = {p["name"]: p for p in lb.get("port", "list")}
    return (ports[port]["link"] == "up") == up


def test_announces_itself_at_start(lab, start):
    with Listener(lab, "client", "wan") as wan, Listener(lab, "s1", "lan") as lan:
        start(lab_config())
        wait_for(lambda: wan.heard >= OWN["wan"])
        wait_for(lambda: lan.heard >= OWN["lan"])


@pytest.mark.parametrize("port,listener", [("wan", ("client", "wan")), ("lan", ("s1", "lan"))])
def test_link_down_and_up(lab, start, port, listener):
    lb = start(lab_config())
    assert half_each(lab.curl(VIP["nat", 4], 4), 4)
    with Listener(lab, *listener) as heard:
        lab.ip("switch", f"link set lb-{port} down")
        try:
            wait_for(lambda: link_is(lb, port, False))
            answers = lab.curl(VIP["nat", 4], 1) if port == "lan" else lab.datagrams(VIP["nat", 4], 1, timeout=0.5)
            assert not {"s1", "s2"} & set(answers)
            if port == "lan":
                # A SYN came in, could not go out, and was counted.
                assert lb.get("stats", "show")["total"]["dropped"] > 0
            heard.heard.clear()
        finally:
            lab.ip("switch", f"link set lb-{port} up")
        wait_for(lambda: link_is(lb, port, True))
        wait_for(lambda: heard.heard >= OWN[port])
    for address in (VIP["nat", 4], VIP["nat", 6], VIP["dr", 4], VIP["dr", 6]):
        wait_for(lambda: half_each(lab.curl(address, 4), 4), timeout=30)
