# SPDX-License-Identifier: BSD-3-Clause
"""The kernel's share of a port: what is for the port itself and nobody here wants reaches the kernel of the balancer's
namespace and comes back, while the same port forwards."""
import contextlib
import json
import os
import socket
import threading
import time

import pytest
from balancer import Balancer, lab_config
from lab import CLIENT, PORT_ADDRESS, VIP, half_each, wait_for
from load import Requests

SHARE = "fl-wan"
ROUTER = {4: "192.0.2.254", 6: "2001:db8:1::fffe"}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


def kernel_config(**kernel):
    config = lab_config()
    config["ports"][0]["kernel"] = {"interface": SHARE, **kernel}
    return config


def link(lab, name=SHARE):
    """The interface as ip(8) shows it, or None."""
    done = lab.run("lb", ["ip", "-j", "addr", "show", "dev", name], check=False)
    return json.loads(done.stdout)[0] if done.returncode == 0 else None


def addresses(lab, name=SHARE):
    return {f"{a['local']}/{a['prefixlen']}" for a in link(lab, name)["addr_info"]}


def share(lb, port="wan"):
    return lb.get("port", "show", port)["kernel"]


def drops(lb):
    return {d["reason"]: d["packets"] for d in lb.get("stats", "drops")}


@pytest.fixture
def lb(start):
    return start(kernel_config())


# ---- the interface --------------------------------------------------------------------------------------------------


def test_interface_is_as_the_port(lab, lb):
    port = lb.get("port", "show", "wan")
    it = link(lab)
    assert it["address"] == port["mac"] and it["mtu"] == port["mtu"]
    assert "UP" in it["flags"] and "LOWER_UP" in it["flags"]
    own = {a for a in addresses(lab) if a.startswith("fe80:")}
    assert addresses(lab) - own == {f"{PORT_ADDRESS['wan', 4]}/24", f"{PORT_ADDRESS['wan', 6]}/64"}
    assert len(own) == 1
    # The kernel does not look for others that have them: it is us who answer.
    assert not any(a.get("tentative") or a.get("dadfailed") for a in it["addr_info"])
    assert share(lb)["interface"] == SHARE


def test_reload_changes_addresses_and_rate(lab, lb):
    config = kernel_config(rate=500)
    config["ports"][0]["addresses"].append("192.0.2.2/24")
    config["ports"][0]["addresses"].remove(f"{PORT_ADDRESS['wan', 6]}/64")
    config["ports"][0]["addresses"].append("2001:db8:1::2/64")
    config["ports"][0]["mtu"] = 1400
    lb.reload(config)
    wait_for(lambda: "192.0.2.2/24" in addresses(lab))
    assert {"192.0.2.1/24", "2001:db8:1::2/64"} <= addresses(lab)
    assert f"{PORT_ADDRESS['wan', 6]}/64" not in addresses(lab)
    assert link(lab)["mtu"] == 1400 and share(lb)["rate"] == 500
    ping(lab, "client", "192.0.2.2")
    talk(lab, "client", "lb", "192.0.2.2")
    # A new interface, or another name, is made at start alone.
    config["ports"][1]["kernel"] = {"interface": "fl-lan"}
    lb.write(config)
    refused = lb.ctl("config", "reload", check=False)
    assert refused.returncode == 1 and "ports[1].kernel.interface" in refused.stdout + refused.stderr
    # Without its port it is down, and back with it.
    lb.reload(lab_config())
    wait_for(lambda: "UP" not in link(lab)["flags"])
    lb.reload(kernel_config())
    wait_for(lambda: "UP" in link(lab)["flags"] and f"{PORT_ADDRESS['wan', 4]}/24" in addresses(lab))


def setting(lab, key):
    return lab.run("lb", ["sysctl", "-n", key]).stdout.strip()


def test_gone_at_exit(lab, start):
    before = setting(lab, "net.ipv4.conf.wan.rp_filter")
    lb = start(kernel_config())
    assert link(lab) and setting(lab, "net.ipv4.conf.wan.rp_filter") == "1"
    assert lb.stop() == 0
    assert not link(lab)
    assert setting(lab, "net.ipv4.conf.wan.rp_filter") == before


def test_gone_after_a_crash(lab, start):
    lb = start(kernel_config())
    lb.process.kill()
    lb.process.wait()
    lab.processes.remove(lb.process)
    wait_for(lambda: not link(lab))
    again = start(kernel_config())
    assert link(lab) and share(again)["interface"] == SHARE


