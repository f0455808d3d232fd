# SPDX-License-Identifier: BSD-3-Clause
"""fairleadctl: what its commands print as JSON, what they refuse, and their exit statuses."""
import contextlib
import json
import os
import socket
import stat
import subprocess

import pytest
from balancer import FAIRLEADCTL, WORKER, lab_config
from lab import CLIENT, PORT_ADDRESS, SERVERS, VIP, WHOAMI_PORT, endpoint, wait_for
from load import Crowd

TRAFFIC = {"active", "connections", "refused", "packets_in", "bytes_in", "packets_out", "bytes_out"}
DONE, REFUSED, USAGE, NO_DAEMON, PARTLY = range(5)


def by(key, rows):
    return {row[key]: row for row in rows}


def test_services(lab, lb):
    before = by("name", lb.get("service", "list"))
    assert set(before) == {s["name"] for s in lab_config(bulk=True)["services"]}
    lab.curl(VIP["nat", 4], 3)
    after = by("name", lb.get("service", "list"))
    one = after["nat-web-v4"]
    assert TRAFFIC <= set(one)
    assert (one["address"], one["protocol"], one["mode"], one["pool"]) == (
        [endpoint(VIP["nat", 4], 80)], "tcp", "nat", "servers-v4")
    assert one["connections"] == before["nat-web-v4"]["connections"] + 3
    assert one["packets_out"] > before["nat-web-v4"]["packets_out"]
    assert after["nat-web-v6"] == before["nat-web-v6"]
    shown = lb.get("service", "show", "nat-web-v4")
    assert [s["name"] for s in shown["servers"]] == ["s1", "s2"]
    assert shown["configuration"]["mode"] == "nat"


def test_servers(lab, lb):
    rows = lb.get("server", "list", "servers-v4")
    assert [r["name"] for r in rows] == ["s1", "s2"]
    assert all(TRAFFIC <= set(r) for r in rows)
    assert [(r["address"], r["weight"], r["effective_weight"], r["state"]) for r in rows] == [
        (SERVERS[name][4], 1, 1, "enabled") for name in ("s1", "s2")]
    for verb, state, weight in (("drain", "drain", 0), ("disable", "disabled", 0), ("enable", "enabled", 1)):
        shown = lb.get("server", verb, "servers-v4", "s1")
        assert (shown["state"], shown["effective_weight"], shown["weight"]) == (state, weight, 1)
        assert lb.get("server", "show", "servers-v4", "s1")["state"] == state
    # Administrative state is no part of the configuration.
    lb.ctl("server", "drain", "servers-v4", "s1")
    assert lb.get("config", "diff") == []
    lb.reload()
    assert lb.get("server", "show", "servers-v4", "s1")["state"] == "drain"
    lb.ctl("server", "enable", "servers-v4", "s1")


def test_pools(lb):
    pools = by("name", lb.get("pool", "list"))
    assert pools["servers-v4"]["scheduler"] == "round-robin"
    assert (pools["servers-v4"]["servers"], pools["servers-v4"]["available"]) == (2, 2)
    assert "nat-web-v4" in pools["servers-v4"]["services"]
    lb.ctl("pool", "add", "spare", "--scheduler", "maglev")
    assert lb.get("pool", "show", "spare")["servers"] == []
    lb.ctl("server", "add", "spare", "x", "10.0.0.99:8080", "--weight", "5")
    assert lb.get("server", "show", "spare", "x")["weight"] == 5
    assert lb.get("config", "diff") != []
    lb.ctl("pool", "remove", "spare")
    assert lb.get("config", "diff") == []


