# SPDX-License-Identifier: BSD-3-Clause
"""The lab: network namespaces with a client, a router, two servers and the balancer between them.

    client ----+                       +---- s1
    .100       |                       |     .11
               +-- switch: wan         switch: lan --+
               |   192.0.2.0/24        10.0.0.0/24   |
               |   2001:db8:1::/64     2001:db8:2::/64
               |                       |
               +-------- lb -----------+---- s2
               |     .1      .1        |     .12
               +------ router ---------+
                     .254    .254

NAT: the virtual address is on wan, the servers' default gateway is the balancer's lan address. FULLNAT: the same, though
any gateway would do. DR: the virtual address is on lan, the client reaches it through the router, and what a server
sends from it goes back through the router (a rule by source address, because the same servers serve all modes).
Tunnel: the virtual address is on wan, decap.py takes packets out of their tunnels, and answers go through the router,
as with DR. The interfaces of lb have no address and no IPv6: what they receive and send is fairlead's alone.

Everything is in namespaces whose names begin with one prefix, and in one folder: nothing else on the machine changes,
and Lab.close() removes all of it. Needs root. Used by the quick start and by tests/e2e.
"""
import contextlib
import ctypes
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
CLONE_NEWNET = 0x40000000
WHOAMI_PORT = 7000
IPERF_PORT = 5201

# What the balancer answers for: (mode, IP version) -> virtual address.
VIP = {("nat", 4): "192.0.2.10", ("nat", 6): "2001:db8:1::10",
       ("fullnat", 4): "192.0.2.12", ("fullnat", 6): "2001:db8:1::12",
       ("tunnel", 4): "192.0.2.13", ("tunnel", 6): "2001:db8:1::13",
       ("dr", 4): "10.0.0.100", ("dr", 6): "2001:db8:2::100"}
SERVERS = {"s1": {4: "10.0.0.11", 6: "2001:db8:2::11"},
           "s2": {4: "10.0.0.12", 6: "2001:db8:2::12"},
           "s3": {4: "10.0.0.13", 6: "2001:db8:2::13"}}
CLIENT = {4: "192.0.2.100", 6: "2001:db8:1::100"}
PORT_ADDRESS = {("wan", 4): "192.0.2.1", ("wan", 6): "2001:db8:1::1",
                ("lan", 4): "10.0.0.1", ("lan", 6): "2001:db8:2::1"}


class LabError(Exception):
    pass


