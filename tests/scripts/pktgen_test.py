#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/pktgen: its command files have the forms that Pktgen-DPDK's own tables of commands have (app/cli-functions.c of 24.10),
its configurations are good, and the search of rfc2544.lua finds the rate of a balancer that is made up."""
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
PKTGEN = os.path.join(HERE, "../../scripts/pktgen")
FAIRLEAD = sys.argv.pop()

P = r"(all|\d+(-\d+)?(,\d+(-\d+)?)*)"
N, MAC, IP, MASKED = r"\d+", r"([0-9a-f]{2}:){5}[0-9a-f]{2}", r"(\d+\.){3}\d+", r"(\d+\.){3}\d+/\d+"


def lines(path):
    with open(path) as f:
        return [line.strip() for line in f]


def four(what):
    return rf"{what} {what} {what} {what}"


COMMANDS = [re.compile(form + "$") for form in (
    "stp|str|clr", rf"load [a-z0-9-]+\.(pkt|lua)", rf"(start|stop) {P}",
    rf"(enable|disable) {P} (process|random|latency|range)",
    rf"set {P} (count|size|rate|burst|seq_cnt) {N}", rf"set {P} (src|dst) mac {MAC}", rf"set {P} src ip {MASKED}",
    rf"set {P} dst ip {IP}",
    rf"range {P} type (ipv4|ipv6)", rf"range {P} proto (tcp|udp)",
    rf"range {P} tcp flag (set|clr) (urg|ack|psh|rst|syn|fin|all)", rf"range {P} tcp (seq|ack) {four(N)}",
    rf"range {P} (src|dst) mac {four(MAC)}", rf"range {P} (src|dst) ip {four(IP)}", rf"range {P} (src|dst) port {four(N)}",
    rf"range {P} (ttl|size) {four(N)}",
    rf"seq {N} {P} {MAC} {MAC} {IP} {MASKED} {N} {N} ipv4 (udp|tcp) {N} {N}",
)]

# A balancer that passes what fits, and forgets the rest. Pktgen at 100 % sends as many as the line takes.
STUB = """
local rate, size, capacity, line, state = 100, 64, %f, 10e9, { sent = 0, got = 0 }
local function field() end
pktgen = { range = setmetatable({ pkt_size = function(_, what, v) if what == "start" then size = v end end }, {
	__index = function(_, name) assert(({ ip_proto = 1, dst_mac = 1, src_ip = 1, dst_ip = 1, src_port = 1, dst_port = 1,
		ttl = 1 })[name], name); return field end }) }
function pktgen.set(_, what, v) assert(what == "rate" or what == "count"); if what == "rate" then
	assert(v > 0 and v <= 100); rate = v end end
function pktgen.clr() state.sent, state.got = 0, 0 end
function pktgen.set_range(port, how) assert(port == "0" and how == "on") end
function pktgen.start() state.on = true end
function pktgen.stop() state.on = false end
function pktgen.delay(ms)
	if not state.on then return end
	local offered = line / ((size + 20) * 8) * rate / 100
	state.sent = state.sent + math.floor(offered * ms / 1000)
	state.got = state.got + math.floor(math.min(offered, capacity) * ms / 1000)
end
function pktgen.portStats(port) return { [tonumber(port)] = { opackets = state.sent, ipackets = state.got } } end
package.loaded.Pktgen = true
dofile("%s")
"""


class Pktgen(unittest.TestCase):
    def test_command_words(self):
        files = sorted(glob.glob(os.path.join(PKTGEN, "*.pkt")))
        self.assertGreaterEqual(len(files), 6)
        for path in files:
            for number, line in enumerate(lines(path), 1):
                if line and not line.startswith("#"):
                    self.assertTrue(any(c.match(line) for c in COMMANDS), f"{path}:{number}: {line}")
                if line.startswith("load "):
                    self.assertTrue(os.path.exists(os.path.join(PKTGEN, line.split()[1])))

    def test_ranges_have_an_order(self):
        """start, min, max, inc: start is between the others."""
        for path in glob.glob(os.path.join(PKTGEN, "*.pkt")):
            for line in lines(path):
                found = re.match(r"range \d (?:.* )?(?:port|size|seq|ttl) (\d+) (\d+) (\d+) (\d+)$", line)
                if found:
                    start, least, most, _ = map(int, found.groups())
                    self.assertTrue(least <= start <= most, f"{path}: {line}")

    def test_configurations(self):
        files = sorted(glob.glob(os.path.join(PKTGEN, "*.json")))
        self.assertEqual([os.path.basename(f) for f in files], ["dr.json", "fullnat.json", "nat.json", "tunnel.json"])
        for path in files:
            done = subprocess.run([FAIRLEAD, "--config", path, "--check"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)

    def search(self, capacity):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "stub.lua"), "w") as f:
                f.write(STUB % (capacity, os.path.abspath(os.path.join(PKTGEN, "rfc2544.lua"))))
            done = subprocess.run(["lua5.4", "stub.lua"], cwd=folder, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(os.path.join(folder, "rfc2544.txt")) as f:
                self.assertEqual(f.read(), done.stdout)
        return {int(n): float(pps) for n, pps in re.findall(r"^ *(\d+) +[0-9.]+ +(\d+)$", done.stdout, re.M)}

    def test_search(self):
        """5 M packets a second: short frames are bound by that, long ones by the line of 10 Gbit/s."""
        found = self.search(5e6)
        self.assertEqual(set(found), {64, 128, 256, 512, 1024, 1280, 1518})
        for size, pps in found.items():
            possible = min(5e6, 10e9 / ((size + 20) * 8))
            self.assertLessEqual(pps, possible * 1.0001)
            self.assertGreater(pps, possible * 0.98)

    def test_search_where_nothing_passes(self):
        self.assertEqual(set(self.search(0).values()), {0.0})


unittest.main()
