#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""fairleadctl against a daemon that is played: which requests its words become, what it prints, how it exits.

    fairleadctl_test.py PROGRAM
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading

PROGRAM = sys.argv[1]
DONE, REFUSED, USAGE, NO_DAEMON, PARTLY = range(5)
NOT_FOUND = {"error": {"code": 1, "message": "no server \"webX\" in pool \"web\""}}


class Daemon:
    """Answers the calls on one socket by a table; remembers what was asked."""

    def __init__(self, path, answers):
        self.answers, self.asked, self.broken = answers, [], None
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            with peer, peer.makefile("rw") as stream:
                for line in stream:
                    request = json.loads(line)
                    assert request["jsonrpc"] == "2.0" and not line[:-1].count("\n")
                    self.asked.append((request["method"], request["params"]))
                    answer = self.answers[request["method"]]
                    if callable(answer):
                        answer = answer(request["params"])
                    if answer is None:
                        break
                    part = answer if isinstance(answer, dict) and "error" in answer else {"result": answer}
                    stream.write(json.dumps({"jsonrpc": "2.0", **part, "id": request["id"]}) + "\n")
                    stream.flush()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


def ctl(path, *words, stdin=None):
    return subprocess.run([PROGRAM, "--socket", path, *words], capture_output=True, text=True, input=stdin, timeout=60)


# What words become: (words, [(method, params)]).
REQUESTS = [
    (["service", "list"], [("service.list", {})]),
    (["service", "show", "web"], [("service.show", {"name": "web"})]),
    (["service", "add", "web", "--address", "192.0.2.10:80", "--mode", "nat", "--pool=web"],
     [("service.add", {"name": "web", "address": "192.0.2.10:80", "mode": "nat", "pool": "web"})]),
    (["service", "add", "web", "192.0.2.10:80", "--mode", "nat", "--pool", "web"],
     [("service.add", {"name": "web", "address": "192.0.2.10:80", "mode": "nat", "pool": "web"})]),
    (["service", "add", "w", "--address", "a:1", "--address", "b:1", "--address=c:1", "--mode", "dr", "--pool", "p"],
     [("service.add", {"name": "w", "address": ["a:1", "b:1", "c:1"], "mode": "dr", "pool": "p"})]),
    (["service", "add", "w", "--address", "a:1", "--mode", "dr", "--pool", "p", "--timeouts.udp", "5s",
      "--timeouts.tcp-fin=1m"],
     [("service.add", {"name": "w", "address": "a:1", "mode": "dr", "pool": "p",
                       "timeouts": {"udp": "5s", "tcp-fin": "1m"}})]),
    (["pool", "add", "p", "--servers", '[{"name": "a", "address": "10.0.0.1"}]'],
     [("pool.add", {"name": "p", "servers": [{"name": "a", "address": "10.0.0.1"}]})]),
    (["server", "list"], [("server.list", {})]),
    (["server", "list", "web"], [("server.list", {"pool": "web"})]),
    (["server", "add", "web", "webC", "10.0.0.13:80", "--weight", "2"],
     [("server.add", {"pool": "web", "name": "webC", "address": "10.0.0.13:80", "weight": 2})]),
    (["server", "weight", "web", "webA", "0"], [("server.weight", {"pool": "web", "name": "webA", "weight": 0})]),
    (["server", "drain", "web", "webA", "webB"],
     [("server.drain", {"pool": "web", "name": "webA"}), ("server.drain", {"pool": "web", "name": "webB"})]),
    (["server", "show", "web", "--", "--odd"], [("server.show", {"pool": "web", "name": "--odd"})]),
    (["server", "show", "--name", "webA", "--pool", "web"], [("server.show", {"pool": "web", "name": "webA"})]),
    (["session", "list", "--client", "198.51.100.7", "--limit", "5"],
     [("session.list", {"client": "198.51.100.7", "limit": 5})]),
    (["session", "flush", "--all"], [("session.flush", {"all": True})]),
    (["stats", "drops", "--all"], [("stats.drops", {"all": True})]),
    (["config", "check", "-"], [("config.check", {"text": "{ // c\n}\n"})]),
    (["config", "reload"], [("config.reload", {})]),
]

