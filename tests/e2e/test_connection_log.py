# SPDX-License-Identifier: BSD-3-Clause
"""The connection log: what connections through services of mode tcp are told with, where, and what is left out."""
import json
import os
import re
import socket
import struct
import subprocess
import time
from datetime import datetime

import pytest
from balancer import Balancer, lab_config
from lab import CLIENT, PORT_ADDRESS, SERVERS, WHOAMI_PORT, endpoint, wait_for

VIRTUAL = {4: "192.0.2.20", 6: "2001:db8:1::20"}
CLOSED_PORT = 81  # where no server listens
KEYS = ["start", "client", "peer", "address", "service", "pool", "server", "source", "target", "bytes_in", "bytes_out", "header_ms", "queue_ms",
        "connect_ms", "total_ms", "retries", "end", "service_active", "server_active"]
NUMBERS = {k for k in KEYS if k.startswith("bytes_") or k.endswith(("_ms", "_active"))} | {"retries"}
ABORT = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST instead of FIN


def configure(log, proxy=None, servers=("s1", "s2"), **service):
    config = lab_config([], servers=servers)
    for name, port in (("web", 80), ("whoami", WHOAMI_PORT), ("closed", CLOSED_PORT)):
        for v in (4, 6):
            config["services"].append({"name": f"{name}-v{v}", "address": endpoint(VIRTUAL[v], port), "mode": "tcp",
                "pool": f"servers-v{v}", "proxy": {"retries": 1, **(proxy or {})}, **service})
    if log:
        config["connection-log"] = log
    return config


@pytest.fixture
def path(lab):
    """A file for the log, gone afterwards."""
    names = [os.path.join(lab.directory, name) for name in ("connections.log", "connections.log.1")]
    yield names[0]
    for name in names:
        if os.path.exists(name):
            os.unlink(name)


def read(path):
    with open(path) as f:
        text = f.read()
    assert text == "" or text.endswith("\n")
    return text.splitlines()


def fields(line):
    """A line of either format: {key: value}; what is not known is None."""
    if line.startswith("{"):
        return json.loads(line)
    start, *pairs = line.split(" ")
    out = {"start": start, **dict(p.split("=", 1) for p in pairs)}
    return {k: None if v == "-" else int(v) if k in NUMBERS else v for k, v in out.items()}


def wait_lines(path, n=1, timeout=10):
    """The file's lines, when there are n."""
    lines = wait_for(lambda: len(read(path)) >= n and read(path), timeout)
    assert len(lines) == n, lines
    return [fields(line) for line in lines]


def curl(lab, version=4, port=80):
    """What curl says of its request: bytes of request and response, its port, the server."""
    out = lab.run("client", ["curl", "-gsS", "-m", "20", "-w", "%{size_request} %{size_header} %{size_download} %{local_port}",
        f"http://{endpoint(VIRTUAL[version], port)}/"], check=False)
    if out.returncode != 0:
        return None
    server, figures = out.stdout.split("\n")
    request, header, body, local = map(int, figures.split())
    return {"bytes_in": request, "bytes_out": header + body, "client": endpoint(CLIENT[version], local), "server": server}


def connect(lab, port=WHOAMI_PORT):
    with lab.inside("client"):
        s = socket.create_connection((VIRTUAL[4], port), timeout=5)
    return s


def talk(s):
    """A line said, and its echo, which begins with the server's name: (bytes in, bytes out)."""
    s.sendall(b"hello\n")
    return 6, len(s.recv(100))


def counts(b):
    return b.get("stats", "show")["connection_log"]


