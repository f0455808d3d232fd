# SPDX-License-Identifier: BSD-3-Clause
"""Floods from all the world through a port of shared memory, and beside them real clients and servers, who notice nothing; and
each table that can be full, made small and filled.

What a machine can generate differs; each flood prints the rate it had. Nothing here fails for being slow."""
import contextlib
import hashlib
import os
import threading
import time

import pytest
from balancer import lab_config
from flood import ADDRESS, GATEWAY, RATE, Flood, add_port, worker_alone
from lab import VIP, WHOAMI_PORT, endpoint, wait_for
from load import Crowd, Requests

# One flood as long as it is asked of us, the others as long as it takes to see a difference.
LONG, SHORT = 20, 2
CROWD = 20


# What each download moves in a second; through sockets of the kernel a packet costs the worker as much as ten of a flood.
DOWNLOAD_RATE = 1_000_000


@pytest.fixture(scope="module")
def large(lab):
    """A file that both servers have, longer than any download of these tests; its contents."""
    data = os.urandom((LONG + 10) * DOWNLOAD_RATE)
    for s in ("s1", "s2"):
        with open(os.path.join(lab.www(s), "slow"), "wb") as f:
            f.write(data)
    return memoryview(data)


class Download:
    """curl gets the beginning of the file slowly: begun before a flood, ended after it."""

    def __init__(self, lab, address, seconds, data):
        self.lab, self.data = lab, data[:(seconds + 4) * DOWNLOAD_RATE]
        self.path = os.path.join(lab.directory, f"slow-{address.replace(':', '-')}")
        self.command = ["curl", "-gsSf", "--limit-rate", str(DOWNLOAD_RATE), "-r", f"0-{len(self.data) - 1}",
            "-m", str(seconds * 4 + 60), "-o", self.path, f"http://{endpoint(address, 80)}/slow"]
        self.error = None
        self.thread = threading.Thread(target=self._main, daemon=True)
        self.thread.start()

    def _main(self):
        try:
            self.lab.run("client", self.command, timeout=600)
        except Exception as e:
            self.error = e

    def check(self):
        self.thread.join()
        assert self.error is None, self.error
        with open(self.path, "rb") as f:
            got = hashlib.file_digest(f, "sha256").digest()
        os.unlink(self.path)
        assert got == hashlib.sha256(self.data).digest()


def flows(balancer):
    workers = balancer.get("worker", "list")
    return sum(w["flows_v4"] + w["flows_v6"] for w in workers)


def drops(balancer):
    return {d["reason"]: d["packets"] for d in balancer.get("stats", "drops")}


class Service:
    """Real traffic to a virtual address while something else goes on: connections that were there before, a download, and new ones
    all the time. None of them may fail. new: whether new ones are expected to succeed during the flood."""

    def __init__(self, lab, address, seconds, data, new=True):
        self.new = new
        self.download = Download(lab, address, seconds, data)
        self.crowd = Crowd(lab, address, WHOAMI_PORT, CROWD)
        self.requests = Requests(lab, address, width=2, pause=0.02)

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.stack.enter_context(self.crowd)
        self.crowd.progress()
        if self.new:
            self.requests_begin()
        return self

    def requests_begin(self):
        self.stack.enter_context(self.requests)
        self.requests.next(10)

    def __exit__(self, *unused):
        self.stack.close()

    def check(self):
        """To be called after the traffic has ended. How many connections were made."""
        assert not self.crowd.errors and not self.requests.errors
        self.download.check()
        assert {name for _, name in self.requests.answers} == {"s1", "s2"}
        return len(self.requests.answers)


def flood_beside(lab, balancer, services, kind, to, seconds, rate=RATE):
    """A flood while the services go on. The flood's result, the most flows that were seen, and how many connections were made beside
    it."""
    most = 0
    with contextlib.ExitStack() as stack:
        stack.enter_context(worker_alone(lab, balancer))
        for service in services:
            stack.enter_context(service)
        flood = stack.enter_context(Flood(lab.directory, kind, to, seconds, rate))
        while flood.running():
            most = max(most, flows(balancer))
            time.sleep(0.25)
        result = flood.result()
        # Normal within a second: what is asked from then on is answered as ever.
        time.sleep(1)
        for service in services:
            if not service.new:
                service.requests_begin()
            service.crowd.progress()
            assert sum(service.requests.next(20).values()) == 20
    made = sum(s.check() for s in services)
    print(f"new connections beside it: {made}, flows at most: {most}")
    return result, most, made


