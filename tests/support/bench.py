# SPDX-License-Identifier: BSD-3-Clause
"""What scripts/bench runs; see there. Everything that is compared is measured in one run on one machine, and the table says by what
factor they differ: rates of different machines, or of different days on a machine that is shared, say little."""
import argparse
import contextlib
import glob
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

from balancer import BUILD, WORKER
from flood import OTHERS
from lab import ROOT, LabError, Namespaces
import bench_memif
import bench_pktgen
import bench_tcp
import bench_veth

PARTS = ("memif", "pktgen", "flood", "veth", "tcp", "l4")
# What the memif part needs, all programs together.
HUGE_BYTES = 1 << 30


def first_line(path):
    with contextlib.suppress(OSError), open(path) as f:
        return f.readline().strip()
    return ""


def output_of(*command):
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return ""


def hugepages():
    """{kB of a page: (free, in all)}"""
    out = {}
    for path in glob.glob("/sys/kernel/mm/hugepages/hugepages-*kB"):
        size = int(path.rsplit("-", 1)[1][:-2])
        out[size] = (int(first_line(path + "/free_hugepages") or 0), int(first_line(path + "/nr_hugepages") or 0))
    return out


def nics():
    """Interfaces with a device behind them: those that figures of a real NIC could come from."""
    out = []
    for path in sorted(glob.glob("/sys/class/net/*/device")):
        name = path.split("/")[4]
        out.append({"name": name, "driver": os.path.basename(os.path.realpath(path + "/driver")),
            "address": os.path.basename(os.path.realpath(path)),
            "speed": first_line(f"/sys/class/net/{name}/speed")})
    return out


def cpu_field(text, name):
    return next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith(name)), "")


def hardware():
    with open("/proc/cpuinfo") as f:
        cpu = f.read()
    with open("/proc/meminfo") as f:
        memory = f.read()
    virtual = output_of("systemd-detect-virt") or ("yes" if " hypervisor" in cpu_field(cpu, "flags") else "no")
    return {
        "cpu": cpu_field(cpu, "model name"), "mhz": cpu_field(cpu, "cpu MHz"), "cores": os.cpu_count(),
        "usable_cores": sorted(os.sched_getaffinity(0)), "virtual": virtual, "memory": cpu_field(memory, "MemTotal"),
        "kernel": platform.release(), "command_line": first_line("/proc/cmdline"),
        "dpdk": output_of("pkg-config", "--modversion", "libdpdk"),
        "hugepages": {f"{size} kB": {"free": free, "all": n} for size, (free, n) in hugepages().items()},
        "governor": first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"), "nics": nics(),
        "load": os.getloadavg()[0],
    }


def generators():
    """Generators and peers: where they are, or None."""
    return {name: shutil.which(name) for name in ("dpdk-testpmd", "pktgen", "hping3", "tcpreplay", "iperf3", "wrk", "nft")}