def test_sessions(lab, lb):
    with Crowd(lab, VIP["nat", 4], WHOAMI_PORT, 10, pause=0.05) as crowd:
        crowd.progress()
        found = lb.get("session", "list", "--service", "nat-whoami-tcp-v4", "--state", "established")
        assert found["cursor"] is None
        rows = found["sessions"]
        assert len(rows) >= 10
        assert {r["server"] for r in rows} == {"s1", "s2"}
        for r in rows:
            assert r["client"].startswith(CLIENT[4] + ":")
            assert (r["virtual"], r["mode"], r["protocol"]) == (endpoint(VIP["nat", 4], WHOAMI_PORT), "nat", "tcp")
            assert r["address"] == endpoint(SERVERS[r["server"]][4], WHOAMI_PORT)
        # Pages of three make the same.
        paged, cursor = [], None
        while True:
            more = ["--cursor", cursor] if cursor else []
            page = lb.get("session", "list", "--service", "nat-whoami-tcp-v4", "--state", "established", "--limit", 3, *more)
            assert len(page["sessions"]) <= 3
            paged += page["sessions"]
            cursor = page["cursor"]
            if cursor is None:
                break
        assert {r["client"] for r in paged} == {r["client"] for r in rows}
        filters = ["--client", "192.0.2.0/24", "--server", "servers-v4/s1", "--service", "nat-whoami-tcp-v4",
                   "--state", "established", "--protocol", "tcp"]
        assert lb.get("session", "count", *filters)["sessions"] == crowd.server.count("s1")
        assert lb.get("session", "count", "--client", "198.51.100.99")["sessions"] == 0

        # Flushed sessions of NAT are gone for good: the clients are told.
        flushed = lb.get("session", "flush", "--server", "servers-v4/s1", "--service", "nat-whoami-tcp-v4")["flushed"]
        assert flushed >= crowd.server.count("s1")
        crowd.progress()
        assert crowd.failed() == {i for i, server in enumerate(crowd.server) if server == "s1"}
    assert lb.ctl("session", "flush", check=False).returncode == REFUSED
    lb.ctl("session", "flush", "--all")
    assert lb.get("session", "count")["sessions"] == 0


def test_ports_routes_workers(lab, lb):
    ports = by("name", lb.get("port", "list"))
    assert (ports["wan"]["device"], ports["wan"]["link"]) == ("af_packet:wan", "up")
    assert ports["wan"]["addresses"] == [f"{PORT_ADDRESS['wan', 4]}/24", f"{PORT_ADDRESS['wan', 6]}/64"]
    assert ports["wan"]["steering"] == "one worker"
    shown = lb.get("port", "show", "wan")
    assert (shown["driver"], shown["interface"], shown["link_source"]) == ("net_af_packet", "wan", "kernel")
    routes = {(r["to"], r["via"], r["port"]) for r in lb.get("route", "list")}
    assert {("0.0.0.0/0", "192.0.2.254", "wan"), ("::/0", "2001:db8:1::fffe", "wan"), ("10.0.0.0/24", None, "lan"),
            ("2001:db8:2::/64", None, "lan")} <= routes
    (worker,) = lb.get("worker", "list")
    assert (worker["id"], worker["core"]) == (0, WORKER)
    assert worker["packets"] > 0 and 0 <= worker["busy"] <= 1


def test_stats(lab, lb):
    before = lb.get("stats", "show")
    # A port without a service: counted under its reason.
    assert not {"s1", "s2"} & set(lab.curl(VIP["nat", 4], 1, port=81))
    after = lb.get("stats", "show")
    assert set(after) >= {"total", "services", "servers", "ports", "workers", "drops"}
    drops = [by("reason", s["drops"]).get("no_service", {"packets": 0})["packets"] for s in (before, after)]
    assert drops[1] > drops[0]
    assert after["total"]["rx_packets"] > before["total"]["rx_packets"]
    every = by("reason", lb.get("stats", "drops", "--all"))
    assert len(every) > 40 and all(d["meaning"] for d in every.values())


def test_config(lab, lb, tmp_path):
    assert lb.get("config", "show") == lab_config(bulk=True)
    changed = lab_config(bulk=True)
    changed["pools"][0]["servers"][0]["weight"] = 7
    new = tmp_path / "new.json"
    new.write_text(json.dumps(changed))
    assert lb.ctl("config", "check", new).returncode == DONE
    (difference,) = lb.get("config", "diff", new)
    assert difference["path"] == "pools[servers-v4].servers[s1].weight"
    assert (difference["from"], difference["to"]) == (None, 7)
    new.write_text(json.dumps({**changed, "services": "none"}))
    done = lb.ctl("config", "check", new, check=False)
    assert done.returncode == REFUSED
    assert "services" in done.stdout + done.stderr
    # What is changed by command can be saved, and is then what a reload reads.
    lb.ctl("server", "weight", "servers-v4", "s1", 7)
    lb.ctl("config", "save")
    with open(lb.path) as f:
        assert json.load(f)["pools"][0]["servers"][0]["weight"] == 7
    lb.reload(lab_config(bulk=True))
    assert lb.get("config", "show") == lab_config(bulk=True)