def real_services(lab, large, seconds):
    """Those that go on in every test: one of each mode that keeps state of both directions, and one of each family."""
    return [Service(lab, VIP["nat", 4], seconds, large), Service(lab, VIP["fullnat", 6], seconds, large)]


# A service whose server is the generator, so that what is forwarded to it costs none of the lab's servers anything.
VICTIM = {4: "198.18.0.10", 6: "2001:db8:f::10"}


def victim(config, version, **service):
    config["pools"].append({"name": f"victim-v{version}", "servers": [{"name": "generator", "address": GATEWAY[version]}]})
    config["services"].append({"name": f"victim-v{version}", "address": endpoint(VICTIM[version], 80), "mode": "dr",
        "pool": f"victim-v{version}"} | service)


@pytest.fixture
def flooded(lab, start):
    """flooded(change, **keys of limits): the usual balancer with a port for the flood, after change(config)."""
    def run(change=lambda config: None, **limits):
        config = add_port(lab_config(), lab.directory)
        config["limits"] = {key.replace("_", "-"): value for key, value in limits.items()}
        change(config)
        return start(config)

    return run


def dead(config, version=4):
    """A service whose server is on the servers' network, and not there."""
    address = {4: "10.0.0.99", 6: "2001:db8:2::99"}[version]
    config["pools"].append({"name": "dead", "servers": [{"name": "none", "address": address}]})
    config["services"].append({"name": "dead", "address": endpoint(VICTIM[version], 80), "protocol": "udp", "mode": "dr",
        "pool": "dead"})


def nothing_left(balancer, limit, what=flows, timeout=60):
    """What the flood took is given back in the end."""
    wait_for(lambda: what(balancer) <= limit, timeout)


def real_flows(made):
    """Entries of the real services, most of them of connections that are over."""
    return made + 2 * (CROWD + 1)


def test_packets_of_no_connection(lab, flooded, large):
    lb = flooded()
    to = [(VIP["nat", 4], 80), (VIP["fullnat", 6], 80)]
    result, most, made = flood_beside(lab, lb, real_services(lab, large, SHORT), "ack", to, SHORT)
    assert most <= real_flows(made)
    # All but what was still in the ring when the generator went.
    assert drops(lb)["no_flow"] >= result["sent"] - 16384


COOKIES_FROM = 1000
TCP_VIPS = [(VIP[mode, version], 80) for mode in ("nat", "fullnat") for version in (4, 6)]


def cookies(config, **settings):
    for service in config["services"]:
        if service["mode"] in ("nat", "fullnat") and service["protocol"] == "tcp":
            service["syn-proxy"] = settings


def test_syn_cookies(lab, flooded, large):
    """nat, fullnat: the services that real clients use are flooded themselves. Cookies come by themselves, and leave no state."""
    lb = flooded(lambda c: cookies(c, rate=COOKIES_FROM))
    result, most, made = flood_beside(lab, lb, real_services(lab, large, LONG), "syn", TCP_VIPS, LONG)
    # Each service may open as many before cookies begin.
    assert most <= real_flows(made) + 2 * len(TCP_VIPS) * COOKIES_FROM
    assert result["received"]["syn-ack"] >= (result["sent"] - 16384) * 0.9


def test_guessed_cookies(lab, flooded, large):
    lb = flooded(lambda c: cookies(c, mode="always"))
    result, most, made = flood_beside(lab, lb, real_services(lab, large, SHORT), "forged", TCP_VIPS, SHORT)
    assert most <= real_flows(made)
    assert drops(lb)["cookie_wrong"] >= (result["sent"] / 2 - 16384) * 0.9


def test_handshakes_full(lab, flooded, large):
    """Clients that prove that they are there, of a server that never answers: its service has half of the places, each for
    seven seconds. A generator that makes 1,200 connections a second uses them up in the time of the long flood."""
    lb = flooded(lambda c: victim(c, 4, mode="nat", **{"syn-proxy": {"mode": "always"}}))
    result, _, _ = flood_beside(lab, lb, real_services(lab, large, LONG), "connect", [(VICTIM[4], 80)], LONG, rate=100_000)
    assert result["answered"] > 8192
    assert drops(lb)["handshake_full"] > 0