# What is no command: (words, what standard error begins with).
WRONG = [
    (["sevice", "list"], 'fairleadctl: no command "sevice"; did you mean "service"?\n'),
    (["zebra"], 'fairleadctl: no command "zebra"; there is: service pool server session persistence access port '
                'neighbour route worker stats alarm config daemon rpc\n'),
    (["server", "drian", "web", "a"], 'fairleadctl: no verb "drian"; did you mean "drain"?\n'),
    (["route", "xyzzy"], 'fairleadctl: no verb "xyzzy"; there is: list\n'),
    (["route"], "fairleadctl: route what?\n"),
    (["server", "drain", "web"], "fairleadctl: name is missing\nusage: fairleadctl server drain POOL NAME...\n"),
    (["pool", "list", "web"], 'fairleadctl: unexpected argument "web"\nusage: fairleadctl pool list\n'),
    (["session", "list", "--clent", "x"], 'fairleadctl: no option "clent"; did you mean "client"?\n'),
    (["session", "list", "--client"], "fairleadctl: --client needs a value\nusage: fairleadctl session list [OPTIONS]\n"),
    (["session", "list", "--limit", "ten"], 'fairleadctl: limit: "ten" is no integer\n'),
    (["session", "list", "--limit", "1", "--limit", "2"], "fairleadctl: limit is given twice\n"),
    (["server", "show", "web", "a", "--pool", "web"], "fairleadctl: pool is given twice\n"),
    (["config", "check", "/nonexistent"], "fairleadctl: cannot read /nonexistent: No such file or directory\n"),
    (["completion", "csh"], "fairleadctl: completion is there for bash: fairleadctl completion bash\n"),
]

SERVER = {"pool": "web", "name": "webA", "address": "10.0.0.11:80", "weight": 2, "effective_weight": 2,
          "state": "enabled", "active": 12, "connections": 345678, "refused": 0, "limit": 500, "current": 12,
          "overflowed": 3, "packets_in": 1, "bytes_in": 1536, "packets_out": 1, "bytes_out": 123456789012}

