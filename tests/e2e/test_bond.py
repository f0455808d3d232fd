# SPDX-License-Identifier: BSD-3-Clause
"""Bonded devices: a member without link is replaced while connections go on; LACP with another station that speaks it."""
import json
import os
import threading

import pytest
from balancer import FAIRLEAD, Balancer, lab_config
from lab import VIP, LabError, eal_prefix, wait_for

BACKUP = "bond:active-backup,af_packet:wan,af_packet:wan-b"
LACP = "bond:lacp,af_packet:{0}0,af_packet:{0}1"
SIZE = 12 << 20
PEER = {4: "192.0.2.254", 6: "2001:db8:1::fffe"}


def members(lb):
    return {m["device"].removeprefix("af_packet:"): m for m in
        next(p for p in lb.get("port", "list") if p["name"] == "wan")["members"]}


def active(lb):
    return [name for name, m in members(lb).items() if m["active"]]


# ---- active-backup --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def second(lab):
    """A second way from the balancer to the network wan."""
    lab.plug("lb", "wan-b", "wan")
    yield
    lab.ip("lb", "link del wan-b")


def backup_config():
    config = lab_config()
    config["ports"][0]["device"] = BACKUP
    return config


class Download(threading.Thread):
    """A file of SIZE bytes, slowly."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.lab = lab
        with open(os.path.join(lab.www("s1"), "slow"), "wb") as f:
            f.truncate(SIZE)
        self.path = os.path.join(lab.directory, "slow.out")
        self.status = None
        self.start()

    def run(self):
        url = f"http://{VIP['nat', 4]}/slow"
        self.status = self.lab.run("client", ["curl", "-sS", "-m", "60", "--limit-rate", "2M", "-o", self.path, url],
            check=False, timeout=90).returncode

    def got(self):
        return os.path.getsize(self.path) if os.path.exists(self.path) else 0


def switch(lab, iface, state):
    lab.ip("switch", f"link set lb-{iface} {state}")


def test_active_backup_fails_over(lab, second, start):
    config = backup_config()
    for pool in config["pools"]:
        pool["servers"] = pool["servers"][:1]
    lb = start(config)
    wait_for(lambda: active(lb) == ["wan"])
    assert members(lb)["wan-b"]["link"] == "up"
    download = Download(lab)
    try:
        wait_for(lambda: download.got() > SIZE // 10)
        switch(lab, "wan", "down")
        wait_for(lambda: active(lb) == ["wan-b"], timeout=5)
        assert members(lb)["wan"]["link"] == "down"
        assert lb.get("port", "list")[0]["link"] == "up"
        before = download.got()
        assert before < SIZE
        wait_for(lambda: download.got() > before + SIZE // 5, timeout=30)
        # And back again.
        switch(lab, "wan", "up")
        wait_for(lambda: members(lb)["wan"]["link"] == "up")
        assert active(lb) == ["wan-b"]
        switch(lab, "wan-b", "down")
        wait_for(lambda: active(lb) == ["wan"], timeout=5)
        download.join(80)
        assert download.status == 0 and download.got() == SIZE
        # Without any it has no link.
        switch(lab, "wan", "down")
        wait_for(lambda: lb.get("port", "list")[0]["link"] == "down")
        assert active(lb) == []
    finally:
        switch(lab, "wan", "up")
        switch(lab, "wan-b", "up")
    wait_for(lambda: lb.get("port", "list")[0]["link"] == "up")
    wait_for(lambda: lab.curl(VIP["nat", 4], 2) == {"s1": 2}, timeout=30)
    wait_for(lambda: lab.curl(VIP["nat", 6], 2) == {"s1": 2}, timeout=30)


# ---- LACP -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def peer(lab, ports_free):
    """A second fairlead, at the other end of two cables, that answers ARP, neighbour solicitations and echo requests."""
    lab.add("peer")
    lab.sysctl("peer", **{"net.ipv6.conf.all.disable_ipv6": 1, "net.ipv6.conf.default.disable_ipv6": 1})
    for i in (0, 1):
        lab.link("lb", f"m{i}", "peer", f"p{i}")
        lab.ip("lb", f"link set m{i} up")
        lab.ip("peer", f"link set p{i} up")
    config = {"workers": [0], "control": max(os.sched_getaffinity(0)), "ports": [
        {"name": "wan", "device": LACP.format("p"), "addresses": [f"{PEER[4]}/24", f"{PEER[6]}/64"]}]}
    path = os.path.join(lab.directory, "peer.json")
    with open(path, "w") as f:
        json.dump(config, f)
    process = lab.spawn("peer", [FAIRLEAD, "--config", path, "--socket", os.path.join(lab.directory, "peer.sock"), "--",
        "--no-huge", "--in-memory", f"--file-prefix={eal_prefix(lab.prefix)}-peer"], "peer.log")
    yield
    assert process.poll() is None, lab.log("peer.log")
    assert lab.end(process) == 0, lab.log("peer.log")
    lab.processes.remove(process)
    for i in (0, 1):
        lab.ip("lb", f"link del m{i}")


def reaches_peer(lab, version=4):
    out = lab.run("lb", ["ping", "-n", "-c", "5", "-i", "0.2", "-W", "2", PEER[version]], check=False).stdout
    return " 5 received" in out


def test_lacp(lab, peer, start):
    config = lab_config()
    config["ports"][0]["device"] = LACP.format("m")
    config["ports"][0]["kernel"] = {"interface": "fl-wan"}
    lb = start(config)
    try:
        wait_for(lambda: sorted(active(lb)) == ["m0", "m1"], timeout=40)
    except LabError:
        raise LabError(f"{members(lb)}\n{lb.log()}\n{lab.log('peer.log')}") from None
    assert lb.get("port", "list")[0]["link"] == "up"
    wait_for(lambda: reaches_peer(lab), timeout=20)
    wait_for(lambda: reaches_peer(lab, 6), timeout=20)
    # A cable is pulled: long before the protocol's own 90 seconds the other one has it all.
    lab.ip("peer", "link set p0 down")
    wait_for(lambda: active(lb) == ["m1"], timeout=10)
    assert lb.get("port", "list")[0]["link"] == "up"
    wait_for(lambda: reaches_peer(lab), timeout=10)
    lab.ip("peer", "link set p0 up")
    wait_for(lambda: sorted(active(lb)) == ["m0", "m1"], timeout=60)
    wait_for(lambda: reaches_peer(lab), timeout=10)


# ---- what is wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device,said", [
    ("bond:active-backup,af_packet:wan,af_packet:wam", 'there is no interface "wam"'),
    ("bond:active-backup,af_packet:wan,af_packet:wan", "af_packet:wan is a member of the bond twice"),
    ("bond:lacp,af_packet:wan", "a bond has 2 to 8 devices, not 1"),
    ("bond:balance,af_packet:wan,af_packet:lan", "active-backup or lacp"),
])
def test_refused(lab, ports_free, device, said):
    config = lab_config()
    config["ports"][0]["device"] = device
    b = Balancer(lab, config, name="refused")
    done = lab.run("lb", b.command("--", *b.eal), check=False, timeout=10)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "ports[0].device" in line]
    assert done.returncode == 1 and len(lines) == 1 and said in lines[0], done.stdout + done.stderr
