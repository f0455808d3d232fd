# SPDX-License-Identifier: BSD-3-Clause
"""Scripts of segments fail where they should, and say where. Prints TAP. The argument is the program that plays them."""
import os
import subprocess
import sys
import tempfile

OPEN = """macro open
	listen
	< S 0 win 65535 <mss 1460>
	> S. 0 ack 1
	< . 1 ack 1
	accept
"""


def case(*lines, use="open"):
    body = "".join(f"\t{line}\n" for line in ((f"use {use}",) if use else ()) + lines)
    return OPEN + "case one\n" + body


# name, script, exit status (0: all is well, 1: a case failed, 2: it is no script), what is said
CASES = [
    ("all is well", case("< . 1:101 ack 1", "> . 1 ack 101", "read 100"), 0, "ok 1 - s one, IPv4"),
    ("both families", case(), 0, "ok 2 - s one, IPv6"),
    ("one family", case("only v6"), 0, "1..1"),
    # what is sent
    ("nothing expected", case("< . 1:101 ack 1"), 1, "s.tcp:9: at +0.000000: nobody expected: @1 +0.000000 > . 1 ack 101"),
    ("nothing sent", case("> . 1 ack 1"), 1, "s.tcp:9: at +0.000000: nothing was sent"),
    ("expected nothing", case("write 100", "> nothing"), 1, "s.tcp:10: at +0.000000: nobody expected"),
    ("left over when time goes on", case("write 100", "+1 wait"), 1, "s.tcp:10: at +0.000000: nobody expected"),
    ("flags", case("< . 1:101 ack 1", "> F. 1 ack 101"), 1, "other flags"),
    ("a flag too many", case("shutdown", "> . 1 ack 1"), 1, "other flags"),
    ("a flag that may be", case("shutdown", "> .(F) 1 ack 1"), 0, "ok 1"),
    ("any flags", case("shutdown", "> * 1 ack 1"), 0, "ok 1"),
    ("sequence number", case("< . 1:101 ack 1", "> . 2 ack 101"), 1, "sequence number 1, expected 2"),
    ("acknowledgement", case("< . 1:101 ack 1", "> . 1 ack 100"), 1, "acknowledgement 101, expected 100"),
    ("any acknowledgement", case("< . 1:101 ack 1", "> . 1 ack *"), 0, "ok 1"),
    ("length", case("write 100", "> . 1:100 ack 1"), 1, "100 bytes of data, expected 99"),
    ("window", case("< . 1:101 ack 1", "> . 1 ack 101 win 5"), 1, "window 65435, expected 5"),
    ("options missing", case("< . 1:101 ack 1", "> . 1 ack 101 <sack 1:2>"), 1, "option 5 is missing"),
    ("options too many", case("@2 < S 0 <mss 1460 sackOK>", "@2 > S. 0 ack 1 <mss 1460>"), 1, "2 options, expected 1"),
    ("others may be", case("@2 < S 0 <mss 1460 sackOK>", "@2 > S. 0 ack 1 <mss 1460 ...>"), 0, "ok 1"),
    ("option's value", case("@2 < S 0", "@2 > S. 0 ack 1 <mss 1459>"), 1, "MSS 1460, expected 1459"),
    ("ECN bits", case("write 100", "> . 1:101 ack 1 ecn ce"), 1, "ECN bits 0, expected 3"),
    ("another connection", case("write 100", "@2 > . 1:101 ack 1"), 1, "of connection 1"),
    # time
    ("too early", case("shutdown", "+1 > F. 1 ack 1"), 1, "too early"),
    ("too late", case("shutdown", "> F. 1 ack 1", "+0.1 > F. 1 ack 1"), 1, "nothing was sent"),
    ("in time", case("shutdown", "> F. 1 ack 1", "+0.2 > F. 1 ack 1"), 0, "ok 1"),
    ("a range", case("shutdown", "> F. 1 ack 1", "+0.1..0.3 > F. 1 ack 1"), 0, "ok 1"),
    ("a range that is missed", case("shutdown", "> F. 1 ack 1", "+0.1..0.15 > F. 1 ack 1"), 1, "nothing was sent"),
    ("any time", case("shutdown", "> F. 1 ack 1", "* > F. 1 ack 1"), 0, "ok 1"),
    ("an hour", case("+3600 < . 1:101 ack 1", "> . 1 ack 101"), 0, "ok 1"),
    # the application
    ("too little to read", case("< . 1:101 ack 1", "> . 1 ack 101", "read 101"), 1, "100 bytes could be read"),
    ("other data", case("< . 1:101 ack 1 fill 9", "> . 1 ack 101", "read 100"), 1, "wrong byte read at offset 0"),
    ("other data, taken", case("< . 1:101 ack 1 fill 9", "> . 1 ack 101", "take 100"), 1, "wrong byte read at offset 0"),
    ("an event missing", case("event READ"), 1, "events:"),
    ("an event too many", case("< . 1:101 ack 1", "> . 1 ack 101", "event none"), 1, "events: READ"),
    ("a failure that nobody asked about", case("< R 1"), 1, "connection 1 failed: Connection reset by peer"),
    ("another failure", case("< R 1", "event ERROR", "error ETIMEDOUT"), 1, "expected ETIMEDOUT"),
    ("another state", case("state FIN_WAIT_1"), 1, "state ESTABLISHED"),
    ("another count", case("count opened_passive 2"), 1, "opened_passive is 1, expected 2"),
    ("not more", case("count opened_passive >1"), 1, "opened_passive is 1, expected >1"),
    ("not in a range", case("info cwnd 1..2"), 1, "cwnd is 14600, expected 1..2"),
    ("in a range", case("info cwnd 14600..14600"), 0, "ok 1"),
    ("not dropped", case("< . 1 ack 1", "drop any"), 1, "it was not dropped"),
    ("dropped for something else", case("< . 1 ack 1 badsum", "drop tcp_paws"), 1, "drop reason l4_checksum"),
    ("an error that does not come", case("write 1 EPIPE", "> ..."), 1, "expected EPIPE"),
    ("nobody's connection", case("@3 read 1"), 1, "the application has no connection 3"),
    ("in an event", case("react READ read 200", "< . 1:101 ack 1"), 1, "100 bytes could be read"),
    # what is no script
    ("no verb", case("wibble"), 2, 's.tcp:9: "wibble" is nothing a case knows'),
    ("no flag", case("< X 1"), 2, 's.tcp:9: "X" is no flag'),
    ("no number", case("< . one ack 1"), 2, 's.tcp:9: "one" is no number'),
    ("backwards", case("< . 5:1"), 2, 's.tcp:9: "5:1" ends before it begins'),
    ("no option", case("< . 1 <wibble>"), 2, 's.tcp:9: "wibble" is no option'),
    ("options without end", case("< . 1 <nop"), 2, "s.tcp:9: options without end"),
    ("no time", case("+1h wait"), 2, 's.tcp:9: "+1h" is no time'),
    ("a range of what is not expected", case("+1..2 wait"), 2, "s.tcp:9: only what is expected may take its time"),
    ("a wildcard that is sent", case("< * 1"), 2, "s.tcp:9: what is sent must be said"),
    ("a word missing", case("read"), 2, "s.tcp:9: something is missing"),
    ("a word too many", case("close 5"), 2, 's.tcp:9: "5" does not belong here'),
    ("a number missing", case("count probes x"), 2, 's.tcp:9: "x" does not belong here'),
    ("no connection", case("@99 wait"), 2, "s.tcp:9: connections are @1 to @63"),
    ("no macro", case("use nothing"), 2, "s.tcp:9: no such macro: nothing"),
    ("no value", case("read $x"), 2, "s.tcp:9: no such value: $x"),
    ("endless", "macro a\n\tuse a\ncase one\n\tuse a\n", 2, "s.tcp:2: macros without end: a"),
    ("at the margin", "wibble\n", 2, "s.tcp:1: neither case nor table, matrix, macro or include: wibble"),
    ("belongs to nothing", "\twait\n", 2, "s.tcp:1: a line that belongs to nothing"),
    ("no cases", "# nothing\n", 2, "no cases"),
    ("no file to include", "include nowhere\n", 2, "nowhere: cannot be read"),
    # macros, tables and matrices
    ("values", OPEN + "macro m a b=7\n\tlet c $a+$b\n\tcount opened_passive $c-8\ncase one\n\tuse open\n\tuse m 2\n", 0, "ok 1"),
    ("a value missing", "macro m a\n\twait\ncase one\n\tuse m\n", 2, "s.tcp:4: a value is missing: a"),
    ("too many values", "macro m\n\twait\ncase one\n\tuse m 1\n", 2, "s.tcp:4: too many values: m"),
    ("a table", OPEN + "macro m n\n\tuse open\n\tcount opened_passive $n\ntable counts: m\n\t1\n\t2\n", 1,
        "not ok 3 - s counts: 2, IPv4"),
    ("a matrix", OPEN + "macro in-A\n\tuse open\nmacro seg-x\n\twait\nmacro seg-y\n\twait\nmacro then-p\n\tstats conns 1\n"
        "macro then-q\n\tstats conns 2\nmatrix m\n\t   x y\n\tA  p q\n", 1, "not ok 3 - s m: A, y: q, IPv4"),
    ("a cell missing", "matrix m\n\tx y\n\tA p\n", 2, "s.tcp:3: not a cell for each column"),
]


def play(text):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s.tcp")
        with open(path, "w") as f:
            f.write(text)
        return subprocess.run([sys.argv[1], path], capture_output=True, text=True)


print(f"1..{len(CASES)}")
bad = 0
for i, (name, text, status, message) in enumerate(CASES, 1):
    done = play(text)
    said = done.stdout + done.stderr
    good = done.returncode == status and message in said
    bad += not good
    print(f"{'ok' if good else 'not ok'} {i} - {name}", flush=True)
    if not good:
        print(f"# exit {done.returncode}, expected {status} and: {message}")
        print("".join(f"# {line}\n" for line in said.splitlines()), end="")
sys.exit(1 if bad else 0)
