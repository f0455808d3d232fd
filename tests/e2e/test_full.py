# SPDX-License-Identifier: BSD-3-Clause
"""A full flow table: what there is goes on, what is new finds room, and who asks or reads the log hears of it."""
import socket
import time

from balancer import lab_config
from lab import CLIENT, VIP, WHOAMI_PORT, wait_for

SINK = 9999  # nobody listens there


def flood(lab, ports):
    """A datagram from each of the ports, which nobody answers."""
    with lab.inside("client"):
        for port in ports:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind((CLIENT[4], port))
                s.sendto(b"x", (VIP["nat", 4], SINK))


def flows(b):
    return next(a for a in b.get("alarm", "list") if a["resource"] == "flows")


def ask(s):
    s.sendall(b"hello\n")
    return s.recv(100).split()[0]


def test_full_table(lab, start):
    config = lab_config(["nat"])
    config["limits"] = {"flows": 1024}
    config["services"].append({"name": "sink", "address": f"{VIP['nat', 4]}:{SINK}", "protocol": "udp", "mode": "nat", "pool": "servers-v4"})
    b = start(config)
    assert not any(a["alarm"] for a in b.get("alarm", "list"))
    with lab.inside("client"):
        s = socket.create_connection((VIP["nat", 4], WHOAMI_PORT), 5)
    with s:
        who = ask(s)
        flood(lab, range(10000, 12000))
        wait_for(lambda: flows(b)["used"] == flows(b)["max"])
        assert flows(b)["alarm"]
        for i in range(8):
            time.sleep(0.3)
            flood(lab, range(20000 + 500 * i, 20500 + 500 * i))
            time.sleep(0.3)
            assert set(lab.curl(VIP["nat", 4], n=4)) <= {"s1", "s2"}
            assert ask(s) == who
        worker, = b.get("worker", "list")
        assert worker["evicted"] > 500 and 0 < worker["embryonic"] <= 1024
        services = {x["name"]: x for x in b.get("service", "list")}
        assert services["sink"]["evicted"] == worker["evicted"]
        assert any(a["resource"] == "flows" for a in b.get("stats", "show")["alarms"])
        text = b.ctl("alarm", "list", as_json=False).stdout
        assert "raise limits.flows, or" in text
        # What is nearly full is told once, and once when it is over.
        config["services"][-1]["timeouts"] = {"udp": "500ms"}
        b.reload(config)
        wait_for(lambda: not flows(b)["alarm"])
        assert b.log().count("raise limits.flows, or") == 1
        assert b.log().count("of the room for IPv4 flows is used again") == 1
        assert ask(s) == who