@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("form", ("text", "json"))
def test_line(lab, start, path, form, version):
    b = start(configure({"file": path, "format": form}))
    before = time.time()
    did = curl(lab, version)
    line, = wait_lines(path)
    assert list(line) == KEYS
    assert {k: line[k] for k in did} == did
    assert line["peer"] == line["client"] and line["address"] == endpoint(VIRTUAL[version], 80)
    assert line["service"] == f"web-v{version}" and line["pool"] == f"servers-v{version}"
    assert line["target"] == endpoint(SERVERS[did["server"]][version], 80)
    assert line["source"].startswith(endpoint(PORT_ADDRESS["lan", version], ""))
    assert (line["end"], line["retries"], line["header_ms"], line["queue_ms"]) == ("done", 0, 0, 0)
    assert 0 <= line["connect_ms"] <= line["total_ms"]
    assert (line["service_active"], line["server_active"]) == (0, 0)
    began = datetime.strptime(line["start"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
    assert before - 5 < began < time.time() + 5
    assert counts(b) == {"written": 1, "lost": 0, "failed": 0}


def test_active(lab, start, path):
    """How many others there are when a connection ends."""
    start(configure({"file": path}, servers=("s1",)))
    others = [connect(lab) for _ in range(3)]
    for s in others:
        talk(s)
    curl(lab)
    line, = wait_lines(path)
    assert (line["service"], line["service_active"], line["server_active"]) == ("web-v4", 0, 3)
    others.pop().close()
    *_, line = wait_lines(path, 2)
    assert (line["service"], line["service_active"], line["server_active"]) == ("whoami-v4", 2, 2)
    for s in others:
        s.close()
    wait_lines(path, 4)


def test_refused(lab, start, path):
    """Both servers are tried, with a pause of a second between."""
    start(configure({"file": path, "empty": False}))
    assert curl(lab, port=CLOSED_PORT) is None
    line, = wait_lines(path)
    assert (line["service"], line["end"], line["retries"]) == ("closed-v4", "refused", 1)
    assert line["target"] == endpoint(SERVERS[line["server"]][4], CLOSED_PORT)
    assert (line["bytes_in"], line["bytes_out"]) == (0, 0)
    assert 1000 <= line["connect_ms"] <= line["total_ms"]


def test_no_server(lab, start, path):
    b = start(configure({"file": path, "format": "json"}))
    for name in ("s1", "s2"):
        b.ctl("server", "disable", "servers-v4", name)
    assert curl(lab) is None
    line, = wait_lines(path)
    assert (line["end"], line["service"], line["pool"]) == ("no_server", "web-v4", "servers-v4")
    assert [line[k] for k in ("server", "source", "target", "server_active")] == [None] * 4


def test_client_reset(lab, start, path):
    start(configure({"file": path}))
    with connect(lab) as s:
        said, heard = talk(s)
        s.setsockopt(*ABORT)
    line, = wait_lines(path)
    assert (line["end"], line["bytes_in"], line["bytes_out"]) == ("client_error", said, heard)


def test_header(lab, start, path):
    """Who the client is, a trusted peer's PROXY header says; its bytes do not count."""
    start(configure({"file": path}, proxy={"accept-header": {"trusted": [CLIENT[4]]}}))
    with connect(lab) as s:
        s.sendall(b"PROXY TCP4 203.0.113.9 198.51.100.1 1234 443\r\n")
        said, heard = talk(s)
        peer = endpoint(*s.getsockname())
    line, = wait_lines(path)
    assert (line["client"], line["peer"], line["address"]) == ("203.0.113.9:1234", peer, endpoint(VIRTUAL[4], WHOAMI_PORT))
    assert (line["end"], line["bytes_in"], line["bytes_out"]) == ("done", said, heard)
    with connect(lab) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            s.recv(1)
    *_, line = wait_lines(path, 2)
    assert (line["end"], line["server"], line["bytes_in"]) == ("header_missing", None, 0)


def test_header_late(lab, start, path):
    start(configure({"file": path, "empty": False}, proxy={"accept-header": {"trusted": [CLIENT[4]], "timeout": "300ms"}}))
    with connect(lab) as s, pytest.raises(ConnectionResetError):
        s.recv(1)
    line, = wait_lines(path)
    assert (line["end"], line["server"], line["connect_ms"]) == ("header_timeout", None, 0)
    assert 300 <= line["header_ms"] <= line["total_ms"]


def test_idle(lab, start, path):
    start(configure({"file": path}, proxy={"client-timeout": "300ms", "server-timeout": "1h"}))
    with connect(lab) as s:
        said, heard = talk(s)
        with pytest.raises(ConnectionResetError):
            s.recv(1)
    line, = wait_lines(path)
    assert (line["end"], line["bytes_in"], line["bytes_out"]) == ("client_timeout", said, heard)
    assert line["total_ms"] >= 300


@pytest.mark.parametrize("empty", (True, False))
def test_empty(lab, start, path, empty):
    b = start(configure({"file": path, "empty": empty}))
    connect(lab).close()
    wait_for(lambda: (b.get("service", "show", "whoami-v4")["connections"], b.get("service", "show", "whoami-v4")["active"]) == (1, 0))
    curl(lab)
    lines = wait_lines(path, 1 + empty)
    assert [(n["service"], n["bytes_in"] > 0) for n in lines] == ([("whoami-v4", False)] if empty else []) + [("web-v4", True)]


def test_rotation(lab, start, path):
    b = start(configure({"file": path}))
    first = curl(lab)
    wait_lines(path)
    os.rename(path, path + ".1")
    second = curl(lab)
    wait_lines(path + ".1", 2)
    b.hangup()
    wait_for(lambda: os.path.exists(path))
    third = curl(lab)
    assert [n["client"] for n in wait_lines(path)] == [third["client"]]
    assert [n["client"] for n in wait_lines(path + ".1", 2)] == [first["client"], second["client"]]
    # Also when the configuration has become a bad one.
    os.rename(path, path + ".1")
    b.write("{")
    b.hangup()
    wait_for(lambda: os.path.exists(path))
    assert "refused" in b.log()
    fourth = curl(lab)
    assert [n["client"] for n in wait_lines(path)] == [fourth["client"]]


def test_syslog(lab, start, tmp_path):
    at = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(at)
        s.settimeout(10)
        b = start(configure({"syslog": at, "facility": "local2", "format": "json"}))
        did = curl(lab)
        text = s.recv(4096).decode()
        head = re.match(r"<150>[A-Z][a-z]{2} [ 1-3][0-9] [0-9:]{8} fairlead\[([0-9]+)\]: ", text)
        assert head and text.count("\n") == 0, text
        line = fields(text[head.end():])
        assert {k: line[k] for k in did} == did
        assert counts(b) == {"written": 1, "lost": 0, "failed": 0}
    # The daemon is gone; connections go on.
    assert curl(lab)
    wait_for(lambda: counts(b) == {"written": 1, "lost": 0, "failed": 1})
    assert f"connection log: {at}: Connection refused; lines are lost" in b.log()


def test_reload(lab, start, path):
    other = path + ".1"
    b = start(configure(None))
    curl(lab)
    b.reload(configure({"file": path}))
    first = curl(lab)
    wait_lines(path)
    # Nothing of a bad one is done.
    bad = configure({"file": os.path.join(lab.directory, "no/log")})
    b.write(bad)
    done = b.ctl("config", "reload", check=False)
    assert done.returncode != 0 and "connection-log.file" in done.stdout + done.stderr
    second = curl(lab)
    assert [n["client"] for n in wait_lines(path, 2)] == [first["client"], second["client"]]
    config = configure({"file": other, "format": "json"})
    config["services"][0]["connection-log"] = False
    b.reload(config)
    curl(lab)
    wait_for(lambda: b.get("service", "show", "web-v4")["active"] == 0)
    with connect(lab) as s:
        talk(s)
    assert [n["service"] for n in wait_lines(other)] == ["whoami-v4"]
    # What ends with its service has its name.
    with connect(lab) as s:
        talk(s)
        config["services"] = [n for n in config["services"] if n["name"] != "whoami-v4"]
        b.reload(config)
        *_, line = wait_lines(other, 2)
    assert (line["service"], line["end"]) == ("whoami-v4", "gone")
    assert len(read(path)) == 2


@pytest.mark.parametrize("log, fault", [
    ({"file": "/nowhere/at/all"}, "connection-log.file: /nowhere/at/all cannot be written: No such file or directory"),
    ({"file": "/etc"}, "connection-log.file: /etc cannot be written: Is a directory"),
    ({"syslog": "/etc/passwd"}, "connection-log.syslog: /etc/passwd cannot be sent to: "),
    ({"format": "json"}, 'connection-log: neither "file" nor "syslog"; needed is one of them'),
], ids=["no folder", "a folder", "no socket", "neither"])
def test_faults(lab, ports_free, log, fault):
    """Told by a check, and by a start."""
    b = Balancer(lab, configure(log), name="fault")
    for arguments in (["--check"], ["--", *b.eal]):
        done = subprocess.run(["ip", "netns", "exec", lab.ns("lb"), *b.command(*arguments)], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=60)
        assert done.returncode == 1 and fault in done.stdout, done.stdout
