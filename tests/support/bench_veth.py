# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench end to end: real clients and servers in network namespaces, and between them fairlead (NAT), or nftables (DNAT in the
kernel), or testpmd as a mere wire on the same packet sockets, which is the ceiling of what those sockets allow. fairlead and testpmd
have a core, clients and servers the others; with nftables, which works wherever a packet is sent from, all have all cores."""
import contextlib
import re
import shutil
import signal
import subprocess
import time

from balancer import WORKER, Balancer, lab_config
from flood import worker_alone
from lab import IPERF_PORT, SERVERS, VIP, Lab, LabError
from load import iperf3, iperf_at
from testpmd import Testpmd

ADDRESS = VIP["nat", 4]
# As in drivers-config/net_af_packet.json, so that both have the same rings.
RING = "blocksz=65536,framesz=2048,framecnt=1024,qdisc_bypass=0"

NFT = """
table ip lab {{
	chain in {{
		type nat hook prerouting priority dstnat
		ip daddr {vip} tcp dport {{ 80, {iperf} }} dnat to {server}
	}}
}}
"""


@contextlib.contextmanager
def fairlead(lab):
    with Balancer(lab, lab_config(modes=("nat",), servers=("s1",), bulk=True)) as lb, worker_alone(lab, lb):
        yield ADDRESS


@contextlib.contextmanager
def nftables(lab):
    """The balancer's namespace as a router of the kernel that rewrites destinations; connections are tracked."""
    lab.sysctl("lb", **{"net.ipv4.ip_forward": 1})
    lab.ip("lb", f"addr add {ADDRESS}/24 dev wan", "addr add 10.0.0.1/24 dev lan")
    rules = NFT.format(vip=ADDRESS, iperf=IPERF_PORT, server=SERVERS["s1"][4])
    try:
        lab.run("lb", ["nft", "-f", "-"], input=rules)
        yield ADDRESS
    finally:
        lab.run("lb", ["nft", "flush", "ruleset"], check=False)
        lab.ip("lb", "addr flush dev wan", "addr flush dev lan")
        lab.sysctl("lb", **{"net.ipv4.ip_forward": 0})


@contextlib.contextmanager
def wire(lab):
    """testpmd, which moves each frame to the other interface as it is. The client gets an address of the servers' network."""
    lab.ip("client", "addr add 10.0.0.200/24 dev wan")
    try:
        devices = [f"net_af_packet{i},iface={iface},{RING}" for i, iface in enumerate(("wan", "lan"))]
        with Testpmd(f"{lab.prefix}-wire", WORKER, devices, ("--no-huge", "--no-shconf", "-m", "256"), (), lab.ns("lb")) as t:
            t.start("io")
            with worker_alone(lab, t):
                yield SERVERS["s1"][4]
            t.stop()
    finally:
        lab.ip("client", "addr del 10.0.0.200/24 dev wan")


BETWEEN = {"testpmd io": wire, "fairlead nat": fairlead, "nftables dnat": nftables}


# ---- what is measured ---------------------------------------------------------------------------

def throughput(lab, address, seconds):
    with iperf_at(lab, "s1", [SERVERS["s1"][4]]):
        end = iperf3(lab, address, "-t", str(seconds))
    return end["sum_received"]["bits_per_second"]


def wrk_result(text):
    """(requests a second, errors) of what wrk prints."""
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", text)
    if not rate:
        raise LabError(f"wrk says no rate:\n{text}")
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return float(rate[1]), sum(map(int, errors.groups())) if errors else 0


def wrk(lab, address, seconds, *options):
    return wrk_result(lab.run("client", ["wrk", "-t1", "-c32", f"-d{seconds}s", *options, f"http://{address}/"],
        timeout=seconds + 60).stdout)


def requests(lab, address, seconds):
    return wrk(lab, address, seconds)[0]


def connections(lab, address, seconds):
    return wrk(lab, address, seconds, "-H", "Connection: close")[0]


def sent_by_hping(text):
    """Packets that hping3 says it sent."""
    found = re.search(r"(\d+) packets transmitted", text)
    return int(found[1]) if found else 0


@contextlib.contextmanager
def hping(lab, address, found):
    """SYNs from random sources, as fast as hping3 makes them; what it reached goes to found["flood"]."""
    began = time.monotonic()
    flood = subprocess.Popen(["ip", "netns", "exec", lab.ns("client"), "hping3", "-q", "--flood", "--rand-source", "-S",
        "-p", "80", address], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield
    finally:
        flood.send_signal(signal.SIGINT)
        text, _ = flood.communicate(timeout=30)
        found["flood"] = sent_by_hping(text) / (time.monotonic() - began)


def connections_under_flood(lab, address, seconds, found):
    with hping(lab, address, found):
        time.sleep(0.5)
        return connections(lab, address, seconds)


def measure(lab, seconds, between):
    """What one of BETWEEN reaches; a measurement that fails says why and spoils no other."""
    row = {}
    with BETWEEN[between](lab) as address:
        lab.run("client", ["curl", "-sS", "-m", "10", "--retry", "5", "--retry-connrefused", f"http://{address}/"])
        for name, what in (("bits_per_second", throughput), ("requests_per_second", requests),
                ("connections_per_second", connections)):
            row[name] = what(lab, address, seconds)
        if shutil.which("hping3"):
            found = {}
            row["connections_per_second_flooded"] = connections_under_flood(lab, address, seconds, found)
            row["flood_packets_per_second"] = found["flood"]
    return row


def merge(rounds):
    """The best of each figure."""
    out = {}
    for row in rounds:
        for name, value in row.items():
            out[name] = max(value, out.get(name, 0))
    return out


def run(bench):
    """[{what, bits_per_second, ...}]; one that cannot be had on this machine has "error" instead."""
    rounds, errors = {name: [] for name in BETWEEN}, {}
    with Lab(prefix=f"{bench.prefix}v", servers=("s1",)) as lab:
        for _ in range(bench.veth_rounds):
            for between in BETWEEN:
                try:
                    rounds[between].append(measure(lab, bench.veth_seconds, between))
                except (LabError, subprocess.TimeoutExpired) as e:
                    errors[between] = str(e).strip()
    return [{"what": name, **(merge(got) if got else {"error": errors[name]})} for name, got in rounds.items()]