NEW_FLOWS = 200


def test_syn_without_state(lab, flooded, large):
    """dr: above the rate of new flows, SYNs reach the server and leave nothing behind."""
    def change(config):
        victim(config, 4)
        victim(config, 6)
        config["new-flows"] = NEW_FLOWS

    lb = flooded(change)
    result, most, made = flood_beside(lab, lb, real_services(lab, large, SHORT), "syn", [(VICTIM[4], 80), (VICTIM[6], 80)],
        SHORT)
    # A second's flows may come at once.
    assert most <= real_flows(made) + 2 * NEW_FLOWS * (result["seconds"] + 2)
    assert result["received"]["other-tcp"] >= (result["sent"] - 16384) * 0.9


def test_udp_above_the_rate(lab, flooded, large):
    """nat: there is no way without state, so what is above the rate is dropped."""
    lb = flooded(lambda c: victim(c, 4, mode="nat", protocol="udp") or c["services"][-1].update({"new-flows": NEW_FLOWS}))
    result, most, made = flood_beside(lab, lb, real_services(lab, large, SHORT), "udp", [(VICTIM[4], 80)], SHORT)
    passed = NEW_FLOWS * (result["seconds"] + 2)
    assert most <= real_flows(made) + passed
    assert drops(lb)["flow_rate"] >= result["sent"] - passed - 16384


def test_flow_table_full(lab, flooded, large):
    """nat: flows that nobody has answered make room for others, established ones do not. What is new may be refused as long as the
    flood lasts; the other family has a table of its own."""
    lb = flooded(lambda c: victim(c, 4, mode="nat", protocol="udp"), flows=2048)
    services = [Service(lab, VIP["nat", 4], SHORT, large, new=False), Service(lab, VIP["fullnat", 6], SHORT, large)]
    flood_beside(lab, lb, services, "udp", [(VICTIM[4], 80)], SHORT, rate=1_000_000)
    assert lb.get("worker", "list")[0]["evicted"] > 0 and drops(lb)["flow_table_full"] > 1000


def test_fragments_that_never_end(lab, flooded, large):
    lb = flooded()
    flood_beside(lab, lb, real_services(lab, large, SHORT), "fragment", [(VIP["nat", 4], WHOAMI_PORT)], SHORT)
    assert drops(lb)["frag_full"] > 1000


def test_hold_full(lab, flooded, large):
    """A server that does not answer ARP, and no room for what waits for it."""
    lb = flooded(dead, hold=16, hold_each=8)
    flood_beside(lab, lb, real_services(lab, large, SHORT), "udp", [(VICTIM[4], 80)], SHORT, rate=1_000_000)
    assert drops(lb)["hold_full"] > 1000


def test_no_buffers(lab, flooded, large):
    """What waits for a server that does not answer takes all packet buffers there are."""
    lb = flooded(dead, packets=2048, hold=65536, hold_each=65536)
    result, _, _ = flood_beside(lab, lb, real_services(lab, large, SHORT), "udp", [(VICTIM[4], 80)], SHORT, rate=1_000_000)
    # With nothing to put them in, packets stay in the ring, and the ring is full.
    assert result["sent"] < 1_000_000 and result["refused"] > 0


def local_ports(balancer):
    return sum(w["local_ports"] for w in balancer.get("worker", "list"))


def test_no_local_ports(lab, flooded, large):
    """One source address for one server, and more clients than it has ports."""
    def change(config):
        victim(config, 4, mode="fullnat", timeouts={"tcp-syn": "2s"}, **{"syn-proxy": {"mode": "off"}})
        config["pools"][-1]["sources"] = [ADDRESS[4]]

    lb = flooded(change)
    flood_beside(lab, lb, real_services(lab, large, SHORT), "syn", [(VICTIM[4], 80)], SHORT, rate=200_000)
    assert drops(lb)["no_local_port"] > 1000
    nothing_left(lb, 4000, local_ports)
