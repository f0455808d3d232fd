# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench: that a short run gives figures for fairlead and its peers, and that it reads what other programs print. What the
figures are is no business of a test."""
import json
import os
import shutil
import subprocess

import bench
import bench_pktgen
import bench_veth
import pytest
import testpmd
from lab import ROOT
from scapy.all import IP, TCP, Ether, PcapReader

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
    assert bench_veth.sent_by_tcpreplay("Actual: 83120 packets (4488480 bytes) sent in 0.91 seconds\n") == 83120
    assert bench_veth.sent_by_tcpreplay("") == 0
    assert testpmd.counters(PORT_STATS) == (358050, 360355)


def test_syns_of_the_file(tmp_path):
    """What tcpreplay sends is right in every checksum, or the balancer would drop it and the flood would be none."""
    path = str(tmp_path / "syns.pcap")
    bench_veth.write_syns(path, "02:00:00:00:00:01", "192.0.2.10", 500)
    with PcapReader(path) as reader:
        frames = [bytes(frame) for frame in reader]
    assert len(frames) == 500
    for frame in frames:
        packet = Ether(frame)
        assert (packet.dst, packet[IP].dst, packet[TCP].dport, packet[TCP].flags) == ("02:00:00:00:00:01", "192.0.2.10", 80, "S")
        del packet[IP].chksum, packet[TCP].chksum
        assert bytes(packet) == frame
    assert len({Ether(frame)[IP].src for frame in frames}) > 490


# In the place of Pktgen-DPDK: it wants the same words, a terminal and the files, and sends to the address of udp.pkt.
FAKE_PKTGEN = """#!/usr/bin/python3
import os, sys
words = sys.argv[1:]
end = words.index("--")
assert words[end + 1:-1] == ["-P", "-m", "1.0,2.1", "-f", "addresses.pkt", "-f"], words
assert os.isatty(0) and os.path.exists("addresses.pkt") and os.path.exists(words[-1])
os.execvp("dpdk-testpmd", ["dpdk-testpmd", *words[:end], "--", "--forward-mode=txonly", "--port-topology=loop",
    "--eth-peer=0,02:00:00:00:00:01", "--tx-ip=198.18.128.1,198.18.0.10", "--tx-udp=1024,5001", "--total-num-mbufs=16384"])
"""


def test_pktgen(ports_free, tmp_path, monkeypatch):
    """Where Pktgen-DPDK is installed it is run with the ready files; where it is not, the table says so."""
    if not shutil.which("pktgen"):
        rows = bench_pktgen.run(None)
        assert [row["error"] for row in rows] == ["pktgen was not found in PATH"]
        assert "pktgen was not found in PATH" in bench.pktgen_table(rows)
    fake = tmp_path / "pktgen"
    fake.write_text(FAKE_PKTGEN)
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(bench_pktgen, "CASES", (("dr", "udp.pkt"), ("nat", "syn-flood.pkt"), ("nat", "none.pkt")))
    settings = bench.Bench(True, f"fl{os.getpid()}p")
    with settings.lab:
        good, syns, missing = bench_pktgen.run(settings)
    assert good["packets_per_second"] > 1000 and good["flows"] == 1, good
    assert syns["what"] == "fairlead nat, syn-flood.pkt" and syns["cycles_per_packet"] > 10, syns
    assert "AssertionError" in missing["error"], missing
    table = bench.pktgen_table([good, syns, missing])
    assert "fairlead dr, udp.pkt " in table and "fairlead nat, none.pkt failed: pktgen ended with status 1" in table


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
    assert set(rows) == {"testpmd mac", *(f"fairlead {mode}" for mode in ("dr", "nat", "fullnat", "tunnel")),
        "fairlead dr, from txonly"}
    for what, row in rows.items():
        assert row["packets_per_second"] > 1000 and row["cycles_per_packet"] > 10, what
        assert what in ("testpmd mac", "fairlead dr, from txonly") or row["of_ceiling"] > 0
        assert what in printed
    # All flows of txonly had been made before.
    assert rows["fairlead dr, from txonly"]["flows"] == 256
    # What it makes, it removes.
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    assert f"fl{process.pid}-" not in left


def test_quick_run_of_tcp(tmp_path):
    """Both hosts get something through the bad link, each way."""
    output = tmp_path / "bench.json"
    process = subprocess.Popen(["/usr/bin/python3", os.path.join(ROOT, "tests/support/bench.py"), "--quick", "--only", "tcp",
        "--output", str(output)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    rows = json.loads(output.read_text())["tcp"]
    assert {row["way"] for row in rows} == {"receives", "sends"} and len(rows) == 6
    for row in rows:
        assert row["linux"][0] > 0 and row["fairlead"][0] > 0 and row["of_linux"] > 0, row
        assert row["profile"] in printed
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    assert f"fl{process.pid}" not in left
