# SPDX-License-Identifier: BSD-3-Clause
"""A port on a VLAN. The kernel may have no 802.1Q, so the client is a raw socket here that writes and reads the tags
itself: one trunk, on which VLAN 100 carries a port of the balancer and everything else is to be left alone."""
import socket
import struct
import time

import pytest
from balancer import lab_config
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr,
                                ICMPv6NDOptSrcLLAddr, IPv6)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

VLAN = 100
MAC = "02:00:00:00:01:00"
PEER = {4: "203.0.113.100", 6: "2001:db8:64::100"}
PORT = {4: "203.0.113.1", 6: "2001:db8:64::1"}
VIRTUAL = {4: "203.0.113.10", 6: "2001:db8:64::10"}

SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 0x10


class Peer:
    """A host with one MAC and two addresses on a VLAN of the trunk; tag None is for untagged frames."""

    def __init__(self, lab):
        with lab.inside("client"):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind(("trunk", 3))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.settimeout(0.2)

    def receive(self):
        """(tag, frame) or None. The kernel takes the tag out of the frame and tells it apart."""
        try:
            data, control, _, _ = self.socket.recvmsg(2048, 256)
        except TimeoutError:
            return None
        frame, tag = Ether(data), None
        for level, kind, value in control:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                status, *_, tci, _ = struct.unpack("IIIHHHH", value[:20])
                tag = tci & 0xFFF if status & TP_STATUS_VLAN_VALID else None
        if Dot1Q in frame:
            tag = frame[Dot1Q].vlan
        return None if frame.src == MAC else (tag, frame)

    def answer(self, tag, frame):
        """What a host does when it is asked for its MAC."""
        if ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == PEER[4]:
            self.socket.send(bytes(Ether(src=MAC, dst=frame.src) / Dot1Q(vlan=tag)
                / ARP(op=2, hwsrc=MAC, psrc=PEER[4], hwdst=frame[ARP].hwsrc, pdst=frame[ARP].psrc)))
        elif ICMPv6ND_NS in frame and frame[ICMPv6ND_NS].tgt == PEER[6]:
            self.socket.send(bytes(Ether(src=MAC, dst=frame.src) / Dot1Q(vlan=tag)
                / IPv6(src=PEER[6], dst=frame[IPv6].src, hlim=255)
                / ICMPv6ND_NA(tgt=PEER[6], R=0, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=MAC)))

    def ask(self, to, packet, wanted, tag=VLAN, seconds=5.0):
        """Sends until an answer comes that `wanted` accepts; the (tag, frame), or None."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.socket.send(bytes(Ether(src=MAC, dst=to) / (packet if tag is None else Dot1Q(vlan=tag) / packet)))
            pause = time.monotonic() + 0.5
            while time.monotonic() < pause:
                got = self.receive()
                if got:
                    self.answer(*got)
                    if wanted(got[1]):
                        return got
        return None

    def find(self, address, tag=VLAN, seconds=5.0):
        """The (tag, MAC) that answers for an address."""
        if ":" in address:
            raw = socket.inet_pton(socket.AF_INET6, address)
            group = "33:33:ff:%02x:%02x:%02x" % tuple(raw[13:])
            node = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:0")[:13] + raw[13:])
            question = IPv6(src=PEER[6], dst=node, hlim=255) / ICMPv6ND_NS(tgt=address) / ICMPv6NDOptSrcLLAddr(lladdr=MAC)
            got = self.ask(group, question, lambda f: ICMPv6ND_NA in f and f[ICMPv6ND_NA].tgt == address
                and f.dst == MAC, tag, seconds)
        else:
            question = ARP(op=1, hwsrc=MAC, psrc=PEER[4], pdst=address)
            got = self.ask("ff:ff:ff:ff:ff:ff", question, lambda f: ARP in f and f[ARP].op == 2 and f[ARP].psrc == address
                and f.dst == MAC, tag, seconds)
        return got and (got[0], got[1].src)


@pytest.fixture
def peer(lab, start):
    lab.link("client", "trunk", "lb", "trunk")
    lab.ip("client", "link set trunk up")
    lab.ip("lb", "link set trunk up")
    # The kernel's own stack in the client has no business on the trunk.
    lab.sysctl("client", **{"net.ipv6.conf.trunk.disable_ipv6": 1})
    config = lab_config(modes=("nat",))
    config["ports"].append({"name": "tagged", "device": "af_packet:trunk", "vlan": VLAN,
        "addresses": [f"{PORT[4]}/24", f"{PORT[6]}/64"]})
    config["services"] += [
        {"name": f"tagged-v{v}", "address": f"[{VIRTUAL[v]}]:7000" if v == 6 else f"{VIRTUAL[v]}:7000",
         "protocol": "udp", "mode": "nat", "pool": f"servers-v{v}"} for v in (4, 6)]
    start(config)
    p = Peer(lab)
    yield p
    p.socket.close()
    lab.ip("client", "link del trunk")


def test_tagged_port(peer):
    for version in (4, 6):
        for address in (PORT[version], VIRTUAL[version]):
            found = peer.find(address)
            assert found and found[0] == VLAN

    mac = peer.find(PORT[4])[1]
    echo = peer.ask(mac, IP(src=PEER[4], dst=VIRTUAL[4]) / ICMP(id=1, seq=1) / Raw(b"x" * 60),
        lambda f: ICMP in f and f[ICMP].type == 0 and f[IP].src == VIRTUAL[4])
    assert echo and echo[0] == VLAN and bytes(echo[1][ICMP].payload)[:60] == b"x" * 60
    echo = peer.ask(mac, IPv6(src=PEER[6], dst=VIRTUAL[6]) / ICMPv6EchoRequest(id=1, seq=1, data=b"x" * 60),
        lambda f: ICMPv6EchoReply in f and f[IPv6].src == VIRTUAL[6])
    assert echo and echo[0] == VLAN and echo[1][ICMPv6EchoReply].data == b"x" * 60

    # Through NAT to servers on an untagged port, and back with a tag.
    for version, header in ((4, IP(src=PEER[4], dst=VIRTUAL[4])), (6, IPv6(src=PEER[6], dst=VIRTUAL[6]))):
        got = peer.ask(mac, header / UDP(sport=4000 + version, dport=7000) / Raw(b"hello"),
            lambda f: UDP in f and f[UDP].dport == 4000 + version)
        assert got and got[0] == VLAN
        frame = got[1]
        assert (frame[header.__class__].src, frame[UDP].sport) == (VIRTUAL[version], 7000)
        assert bytes(frame[UDP].payload).rstrip(b"\0") in (b"s1 hello", b"s2 hello")


def test_other_tags_are_left_alone(peer):
    assert peer.find(PORT[4])
    assert peer.find(PORT[4], tag=VLAN + 1, seconds=1.5) is None
    assert peer.find(PORT[4], tag=None, seconds=1.5) is None
