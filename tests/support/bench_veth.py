# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench end to end: real clients and servers in network namespaces, and between them fairlead (NAT), or nftables (DNAT in the
kernel), or testpmd as a mere wire on the same packet sockets, which is the ceiling of what those sockets allow. fairlead and testpmd
have a core, clients and servers the others; with nftables, which works wherever a packet is sent from, all have all cores."""
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
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

# Of the file that tcpreplay sends: what a flood reaches here in a second or so.
SYNS = 262_144

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


def sent_by_tcpreplay(text):
    """Packets that tcpreplay says it sent."""
    found = re.search(r"Actual: (\d+) packets", text)
    return int(found[1]) if found else 0


def hping(lab, address):
    """SYNs from random sources, as fast as hping3 makes them; and what reads what it prints."""
    return ["hping3", "-q", "--flood", "--rand-source", "-S", "-p", "80", address], sent_by_hping


def neighbour_mac(lab, address):
    """What the client sends to for an address of its network that it has just talked to."""
    found = json.loads(lab.run("client", ["ip", "-j", "neigh", "show", address]).stdout)
    if not found or "lladdr" not in found[0]:
        raise LabError(f"the client does not know the MAC of {address}")
    return found[0]["lladdr"]


def tcpreplay(lab, address):
    """The same from a file, over and over."""
    path = os.path.join(lab.directory, "syns.pcap")
    write_syns(path, neighbour_mac(lab, address), address)
    return ["tcpreplay", "-q", "-i", "wan", "--preload-pcap", "--topspeed", "--loop=0", path], sent_by_tcpreplay


def folded(total):
    """Of a sum of 16-bit words, the checksum (RFC 1071)."""
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff


def write_syns(path, mac, address, n=SYNS):
    """A file of n SYNs to port 80 of an IPv4 address, from random sources all over the world; the same ones each time."""
    # Little-endian, microseconds, Ethernet: the classic format of pcap.
    out = [struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)]
    record = struct.pack("<IIII", 0, 0, 54, 54)
    ethernet = bytes.fromhex(mac.replace(":", "")) + bytes.fromhex("02fb00000001") + b"\x08\x00"
    to = socket.inet_aton(address)
    fixed = sum(struct.unpack("!HH", to))
    chance = random.Random(1)
    # Not the networks of the lab, nor what no packet may come from.
    first_bytes = [b for b in range(11, 224) if b not in (127, 172, 192, 198)]
    for _ in range(n):
        source = chance.choice(first_bytes) << 24 | chance.getrandbits(24)
        port, sequence = chance.randrange(1024, 65536), chance.getrandbits(32)
        addresses = fixed + (source >> 16) + (source & 0xffff)
        # Version and header length, total length, TTL and protocol; then the words of the TCP header and of its pseudo-header.
        ip_sum = folded(0x4500 + 40 + 0x4006 + addresses)
        tcp_sum = folded(addresses + 6 + 20 + port + 80 + (sequence >> 16) + (sequence & 0xffff) + 0x5002 + 512)
        out += record, ethernet, struct.pack("!BBHHHBBHI4s", 0x45, 0, 40, 0, 0, 64, 6, ip_sum, source, to), struct.pack(
            "!HHIIBBHHH", port, 80, sequence, 0, 0x50, 2, 512, tcp_sum, 0)
    with open(path, "wb") as f:
        f.writelines(out)


@contextlib.contextmanager
def flood(lab, generator, address, found):
    """A flood of a generator, one of FLOODS, in the client's namespace; packets a second that it sent go to found["rate"]."""
    command, sent = generator(lab, address)
    began = time.monotonic()
    process = subprocess.Popen(["ip", "netns", "exec", lab.ns("client"), *command], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=30)
        found["rate"] = sent(text) / (time.monotonic() - began)


# program: (what connections under it are called, what its own packets are, its command line)
FLOODS = {"hping3": ("flooded", "flood", hping), "tcpreplay": ("replayed", "replay", tcpreplay)}


def connections_under(lab, generator, address, seconds, found):
    with flood(lab, generator, address, found):
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
        for program, (how, what, generator) in FLOODS.items():
            if shutil.which(program):
                found = {}
                row[f"connections_per_second_{how}"] = connections_under(lab, generator, address, seconds, found)
                row[f"{what}_packets_per_second"] = found["rate"]
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