def endpoint(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def wait_for(what, timeout=10.0, step=0.05):
    """Calls what() until it gives something true, and returns that; LabError after timeout seconds."""
    end = time.monotonic() + timeout
    while True:
        got = what()
        if got:
            return got
        if time.monotonic() > end:
            raise LabError(f"waited {timeout:g} s in vain for {getattr(what, '__name__', 'a condition')}")
        time.sleep(step)


_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside(namespace):
    """This thread is in the namespace for the time being; sockets opened there stay there."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        try:
            _setns(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


class Namespaces:
    """Namespaces, links between them and processes in them; close() undoes all of it in reverse."""

    def __init__(self, prefix=None, directory=None):
        self.prefix = prefix or f"fl{os.getpid()}"
        self.names = []
        self.processes = []
        self.directory = directory or tempfile.mkdtemp(prefix=f"{self.prefix}-")
        os.makedirs(self.directory, exist_ok=True)

    def ns(self, name):
        return f"{self.prefix}-{name}"

    def inside(self, name):
        return inside(self.ns(name))

    def add(self, name, forward=False):
        ns = self.ns(name)
        subprocess.run(["ip", "netns", "add", ns], check=True)
        self.names.append(name)
        self.ip(name, "link set lo up")
        # A new namespace takes some values from the first one, so each that matters is said.
        self.sysctl(name, **{"net.ipv4.ip_forward": int(forward), "net.ipv6.conf.all.forwarding": int(forward),
            "net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.default.rp_filter": 0,
            "net.ipv4.conf.all.send_redirects": 0, "net.ipv4.conf.default.send_redirects": 0,
            "net.ipv4.conf.all.arp_ignore": 0, "net.ipv4.conf.all.arp_announce": 0,
            "net.ipv6.conf.all.disable_ipv6": 0, "net.ipv6.conf.default.disable_ipv6": 0,
            "net.ipv6.conf.all.accept_ra": 0, "net.ipv6.conf.default.accept_ra": 0})

    def sysctl(self, name, **values):
        with self.inside(name):
            for key, value in values.items():
                # Only the dots of the key are separators: no interface of the lab has one in its name.
                with open("/proc/sys/" + key.replace(".", "/"), "w") as f:
                    f.write(str(value))

    def ip(self, name, *lines, version=None):
        """Commands of ip(8) in a namespace, in one go. version 6: where it cannot see the family by an address."""
        family = [f"-{version}"] if version else []
        done = subprocess.run(["ip", *family, "-n", self.ns(name), "-batch", "-"], input="\n".join(lines) + "\n",
            text=True, capture_output=True)
        if done.returncode != 0:
            raise LabError(f"ip in {name}: {done.stderr.strip()}\n" + "\n".join(lines))

    def link(self, name, iface, peer, peer_iface):
        """A veth pair. Its checksums are made and its segments cut by the sender, as on a real wire."""
        subprocess.run(["ip", "link", "add", iface, "netns", self.ns(name), "type", "veth",
            "peer", "name", peer_iface, "netns", self.ns(peer)], check=True)
        for n, i in ((name, iface), (peer, peer_iface)):
            # ethtool exits 1 when one of the names is unknown to this kernel; what counts is looked at by the caller.
            self.run(n, ["ethtool", "-K", i, "rx", "off", "tx", "off", "tso", "off", "gso", "off", "gro", "off"],
                check=False)

    def run(self, name, command, check=True, timeout=60, **kwargs):
        """A command in a namespace, to its end. LabError with its output when it fails."""
        done = subprocess.run(["ip", "netns", "exec", self.ns(name), *command], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=timeout, **kwargs)
        if check and done.returncode != 0:
            raise LabError(f"{' '.join(command)} in {name}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def spawn(self, name, command, log):
        """A process in a namespace, ended by close(); its output goes to the file `log` in the lab's folder."""
        with open(os.path.join(self.directory, log), "ab") as out:
            p = subprocess.Popen(["ip", "netns", "exec", self.ns(name), *command], stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        self.processes.append(p)
        return p

    def log(self, name):
        with open(os.path.join(self.directory, name), errors="replace") as f:
            return f.read()

    @staticmethod
    def end(process, timeout=10):
        """SIGTERM, and SIGKILL if that does not help; the exit status."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
        return process.wait()

    def close(self):
        for p in reversed(self.processes):
            self.end(p, timeout=5)
        remove(self.prefix, self.names)
        shutil.rmtree(self.directory, ignore_errors=True)
        self.names, self.processes = [], []

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def eal_prefix(prefix):
    """--file-prefix for a lab; not "fairlead", which is that of a daemon in earnest."""
    return f"{prefix}-lab"


def remove(prefix, names):
    """Ends what runs in the namespaces and deletes them; what is gone already is no error."""
    there = [n for n in (f"{prefix}-{name}" for name in reversed(names)) if os.path.exists(f"/run/netns/{n}")]

    def running(number=0):
        left = 0
        for ns in there:
            pids = subprocess.run(["ip", "netns", "pids", ns], capture_output=True, text=True).stdout
            for pid in map(int, pids.split()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
                    left += 1
        return left

    running(signal.SIGTERM)
    with contextlib.suppress(LabError):
        wait_for(lambda: running() == 0, timeout=5)
    running(signal.SIGKILL)
    for ns in there:
        subprocess.run(["ip", "netns", "del", ns])
    # What the EAL of a fairlead that was killed leaves.
    shutil.rmtree(f"/run/dpdk/{eal_prefix(prefix)}", ignore_errors=True)


class Lab(Namespaces):
    """The topology above with its servers running; see Balancer for what goes into lb."""

    NAMES = ["switch", "client", "router", "lb", "s1", "s2"]

    def __init__(self, prefix=None, directory=None, servers=("s1", "s2")):
        super().__init__(prefix, directory)
        try:
            self._network(servers)
            for name in servers:
                self.serve(name)
                self.decapsulate(name)
        except BaseException:
            self.close()
            raise

    def _network(self, servers):
        for name in ("switch", "client", "lb", *servers):
            self.add(name)
        self.add("router", forward=True)
        self.sysctl("switch", **{"net.ipv6.conf.all.disable_ipv6": 1, "net.ipv6.conf.default.disable_ipv6": 1})
        self.sysctl("lb", **{"net.ipv6.conf.all.disable_ipv6": 1, "net.ipv6.conf.default.disable_ipv6": 1})
        self.ip("switch", *[line for net in ("wan", "lan") for line in (
            f"link add {net} type bridge forward_delay 0 mcast_snooping 0", f"link set {net} up")])

        for name, iface, net in [("client", "wan", "wan"), ("router", "wan", "wan"), ("router", "lan", "lan"),
                                 ("lb", "wan", "wan"), ("lb", "lan", "lan"), *((s, "lan", "lan") for s in servers)]:
            self.plug(name, iface, net)

        self.ip("client", *self._addresses("wan", CLIENT),
            "route add default via 192.0.2.254", "route add ::/0 via 2001:db8:1::fffe")
        self.ip("router", *self._addresses("wan", {4: "192.0.2.254", 6: "2001:db8:1::fffe"}),
            *self._addresses("lan", {4: "10.0.0.254", 6: "2001:db8:2::fffe"}))
        for name in servers:
            self._server_network(name)

    def plug(self, name, iface, net):
        """An interface of a namespace, on one of the switch's networks; the switch's end is called NAME-IFACE."""
        self.link(name, iface, "switch", f"{name}-{iface}")
        self.ip("switch", f"link set {name}-{iface} master {net}", f"link set {name}-{iface} up")
        self.ip(name, f"link set {iface} up")

    @staticmethod
    def _addresses(iface, address):
        return [f"addr add {address[4]}/24 dev {iface}", f"addr add {address[6]}/64 dev {iface} nodad"]

    def _server_network(self, name):
        """One server. DR and tunnel ask two things of it: the virtual address is its own (on lo), and it is silent about that: arp_ignore 1
        answers ARP for addresses of the asked interface only, arp_announce 2 never asks in the name of the virtual address. IPv6
        needs neither: Linux answers neighbour solicitations for addresses of the asked interface only."""
        self.sysctl(name, **{"net.ipv4.conf.all.arp_ignore": 1, "net.ipv4.conf.all.arp_announce": 2})
        direct = ("dr", "tunnel")
        self.ip(name, *self._addresses("lan", SERVERS[name]),
            *(f"addr add {VIP[mode, 4]}/32 dev lo" for mode in direct),
            *(f"addr add {VIP[mode, 6]}/128 dev lo nodad" for mode in direct),
            "route add default via 10.0.0.1",
            *(f"rule add from {VIP[mode, 4]} table 100" for mode in direct), "route add default via 10.0.0.254 table 100")
        self.ip(name, "route add default via 2001:db8:2::1", *(f"rule add from {VIP[mode, 6]} table 100" for mode in direct),
            "route add default via 2001:db8:2::fffe table 100", version=6)

    def serve(self, name):
        """nginx that answers with the server's name and serves the files of DIR/NAME/www, and whoami.py."""
        home = os.path.join(self.directory, name)
        os.makedirs(os.path.join(home, "www"))
        with open(os.path.join(home, "nginx.conf"), "w") as f:
            f.write(NGINX_CONF.format(home=home, name=name))
        self.spawn(name, ["nginx", "-e", f"{home}/error.log", "-c", f"{home}/nginx.conf"], f"{name}-nginx.log")
        self.spawn(name, ["/usr/bin/python3", os.path.join(ROOT, "tests/support/whoami.py"), name,
            str(WHOAMI_PORT)], f"{name}-whoami.log")

        def listening():
            with self.inside(name):
                for port in (80, WHOAMI_PORT):
                    try:
                        socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    except OSError:
                        return False
            return True

        try:
            wait_for(listening)
        except LabError:
            raise LabError(f"the servers of {name} did not start:\n"
                + self.log(f"{name}-nginx.log") + self.log(f"{name}-whoami.log")) from None

    def decapsulate(self, name):
        """What comes in tunnels is taken out of them."""
        self.spawn(name, ["/usr/bin/python3", os.path.join(ROOT, "tests/support/decap.py")], f"{name}-decap.log")
        try:
            wait_for(lambda: "ready" in self.log(f"{name}-decap.log"))
        except LabError:
            raise LabError(f"no tunnels in {name}:\n" + self.log(f"{name}-decap.log")) from None

    def www(self, name):
        return os.path.join(self.directory, name, "www")

    # ---- what a client does ------------------------------------------------------------------

    def curl(self, address, n=1, port=80, path="/", source="client"):
        """n curl requests, a connection each: {server: answers}; what failed counts under curl's exit status."""
        url = f"http://{endpoint(address, port)}{path}"
        script = 'for i in $(seq "$1"); do curl -gsS -m 5 "$2" 2>/dev/null || echo "curl: exit $?"; done'
        out = self.run(source, ["sh", "-c", script, "sh", str(n), url], timeout=60 + 5 * n).stdout
        return count(out.splitlines())

    def datagrams(self, address, n=1, port=WHOAMI_PORT, source="client", timeout=3.0):
        """n datagrams, each from a port of its own: {server: answers}; those without one count as "no answer"."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        got = []
        with contextlib.ExitStack() as stack:
            waiting = {}
            poll = select.poll()
            for i in range(n):
                with self.inside(source):
                    s = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                s.connect((address, port))
                s.send(b"datagram %d" % i)
                waiting[s.fileno()] = (s, b"datagram %d" % i)
                poll.register(s, select.POLLIN)
            end = time.monotonic() + timeout
            while waiting and time.monotonic() < end:
                for fd, _ in poll.poll(100):
                    s, sent = waiting.pop(fd)
                    poll.unregister(fd)
                    try:
                        name, _, rest = s.recv(2048).partition(b" ")
                        got.append(name.decode() if rest == sent else "wrong answer")
                    except OSError as e:
                        got.append(e.strerror)
            got += ["no answer"] * len(waiting)
        return count(got)


def half_each(got, n):
    """Whether {server: answers} says that s1 and s2 had half of n each. One may have had a turn more: a connection that was
    opened twice, because its first packets were slow, takes two."""
    return set(got) == {"s1", "s2"} and sum(got.values()) == n and abs(got["s1"] - got["s2"]) <= 2


def count(items):
    out = {}
    for item in items:
        out[item] = out.get(item, 0) + 1
    return out


NGINX_CONF = """
user root;
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    client_max_body_size 0;
    server {{
        listen 80 backlog=4096;
        listen [::]:80 backlog=4096;
        root {home}/www;
        default_type text/plain;
        location = / {{ return 200 "{name}\\n"; }}
    }}
}}
"""