# What is printed: (words, answers by method, standard output, standard error, exit).
PRINTED = [
    (["server", "list"], {"server.list": [SERVER, {**SERVER, "name": "webB", "active": 7}]},
     "POOL  NAME  ADDRESS       WEIGHT  STATE    LIMIT  CURRENT  OVERFLOWED  ACTIVE  CONNECTIONS  BYTES IN  BYTES OUT\n"
     "web   webA  10.0.0.11:80       2  enabled    500       12           3      12       345678   1.5 KiB  115.0 GiB\n"
     "web   webB  10.0.0.11:80       2  enabled    500       12           3       7       345678   1.5 KiB  115.0 GiB\n", "", DONE),
    (["server", "list"], {"server.list": []}, "none\n", "", DONE),
    (["--json", "server", "list"], {"server.list": [{"b": 1, "a": [None, 1.5, "ü"]}]},
     '[{"b":1,"a":[null,1.5,"ü"]}]\n', "", DONE),
    (["session", "count", "--json"], {"session.count": {"sessions": 3}}, '{"sessions":3}\n', "", DONE),
    (["session", "count"], {"session.count": {"sessions": 3}}, "sessions  3\n", "", DONE),
    (["session", "list"],
     {"session.list": {"cursor": "1.a0", "sessions": [
         {"protocol": "tcp", "client": "192.0.2.1:1000", "virtual": "192.0.2.10:80", "pool": "web", "server": None,
          "address": "10.0.0.11:80", "state": "fin", "idle_ms": 1500, "expires_ms": 118500}]}},
     "PROTOCOL  CLIENT          VIRTUAL        POOL  SERVER  ADDRESS       STATE  IDLE  EXPIRES\n"
     "tcp       192.0.2.1:1000  192.0.2.10:80  web   -       10.0.0.11:80  fin    1.5s   1m 58s\n",
     "more: add --cursor 1.a0\n", DONE),
    (["route", "list"], {"route.list": [{"to": "0.0.0.0/0", "via": "192.0.2.254", "port": "wan", "connected": False},
                                        {"to": "10.0.0.0/24", "via": None, "port": "lan", "connected": True}]},
     "TO           VIA          PORT  CONNECTED\n0.0.0.0/0    192.0.2.254  wan   no\n"
     "10.0.0.0/24  -            lan   yes\n", "", DONE),
    (["config", "show"], {"config.show": {"workers": [1], "pools": []}},
     '{\n  "workers": [\n    1\n  ],\n  "pools": []\n}\n', "", DONE),
    (["config", "check"], {"config.check": {"warnings": [{"path": "pools[0]", "text": "all weights 0"}]}},
     "no fault found\n", "warning: pools[0]: all weights 0\n", DONE),
    (["pool", "show", "web"],
     {"pool.show": {"name": "web", "scheduler": "maglev", "services": ["a", "b"], "servers": [SERVER],
                    "configuration": {"name": "web"}}},
     "name       web\nscheduler  maglev\nservices   a,b\n\nSERVERS\n"
     "POOL  NAME  ADDRESS       WEIGHT  STATE    LIMIT  CURRENT  OVERFLOWED  ACTIVE  CONNECTIONS  BYTES IN  BYTES OUT\n"
     "web   webA  10.0.0.11:80       2  enabled    500       12           3      12       345678   1.5 KiB  115.0 GiB\n"
     '\nCONFIGURATION\n{\n  "name": "web"\n}\n', "", DONE),
    (["pool", "add", "p"], {"pool.add": {"warnings": []}}, "", "", DONE),
    (["server", "drain", "web", "webX"], {"server.drain": NOT_FOUND}, "",
     'fairleadctl: no server "webX" in pool "web"\n', REFUSED),
    (["--json", "server", "drain", "web", "webX"], {"server.drain": NOT_FOUND}, "",
     '{"code":1,"message":"no server \\"webX\\" in pool \\"web\\""}\n', REFUSED),
    (["server", "drain", "web", "webA", "webX"],
     {"server.drain": lambda params: SERVER if params["name"] == "webA" else NOT_FOUND},
     "POOL  NAME  ADDRESS       WEIGHT  STATE    ACTIVE\nweb   webA  10.0.0.11:80       2  enabled      12\n",
     'fairleadctl: no server "webX" in pool "web"\n', PARTLY),
    (["config", "reload"], {"config.reload": {"changes": 2, "warnings": [{"path": "limits", "text": "odd"}]}},
     "reloaded: 2 changes\n", "warning: limits: odd\n", DONE),
    (["config", "reload"], {"config.reload": {"changes": 1, "warnings": []}}, "reloaded: 1 change\n", "", DONE),
    (["config", "reload"], {"config.reload": {"changes": 0, "warnings": []}}, "no change\n", "", DONE),
    (["server", "drain", "web", "webA"],
     {"server.drain": {**SERVER, "warnings": [{"path": "state", "text": "not saved"}]}},
     "POOL  NAME  ADDRESS       WEIGHT  STATE    ACTIVE\nweb   webA  10.0.0.11:80       2  enabled      12\n",
     "warning: state: not saved\n", DONE),
    (["config", "reload"], {"config.reload": {"error": {"code": 3, "message": "refused: ...", "data": {"faults": [
        {"path": "ports[0].device", "text": "missing"}, {"path": "", "text": "odd", "warning": True}]}}}},
     "", "fairleadctl: ports[0].device: missing\nfairleadctl: warning: odd\n", REFUSED),
    (["daemon", "status"], {"daemon.status": None}, "", "fairleadctl: the daemon closed the connection\n", REFUSED),
]

# Words as the shell hands them, the last one being typed; what may stand there.
COMPLETE = [
    (["ser"], {"service", "server", "help", "completion", "pool"}),
    (["server", ""], {"list", "show", "drain", "weight"}),
    (["session", "list", "--"], {"--client", "--limit", "--cursor"}),
    (["session", "list", "--state", ""], {"time-wait", "established"}),
    (["--socket", "PATH", "server", "drain", ""], {"web", "spare"}),
    (["--socket", "PATH", "server", "drain", "web", ""], {"webA", "webB"}),
    (["--socket", "PATH", "server", "drain", "web", "webA", ""], {"webA", "webB"}),
    (["--socket", "PATH", "session", "list", "--service", ""], {"www"}),
]
NAMES = {"pool.list": [{"name": "web"}, {"name": "spare"}], "service.list": [{"name": "www"}],
         "server.list": lambda params: [{"name": "webA"}, {"name": "webB"}] if params == {"pool": "web"} else []}


def same(what, found, expected):
    if found != expected:
        raise AssertionError(f"{what}: {found!r}, expected {expected!r}")


class Anything(dict):
    def __missing__(self, key):
        return {"warnings": []}


def check_request(path, words, requests):
    daemon = Daemon(path, Anything({m: [] for m, _ in requests if m.endswith("list") and m != "session.list"} |
                                   {"session.list": {"sessions": [], "cursor": None}, "stats.drops": []}))
    try:
        done = ctl(path, *words, stdin="{ // c\n}\n")
    finally:
        daemon.close()
    same("exit", (done.returncode, done.stderr), (DONE, ""))
    same("requests", daemon.asked, requests)


