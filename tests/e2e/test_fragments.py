# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams longer than a link: kernels at both ends cut them up, the balancer puts them together and cuts them up again."""
import hashlib
import os
import socket

import pytest
from balancer import MODES
from lab import PORT_ADDRESS, VIP, WHOAMI_PORT

# The af_packet driver has the kernel put IPv4 datagrams together (PACKET_FANOUT_FLAG_DEFRAG) and cuts those off that are longer
# than a buffer; IPv6 fragments arrive as they are.
SIZES = {4: [1, 1000, 1472, 1473, 1800], 6: [1, 1000, 1440, 1472, 1473, 2960, 9000, 30000, 60000]}
CASES = [(mode, version) for mode in MODES for version in (4, 6)]


def counters(lb):
    worker, = lb.get("worker", "list")
    return {key: worker[key] for key in ("fragments_in", "reassembled", "split", "fragments_out", "fragments_waiting")}


def echo(lab, address, size):
    """A datagram of random bytes comes back behind the server's name. Again if it was lost, or too big for a path (a tunnel's) whose
    MTU the client hears of only now: the next one is cut up for it."""
    data = os.urandom(size)
    with lab.inside("client"):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.settimeout(3)
        s.connect((address, WHOAMI_PORT))
        for attempt in range(3):
            try:
                s.send(data)
                name, _, back = s.recv(65536).partition(b" ")
                break
            except OSError:
                assert attempt < 2, f"{size} bytes to {address}: no answer"
    assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest(), f"{size} bytes to {address}"
    return name.decode()


@pytest.mark.parametrize("mode,version", CASES)
def test_datagrams_of_every_size(lab, lb, mode, version):
    before = counters(lb)
    for size in SIZES[version]:
        assert echo(lab, VIP[mode, version], size) in ("s1", "s2")
    after = counters(lb)
    # With DR and tunnels the balancer does not see the answers.
    directions = 1 if mode in ("dr", "tunnel") else 2
    assert after["fragments_waiting"] == 0
    assert after["fragments_out"] - before["fragments_out"] >= directions * 2
    if version == 4:
        return
    large = sum(size > 1472 for size in SIZES[version])
    assert after["reassembled"] - before["reassembled"] >= directions * large
    assert after["fragments_in"] - before["fragments_in"] >= directions * (60000 // 1480)
    assert after["fragments_out"] - before["fragments_out"] >= directions * (60000 // 1480)


def test_long_ping(lab, lb):
    lab.run("client", ["ping", "-c", "2", "-i", "0.2", "-W", "3", "-s", "20000", PORT_ADDRESS["wan", 6]])