def test_daemon(lb):
    assert lb.get("daemon", "status")["pid"] == lb.process.pid
    assert set(lb.get("daemon", "version")) == {"fairlead", "dpdk", "jansson"}


@pytest.mark.parametrize("status,arguments", [
    (REFUSED, ["server", "drain", "servers-v4", "nobody"]),
    (REFUSED, ["service", "show", "nothing"]),
    (REFUSED, ["pool", "remove", "servers-v4"]),
    (REFUSED, ["server", "add", "servers-v4", "s1", "10.0.0.11"]),
    (REFUSED, ["server", "add", "servers-v4", "s9", "10.0.0.999"]),
    (REFUSED, ["service", "add", "odd", "--address", "192.0.2.10:80", "--mode", "teleport", "--pool", "servers-v4"]),
    (USAGE, []),
    (USAGE, ["nonsense"]),
    (USAGE, ["server", "explode"]),
    (USAGE, ["server", "drain"]),
    (USAGE, ["server", "list", "--nonsense", "1"]),
    (PARTLY, ["server", "enable", "servers-v4", "s1", "nobody"]),
])
def test_exit_status(lb, status, arguments):
    before = lb.get("config", "show")
    done = lb.ctl(*arguments, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stdout + done.stderr
    assert lb.get("config", "show") == before


def test_no_daemon(lab):
    path = os.path.join(lab.directory, "nowhere.sock")
    done = subprocess.run([FAIRLEADCTL, "--socket", path, "service", "list"], capture_output=True, text=True)
    assert done.returncode == NO_DAEMON
    assert path in done.stderr


@pytest.mark.parametrize("command", [["service", "list"], ["server", "list"], ["pool", "list"], ["session", "list"],
    ["port", "list"], ["neighbour", "list"], ["route", "list"], ["worker", "list"], ["stats", "show"], ["config", "show"],
    ["daemon", "status"]])
def test_for_people(lb, command):
    done = lb.ctl(*command, as_json=False)
    assert done.returncode == DONE and done.stdout.strip() and not done.stderr


def test_socket_survives_garbage(lab, lb):
    """Garbage, numbers out of range, too long a line, half a line, many connections: an error or a closed connection, and the
    next client is answered."""
    assert stat.S_IMODE(os.stat(lb.socket).st_mode) == 0o660

    def exchange(data, lines=1):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(lb.socket)
            got = b""
            try:
                s.sendall(data)
                while got.count(b"\n") < lines:
                    part = s.recv(65536)
                    if not part:
                        break
                    got += part
            except (BrokenPipeError, ConnectionResetError):
                pass
            return [json.loads(line) for line in got.splitlines()]

    def code(data):
        (answer,) = exchange(data)
        return answer["error"]["code"]

    assert code(b"\x00\xff garbage\n") == -32700
    assert code(b'{"jsonrpc":"2.0","id":1e999999,"method":"service.list"}\n') == -32700
    assert code(b'{"jsonrpc":"2.0","id":1,"method":"no.such"}\n') == -32601
    assert code(b'{"jsonrpc":"2.0","id":1,"method":"server.drain","params":{"pool":7}}\n') == -32602
    assert code(b'[]\n') == -32600
    batch = b'[{"jsonrpc":"2.0","id":1,"method":"pool.list"},{"jsonrpc":"2.0","id":2,"method":"no.such"}]\n'
    (answers,) = exchange(batch)
    assert {a["id"]: "result" in a for a in answers} == {1: True, 2: False}
    exchange(b"[" * 300000 + b"\n")
    many = []
    for _ in range(80):
        s = socket.socket(socket.AF_UNIX)
        s.connect(lb.socket)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # one too many is closed at once
            s.send(b'{"half')
        many.append(s)
    for s in many:
        s.close()
    wait_for(lambda: lb.ctl("daemon", "status", check=False).returncode == DONE)
    assert lb.get("daemon", "status")["pid"] == lb.process.pid
