# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench: that a short run gives figures for fairlead and its peers, and that it reads what other programs print. What the
figures are is no business of a test."""
import json
import os
import subprocess

import bench
import bench_veth
import pytest
import testpmd
from lab import ROOT

WRK = """Running 1s test @ http://192.0.2.10/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.52ms    1.01ms  14.48ms   88.46%
  12093 requests in 1.01s, 1.84MB read
Requests/sec:  11965.25
Transfer/sec:      1.82MB
"""
PORT_STATS = """
  ######################## NIC statistics for port 0  ########################
  RX-packets: 358048     RX-missed: 0          RX-bytes:  256
  RX-nombuf:  0
  TX-packets: 360352     TX-errors: 0          TX-bytes:  113171968
  ######################## NIC statistics for port 1  ########################
  RX-packets: 2          RX-missed: 0          RX-bytes:  256
  TX-packets: 3          TX-errors: 0          TX-bytes:  113171968
"""


def test_what_others_print():
    assert bench_veth.wrk_result(WRK) == (11965.25, 0)
    assert bench_veth.wrk_result(WRK + "  Socket errors: connect 1, read 2, write 0, timeout 4\n") == (11965.25, 7)
    with pytest.raises(bench_veth.LabError):
        bench_veth.wrk_result("unable to connect")
    assert bench_veth.sent_by_hping("--- hping statistic ---\n83120 packets transmitted, 0 packets received") == 83120
    assert bench_veth.sent_by_hping("") == 0
    assert testpmd.counters(PORT_STATS) == (358050, 360355)


def test_ratios():
    rows = [{"what": "testpmd io", "bits_per_second": 4e9, "requests_per_second": 0}, {"what": "nftables dnat", "error": "no nft"},
        {"what": "fairlead nat", "bits_per_second": 3e9, "requests_per_second": 100}]
    assert bench.ratios(rows) == [("testpmd io", {"bits_per_second": 0.75})]
    text = bench.veth_table(rows)
    assert "fairlead / testpmd io" in text and "0.75" in text and "nftables dnat failed: no nft" in text
    assert bench.ratios(rows[:2]) == []


def test_quick_run(ports_free, tmp_path):
    """Through shared memory, where nothing of the lab is in the way."""
    output = tmp_path / "bench.json"
    process = subprocess.Popen(["/usr/bin/python3", os.path.join(ROOT, "tests/support/bench.py"), "--quick", "--only", "memif",
        "--output", str(output)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    result = json.loads(output.read_text())
    assert {"cpu", "cores", "kernel", "dpdk", "hugepages", "nics"} <= set(result["hardware"])
    rows = {row["what"]: row for row in result["memif"]}
    assert set(rows) == {"testpmd mac", *(f"fairlead {mode}" for mode in ("dr", "nat", "fullnat", "tunnel"))}
    for what, row in rows.items():
        assert row["packets_per_second"] > 1000 and row["cycles_per_packet"] > 10, what
        assert what == "testpmd mac" or row["of_ceiling"] > 0
        assert what in printed
    # What it makes, it removes.
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    assert f"fl{process.pid}-" not in left