def check_wrong(path, words, text):
    done = ctl(path, *words)
    same("exit", done.returncode, USAGE)
    same("message", done.stderr[:len(text)], text)


def check_printed(path, words, answers, out, err, code):
    daemon = Daemon(path, answers)
    try:
        done = ctl(path, *words)
    finally:
        daemon.close()
    same("output", done.stdout, out)
    same("errors", done.stderr, err)
    same("exit", done.returncode, code)


def check_complete(path, words, expected):
    daemon = Daemon(path, NAMES)
    try:
        done = subprocess.run([PROGRAM, "complete", *[path if w == "PATH" else w for w in words]], capture_output=True,
                              text=True)
    finally:
        daemon.close()
    found = set(done.stdout.split())
    same("candidates", expected & found, expected)
    same("errors", done.stderr, "")


def check_no_daemon(path):
    done = ctl(path, "service", "list")
    same("exit", done.returncode, NO_DAEMON)
    lines = done.stderr.splitlines()
    same("message", lines[0], f"fairleadctl: no daemon at {path} (No such file or directory)")


def check_stale_socket(path):
    """A socket that nobody serves any more."""
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    done = ctl(path, "service", "list")
    same("exit", done.returncode, NO_DAEMON)
    same("message", done.stderr.splitlines()[0], f"fairleadctl: no daemon at {path} (Connection refused)")


def check_other_daemon(path):
    """Another one runs, with another socket in the same folder: it is named."""
    other = path + ".other"
    open(other + ".lock", "w").close()
    daemon = Daemon(other, {})
    try:
        done = ctl(path, "service", "list")
    finally:
        daemon.close()
    same("exit", done.returncode, NO_DAEMON)
    assert f"  one runs (pid {os.getpid()}) at {other}: say --socket {other}\n" in done.stderr, done.stderr


def check_help(path):
    """Every command is described, and has what its help says."""
    everything = ctl(path, "help")
    same("exit", everything.returncode, DONE)
    same("nothing said", (ctl(path).returncode, ctl(path).stdout), (USAGE, everything.stdout))
    nouns = [line.split()[0] for line in everything.stdout.splitlines() if line.startswith("  ") and line[2].islower()]
    assert len(nouns) == 15, nouns
    for noun in nouns:
        of_noun = ctl(path, noun, "--help")
        same(noun, (of_noun.returncode, of_noun.stdout), (DONE, ctl(path, "help", noun).stdout))
        commands = [line.split()[2] for line in of_noun.stdout.splitlines() if line.startswith("  fairleadctl")]
        assert commands, noun
        for verb in commands:
            done = ctl(path, noun, verb, "--help")
            same("exit", (done.returncode, done.stderr), (DONE, ""))
            assert done.stdout.startswith(f"usage: fairleadctl {noun} {verb}"), done.stdout
            assert "Examples:\n" in done.stdout and "`" not in done.stdout, done.stdout


def check_bash(path):
    script = ctl(path, "completion", "bash").stdout
    words = "COMP_WORDS=(fairleadctl server dr) COMP_CWORD=2"
    done = subprocess.run(["bash", "-c", f'PATH="{os.path.dirname(PROGRAM)}:$PATH"; {script}\n{words}\n_fairleadctl\n'
                           'echo "${COMPREPLY[@]}"'], capture_output=True, text=True)
    same("completion", (done.stdout, done.stderr), ("drain\n", ""))


CHECKS = (
    [(" ".join(c[0]), check_request, c) for c in REQUESTS] + [(" ".join(c[0]), check_wrong, c) for c in WRONG] +
    [("prints " + " ".join(c[0]), check_printed, c) for c in PRINTED] +
    [("completes " + " ".join(c[0]), check_complete, c) for c in COMPLETE] +
    [(f.__name__[6:].replace("_", " "), f, ()) for f in
     (check_no_daemon, check_stale_socket, check_other_daemon, check_help, check_bash)])

print(f"1..{len(CHECKS)}")
failed = 0
for i, (name, check, case) in enumerate(CHECKS, 1):
    with tempfile.TemporaryDirectory() as folder:
        try:
            check(os.path.join(folder, "sock"), *case)
            print(f"ok {i} - {name}")
        except AssertionError as e:
            failed += 1
            print(f"not ok {i} - {name}\n# " + str(e).replace("\n", "\n# "))
sys.exit(1 if failed else 0)