def test_carrier_follows_the_port(lab, lb):
    wait_for(lambda: "LOWER_UP" in link(lab)["flags"])
    lab.ip("switch", "link set lb-wan down")
    try:
        wait_for(lambda: "LOWER_UP" not in link(lab)["flags"])
    finally:
        lab.ip("switch", "link set lb-wan up")
    wait_for(lambda: "LOWER_UP" in link(lab)["flags"])


# ---- packets --------------------------------------------------------------------------------------------------------


def talk(lab, source, target, address, size=300_000):
    """A TCP connection from one namespace to the other, and as many bytes each way."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    data = os.urandom(size)

    def serve(listener):
        with listener.accept()[0] as s:
            s.settimeout(20)
            got = b""
            while len(got) < size:
                got += s.recv(65536)
            s.sendall(got)

    with lab.inside(target):
        listener = socket.create_server((address, 0), family=family)
    listener.settimeout(20)
    thread = threading.Thread(target=serve, args=(listener,), daemon=True)
    thread.start()
    with lab.inside(source):
        s = socket.socket(family, socket.SOCK_STREAM)
    s.settimeout(20)
    s.connect(listener.getsockname())
    writer = threading.Thread(target=s.sendall, args=(data,), daemon=True)
    writer.start()
    back = b""
    while len(back) < size:
        more = s.recv(65536)
        assert more
        back += more
    assert back == data
    s.close()
    writer.join()
    thread.join()
    listener.close()


def ping(lab, source, address, *options):
    """Three echo requests; each is answered, and once."""
    out = lab.run(source, ["ping", "-n", "-c", "3", "-i", "0.2", "-W", "5", *options, address]).stdout
    assert " 3 received" in out and "DUP" not in out and "duplicates" not in out, out


@pytest.mark.parametrize("version", [4, 6])
def test_tcp_both_ways(lab, lb, version):
    talk(lab, "client", "lb", PORT_ADDRESS["wan", version])
    talk(lab, "lb", "client", CLIENT[version])
    counters = share(lb)
    assert counters["to_packets"] > 100 and counters["from_packets"] > 100
    assert counters["from_dropped"] == 0
    assert counters["to_bytes"] > 500_000 and counters["from_bytes"] > 500_000


@pytest.mark.parametrize("version", [4, 6])
def test_udp(lab, lb, version):
    address = PORT_ADDRESS["wan", version]
    with lab.inside("lb"):
        server = socket.socket(FAMILY[version], socket.SOCK_DGRAM)
        server.bind((address, 5353))
    with lab.inside("client"):
        client = socket.socket(FAMILY[version], socket.SOCK_DGRAM)
    with server, client:
        server.settimeout(5)
        client.settimeout(5)
        client.connect((address, 5353))
        client.send(b"question")
        text, peer = server.recvfrom(100)
        assert text == b"question"
        server.sendto(b"answer", peer)
        assert client.recv(100) == b"answer"


def test_long_datagrams(lab, lb):
    """Put together by us, they are longer than the interface takes. (af_packet has IPv4 put together by the kernel.)"""
    address = PORT_ADDRESS["wan", 6]
    with lab.inside("lb"):
        server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        server.bind((address, 5353))
    with lab.inside("client"):
        client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with server, client:
        server.settimeout(5)
        client.settimeout(5)
        client.connect((address, 5353))
        for size in (1452, 1453, 1500, 4000, 20000):
            data = os.urandom(size)
            client.send(data)
            text, peer = server.recvfrom(65536)
            assert text == data
            server.sendto(data, peer)
            assert client.recv(65536) == data
    assert "kernel_full" not in drops(lb) or drops(lb)["kernel_full"] == 0


@pytest.mark.parametrize("version", [4, 6])
def test_ping(lab, lb, version):
    """Ours to answer when asked from outside; the kernel's when it asks."""
    ping(lab, "client", PORT_ADDRESS["wan", version])
    ping(lab, "lb", CLIENT[version])


def test_ping_link_local(lab, lb):
    own = next(a for a in addresses(lab) if a.startswith("fe80:")).partition("/")[0]
    ping(lab, "client", f"{own}%wan")
    theirs = json.loads(lab.run("client", ["ip", "-j", "addr", "show", "dev", "wan"]).stdout)[0]["addr_info"]
    theirs = next(a["local"] for a in theirs if a["local"].startswith("fe80:"))
    ping(lab, "lb", f"{theirs}%{SHARE}")


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("source", ["lb", "client"])
def test_port_unreachable(lab, lb, source, version):
    """Nobody listens: the ICMP error reaches the socket, the kernel's with us as well as the client's."""
    address = {"lb": CLIENT, "client": {v: PORT_ADDRESS["wan", v] for v in (4, 6)}}[source][version]
    with lab.inside(source):
        s = socket.socket(FAMILY[version], socket.SOCK_DGRAM)
    with s:
        s.settimeout(5)
        s.connect((address, 9))
        s.send(b"?")
        with pytest.raises(ConnectionRefusedError):
            s.recv(1)