class Bench:
    """The settings of a run, and a namespace for what needs none."""

    def __init__(self, quick, prefix=None):
        self.lab = Namespaces(prefix)
        self.lab.add("lb")
        self.prefix = self.lab.prefix
        self.huge = sum(size * 1024 * free for size, (free, _) in hugepages().items()) >= HUGE_BYTES
        self.eal = ["--in-memory"] if self.huge else ["--no-huge", "--no-shconf", "-m", "256"]
        self.balancer_eal = ("--in-memory",) if self.huge else ("--no-huge", "--in-memory")
        self.bench_program = os.path.join(BUILD, "app/fairlead-bench/fairlead-bench")
        self.seconds, self.rounds, self.frames = (0.5, 1, [64]) if quick else (2, 2, [64, 1518])
        self.veth_seconds, self.veth_rounds = (1, 1) if quick else (4, 2)
        self.tcp_seconds, self.tcp_seeds = (0.5, 1) if quick else (1, 5)
        self.tcp_profiles = ["delay 5 ms", "loss 1 %, delay 5 ms", "all at once"] if quick else None
        self.flows, self.l4_rounds = ([10_000], 8) if quick else ([10_000, 1_000_000], 64)

    @staticmethod
    def run(command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise LabError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
        return done.stdout


# ---- the table ----------------------------------------------------------------------------------

def table(head, rows):
    """Columns as wide as they have to be, the first to the left, others to the right."""
    cells = [head, *[[str(c) for c in row] for row in rows]]
    width = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return "\n".join("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, width))).rstrip()
        for row in cells) + "\n"


def number(value, scale=1, digits=2):
    return "-" if value is None else f"{value / scale:.{digits}f}"


def memif_table(rows):
    return "Shared memory, 1024 UDP flows, one worker\n\n" + table(
        ["", "frame", "Mpackets/s", "cycles a packet", "/ testpmd"],
        [[r["what"], r["frame"], number(r["packets_per_second"], 1e6), number(r["cycles_per_packet"], 1, 0),
          number(r.get("of_ceiling"))] for r in rows])


def failures(rows):
    return "".join(f"\n{r['what']} failed: {r['error']}\n" for r in rows if "error" in r)


def pktgen_table(rows):
    good = [[r["what"], number(r["packets_per_second"], 1e6), number(r["cycles_per_packet"], 1, 0), r["flows"]]
        for r in rows if "error" not in r]
    text = "Pktgen-DPDK and the files of scripts/pktgen, shared memory, one worker\n"
    return text + ("\n" + table(["", "Mpackets/s", "cycles a packet", "flows after"], good) if good else "") + failures(rows)


def flood_table(rows):
    return "First packets from random sources, shared memory, one worker\n\n" + table(
        ["", "Mpackets/s", "cycles a packet", "flows after", "answered or forwarded"],
        [[r["what"], number(r["packets_per_second"], 1e6), number(r["cycles_per_packet"], 1, 0), r["flows"],
          number(r["came_back"])] for r in rows])


VETH = (("bits_per_second", "Gbit/s", 1e9), ("requests_per_second", "requests/s", 1), ("connections_per_second", "connections/s", 1),
    ("connections_per_second_flooded", "under hping3", 1), ("connections_per_second_replayed", "under tcpreplay", 1),
    ("flood_packets_per_second", "hping3, kpackets/s", 1e3), ("replay_packets_per_second", "tcpreplay, kpackets/s", 1e3))


def ratios(rows):
    """Of fairlead's row to each of the others: [(other, {measure: factor})]."""
    ours = next((r for r in rows if r["what"].startswith("fairlead") and "error" not in r), None)
    if not ours:
        return []
    return [(r["what"], {k: ours[k] / r[k] for k, _, _ in VETH[:5] if ours.get(k) and r.get(k)})
            for r in rows if r is not ours and "error" not in r]


def veth_table(rows):
    lines = [[r["what"], *(number(r.get(k), scale, 2 if scale == 1e9 else 0) for k, _, scale in VETH)] for r in rows]
    lines += [[f"fairlead / {other}", *(number(f.get(k)) for k, _, _ in VETH)] for other, f in ratios(rows)]
    text = "Sockets of the kernel (veth, af_packet), iperf3 and wrk to one nginx, floods by hping3 and tcpreplay\n\n" + table(
        ["", *(name for _, name, _ in VETH)], lines)
    return text + failures(rows)


def tcp_table(rows):
    def median(rates):
        return number(statistics.median(rates), 1e6, 1)

    return "TCP that ends in fairlead and TCP of Linux over the same bad link to a host of Linux, CUBIC; Mbit/s, medians\n\n" + table(
        ["", "it", "Linux", "fairlead", "/ Linux"],
        [[r["profile"], r["way"], median(r["linux"]), median(r["fairlead"]), number(r["of_linux"])] for r in rows])


def l4_table(rows):
    return "fairlead-bench l4: the pipeline alone, no device\n\n" + table(
        ["", "flows", "", "cycles a packet", "dropped", "bytes a flow"],
        [[r["mode"], r["flows"], "new" if r["new"] else "established", number(r["cycles_per_packet"], 1, 0), r["dropped"],
          number(r["bytes_per_flow"], 1, 0)] for r in rows])


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--output", default=os.path.join(BUILD, "bench.json"))
    arguments = parser.parse_args()
    wanted = arguments.only or PARTS
    if OTHERS == [WORKER]:
        sys.exit("bench: needs two cores: one for what is measured, one for what measures it")
    began = time.monotonic()
    result = {"hardware": hardware(), "programs": generators(), "commit": output_of("git", "-C", ROOT, "rev-parse", "HEAD")}
    bench = Bench(arguments.quick)
    parts = {"memif": (bench_memif.run, memif_table), "pktgen": (bench_pktgen.run, pktgen_table),
        "flood": (bench_memif.floods, flood_table), "veth": (bench_veth.run, veth_table), "tcp": (bench_tcp.run, tcp_table),
        "l4": (bench_memif.layer4, l4_table)}
    print(f"{result['hardware']['cpu']}, {result['hardware']['cores']} cores, Linux {result['hardware']['kernel']}, "
        f"DPDK {result['hardware']['dpdk']}, {'hugepages' if bench.huge else 'no hugepages'}\n", flush=True)
    with bench.lab:
        for name in PARTS:
            if name in wanted:
                run, show = parts[name]
                result[name] = run(bench)
                print(show(result[name]), flush=True)
    result["hugepages_used"], result["seconds"] = bench.huge, round(time.monotonic() - began)
    with open(arguments.output, "w") as f:
        json.dump(result, f, indent=2)
        f.write("\n")
    print(f"{result['seconds']} s; {arguments.output}")


if __name__ == "__main__":
    main()
