# SPDX-License-Identifier: BSD-3-Clause
"""Who may open connections, and how fast: lists changed while connections live, and rates, with real clients."""
import contextlib
import socket

import pytest
from balancer import lab_config
from lab import CLIENT, VIP, WHOAMI_PORT, wait_for

OTHER = {4: "192.0.2.110", 6: "2001:db8:1::110"}
NETWORK = {4: "192.0.2.110/32", 6: "2001:db8:1::110/128"}


@pytest.fixture(scope="module")
def other(lab):
    """A second client: another address of the same host."""
    lab.ip("client", f"addr add {OTHER[4]}/24 dev wan", f"addr add {OTHER[6]}/64 dev wan nodad")
    yield OTHER
    lab.ip("client", f"addr del {OTHER[4]}/24 dev wan", f"addr del {OTHER[6]}/64 dev wan")


def connect(lab, address, source):
    """A connection to whoami that has been answered once."""
    with lab.inside("client"):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        s.bind((source, 0))
    s.settimeout(5)
    try:
        s.connect((address, WHOAMI_PORT))
        assert asks(s)
        return s
    except BaseException:
        s.close()
        raise


def asks(s, timeout=5):
    """Whether the connection is answered."""
    s.settimeout(timeout)
    try:
        s.sendall(b"hello\n")
        return bool(s.recv(100))
    except socket.timeout:
        return False


def curl(lab, address, source):
    """curl's exit status: 0, or 28 for a time-out."""
    host = f"[{address}]" if ":" in address else address
    return lab.run("client", ["curl", "-gsS", "-o", "/dev/null", "-m", "1.5", "--interface", source, f"http://{host}/"],
                   check=False).returncode


def service(b, name):
    return b.get("service", "show", name)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("mode", ["nat", "fullnat", "dr", "tunnel"])
def test_deny_cuts(lab, start, other, mode, version):
    """A client that is denied while it is connected: its connection is closed and new ones are refused; another client's
    go on. Allowed again, it is served again."""
    b = start(lab_config([mode]))
    vip, name = VIP[mode, version], f"{mode}-whoami-tcp-v{version}"
    with contextlib.closing(connect(lab, vip, other[version])) as bad, \
            contextlib.closing(connect(lab, vip, CLIENT[version])) as good:
        assert b.get("session", "count", "--service", name) == {"sessions": 2}
        b.ctl("access", "deny", NETWORK[version])
        wait_for(lambda: b.get("session", "count", "--service", name) == {"sessions": 1})
        assert service(b, name)["cut"] == 1
        assert not asks(bad, timeout=1)
        assert asks(good)
        assert curl(lab, vip, other[version]) == 28
        assert curl(lab, vip, CLIENT[version]) == 0
        verdict = b.get("access", "test", other[version], name)
        assert verdict["verdict"] == "deny" and verdict["decided"][0]["prefix"] == NETWORK[version]
        assert b.get("access", "test", CLIENT[version], name)["verdict"] == "allow"
        assert service(b, name)["denied"] > 0
        assert service(b, f"{mode}-web-v{version}")["denied"] > 0
        b.ctl("access", "remove", NETWORK[version])
        assert curl(lab, vip, other[version]) == 0
        assert asks(good)


def test_service_list(lab, start, other):
    """Only those that the service's list allows, by file and reload; other services are not concerned."""
    config = lab_config(["nat"])
    b = start(config)
    for s in config["services"]:
        if s["name"] == "nat-web-v4":
            s["access"] = {"allow": ["192.0.2.96/29"]}
    with contextlib.closing(connect(lab, VIP["nat", 4], other[4])) as s:
        b.reload(config)
        assert curl(lab, VIP["nat", 4], other[4]) == 28
        assert curl(lab, VIP["nat", 4], CLIENT[4]) == 0
        assert asks(s)  # whoami is another service
    # One more by command; what was saved and loaded again says the same.
    b.ctl("access", "allow", other[4], "--service", "nat-web-v4")
    assert curl(lab, VIP["nat", 4], other[4]) == 0
    listed = b.get("access", "list", "nat-web-v4")
    b.ctl("config", "save")
    b.ctl("config", "reload")
    assert b.get("access", "list", "nat-web-v4") == listed
    assert [(e["prefix"], e["verdict"]) for e in listed["entries"]] == [
        ("192.0.2.96/29", "allow"), ("192.0.2.110/32", "allow"), (None, "deny")]


@pytest.mark.parametrize("mode", ["nat", "dr"])
def test_rate(lab, start, other, mode):
    """A client that is over its rate waits; another one does not, nor do connections that are open."""
    config = lab_config([mode])
    for s in config["services"]:
        s["source-rate"] = {"connections": 1, "burst": 5}
    b = start(config)
    vip, name = VIP[mode, 4], f"{mode}-whoami-tcp-v4"
    with contextlib.ExitStack() as stack:
        open_ones = [stack.enter_context(contextlib.closing(connect(lab, vip, other[4]))) for _ in range(5)]
        with lab.inside("client"):
            late = stack.enter_context(socket.socket())
            late.bind((other[4], 0))
        late.settimeout(0.3)
        # The clock goes on while the test runs: as many tries as it takes to be too fast.
        for _ in range(20):
            try:
                late.connect((vip, WHOAMI_PORT))
            except socket.timeout:
                break
            with lab.inside("client"):
                late = stack.enter_context(socket.socket())
                late.bind((other[4], 0))
            late.settimeout(0.3)
        assert service(b, name)["over_rate"] > 0
        assert all(asks(s) for s in open_ones)
        stack.enter_context(contextlib.closing(connect(lab, vip, CLIENT[4])))
        # Its SYN comes again, and is let in.
        wait_for(lambda: late.connect_ex((vip, WHOAMI_PORT)) in (0, 106), timeout=15)