def test_refusals_are_the_kernels(lab, lb):
    """Nobody listens: a RST."""
    with lab.inside("client"):
        s = socket.socket()
    with s, pytest.raises(ConnectionRefusedError):
        s.settimeout(5)
        s.connect((PORT_ADDRESS["wan", 4], 9))


def arp_answers(lab, address):
    """How many answers a question of the client's gets in a second."""
    with lab.inside("client"):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    with s:
        s.bind(("wan", 0x0806))
        mac, own = s.getsockname()[4], socket.inet_aton(CLIENT[4])
        s.send(b"\xff" * 6 + mac + bytes.fromhex("08060001080006040001") + mac + own + bytes(6) + socket.inet_aton(address))
        s.settimeout(1)
        count = 0
        with contextlib.suppress(TimeoutError):
            while True:
                frame = s.recv(100)
                count += frame[20:22] == b"\0\2" and frame[28:32] == socket.inet_aton(address)
        return count


def test_own_addresses_are_answered_once(lab, lb):
    assert arp_answers(lab, PORT_ADDRESS["wan", 4]) == 1


def test_virtual_addresses_are_not_the_kernels(lab, lb):
    """Even where it has them: it gets no packet for them, and none in their name leaves."""
    lab.ip("lb", f"addr add {VIP['nat', 4]}/32 dev lo")
    try:
        before = share(lb)
        # No service there: dropped by us, whatever listens in the kernel.
        with lab.inside("lb"):
            listener = socket.create_server((VIP["nat", 4], 2222))
        with lab.inside("client"):
            s = socket.socket()
        with listener, s, pytest.raises(TimeoutError):
            s.settimeout(1)
            s.connect((VIP["nat", 4], 2222))
        assert share(lb)["to_packets"] == before["to_packets"]
        lab.run("lb", ["ping", "-c", "1", "-W", "1", "-I", VIP["nat", 4], CLIENT[4]], check=False)
        assert share(lb)["from_dropped"] > before["from_dropped"]
        assert drops(lb)["kernel_source"] > 0
        # One answer to who has the address, ours.
        assert arp_answers(lab, VIP["nat", 4]) == 1
    finally:
        lab.ip("lb", f"addr del {VIP['nat', 4]}/32 dev lo")
    assert half_each(lab.curl(VIP["nat", 4], 4), 4)


def test_rate(lab, start):
    lb = start(kernel_config(rate=100))
    with lab.inside("client"):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    def flooded():  # a busy machine loses some before they get here
        for i in range(200):
            s.sendto(b"flood", (PORT_ADDRESS["wan", 4], 5353))
        return drops(lb).get("kernel_rate", 0) > 1000

    with s:
        wait_for(flooded, timeout=30)
    assert 0 < share(lb)["to_packets"] < drops(lb)["kernel_rate"]
    # The port works on.
    assert half_each(lab.curl(VIP["nat", 4], 4), 4)


def test_other_port_has_none(lab, lb):
    """Without a share all stays a drop."""
    with lab.inside("s1"):
        s = socket.socket()
    with s, pytest.raises(TimeoutError):
        s.settimeout(1)
        s.connect((PORT_ADDRESS["lan", 4], 22))
    assert "kernel" not in lb.get("port", "show", "lan")


# ---- BGP ------------------------------------------------------------------------------------------------------------

HOLD_TIME = 3  # the least there is (RFC 4271 4.2)
BIRD = f"""
define HOLD = {HOLD_TIME};
""" + """
router id {router};
timeformat protocol iso long ms;
log "{home}/bird-{name}.txt" all;
protocol device {{ scan time 1; }}
protocol static {{ ipv4; route {route} blackhole; }}
protocol static {{ ipv6; route {route6} blackhole; }}
protocol bgp peer4 {{
    local {own4} as {own_as};
    neighbor {peer4} as {peer_as};
    hold time HOLD;
    keepalive time 1;
    connect retry time 1;
    connect delay time 1;
    ipv4 {{ import all; export where source = RTS_STATIC; }};
}}
protocol bgp peer6 {{
    local {own6} as {own_as};
    neighbor {peer6} as {peer_as};
    hold time HOLD;
    keepalive time 1;
    connect retry time 1;
    connect delay time 1;
    ipv6 {{ import all; export where source = RTS_STATIC; }};
}}
"""


class Bird:
    def __init__(self, lab, name, **settings):
        self.lab, self.name = lab, name
        self.socket = os.path.join(lab.directory, f"bird-{name}.ctl")
        path = os.path.join(lab.directory, f"bird-{name}.conf")
        with open(path, "w") as f:
            f.write(BIRD.format(name=name, home=lab.directory, **settings))
        self.process = lab.spawn(name, ["bird", "-f", "-c", path, "-s", self.socket, "-P",
            os.path.join(lab.directory, f"bird-{name}.pid")], f"bird-{name}.log")

    def ask(self, *words):
        done = self.lab.run(self.name, ["birdc", "-s", self.socket, *words], check=False)
        return done.stdout + done.stderr

    def sessions(self):
        """A line for each: its name, its state, and since when, to the millisecond."""
        return [line for line in self.ask("show", "protocols").splitlines() if line.startswith("peer")]

    def established(self):
        return sum("Established" in line for line in self.sessions()) == 2

    def routes(self):
        return self.ask("show", "route", "all")

    def stop(self):
        self.lab.end(self.process)
        self.lab.processes.remove(self.process)


@pytest.fixture
def birds(lab, lb):
    ours = Bird(lab, "lb", router="192.0.2.1", own_as=65001, peer_as=65002, route=f"{VIP['nat', 4]}/32",
        route6=f"{VIP['nat', 6]}/128", own4=PORT_ADDRESS["wan", 4], own6=PORT_ADDRESS["wan", 6], peer4=ROUTER[4],
        peer6=ROUTER[6])
    theirs = Bird(lab, "router", router="192.0.2.254", own_as=65002, peer_as=65001, route="198.51.100.0/24",
        route6="2001:db8:99::/48", own4=ROUTER[4], own6=ROUTER[6], peer4=PORT_ADDRESS["wan", 4],
        peer6=PORT_ADDRESS["wan", 6])
    yield ours, theirs
    ours.stop()
    theirs.stop()


def test_bgp_while_the_port_forwards(lab, lb, birds):
    ours, theirs = birds
    wait_for(lambda: ours.established() and theirs.established(), timeout=60)
    wait_for(lambda: VIP["nat", 4] in theirs.routes() and VIP["nat", 6] in theirs.routes())
    wait_for(lambda: "198.51.100.0/24" in ours.routes() and "2001:db8:99::/48" in ours.routes())
    # Sessions live from what passes, not from what passed: more than two hold times under load, and none has begun anew.
    before, passed = [ours.sessions(), theirs.sessions()], share(lb)
    with Requests(lab, VIP["nat", 4]) as v4, Requests(lab, VIP["nat", 6]) as v6:
        time.sleep(2 * HOLD_TIME + 1)
    assert not v4.errors + v6.errors and min(len(v4.answers), len(v6.answers)) > 100
    assert [ours.sessions(), theirs.sessions()] == before
    counters = share(lb)
    assert counters["to_packets"] > passed["to_packets"] and counters["from_packets"] > passed["from_packets"]
    assert counters["to_dropped"] == 0
    theirs.ask("restart", "all")
    wait_for(lambda: ours.established() and theirs.established(), timeout=60)


# ---- what is wrong --------------------------------------------------------------------------------------------------


def check(lab, config):
    b = Balancer(lab, config, name="checked")
    done = lab.run("lb", b.command("--check"), check=False)
    return done.returncode, done.stdout + done.stderr


def test_check_names(lab, ports_free):
    status, said = check(lab, kernel_config(interface="fl-much-too-long-a-name"))
    assert status == 1 and "ports[0].kernel.interface" in said and "at most 15" in said
    status, said = check(lab, kernel_config(interface="lan"))
    assert status == 1 and 'interface of device "af_packet:lan"' in said
    lab.ip("lb", "link add fl-taken type veth peer name fl-peer")
    try:
        status, said = check(lab, kernel_config(interface="fl-taken"))
        assert status == 0 and 'warning: ports[0].kernel: there is an interface "fl-taken" already' in said
        b = Balancer(lab, kernel_config(interface="fl-taken"), name="refused")
        done = lab.run("lb", b.command("--", *b.eal), check=False, timeout=10)
        assert done.returncode == 1 and 'there is an interface "fl-taken" already' in done.stdout + done.stderr
    finally:
        lab.ip("lb", "link del fl-taken")


def test_check_of_what_runs_is_silent(lab, lb):
    status, said = check(lab, kernel_config())
    assert status == 0 and "fl-wan" not in said


def test_check_capability(lab, ports_free):
    b = Balancer(lab, kernel_config(), name="checked")
    done = lab.run("lb", ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", *b.command("--check")],
        check=False)
    assert done.returncode == 0 and "lacks CAP_NET_ADMIN" in done.stdout + done.stderr
