# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench over shared memory (memif): testpmd's flowgen sends datagrams of 1024 flows, the program on the other core sends
them back, and what arrives is counted. testpmd forwarding by MAC does nothing else, so it is the ceiling.

In mode txonly testpmd sends and receives nothing: what fairlead receives is counted, and what it sends finds the ring full."""
import contextlib
import json
import os
import time

from balancer import WORKER, Balancer
from flood import OTHERS, Flood, add_port, worker_first
from lab import LabError
from testpmd import Testpmd

# flowgen of DPDK 22.11 has these built in: the MAC it sends to, and the network and port of the flows' destinations.
MAC = "00:01:02:03:04:01"
FLOWS = {"address": "10.253.0.0/16:1001", "protocol": "udp"}
N_FLOWS = 1024
GATEWAY = "198.18.0.254"
MODES = ("dr", "nat", "fullnat", "tunnel")


# What txonly sends: UDP to port 9, from 256 sources of the VIP's /16.
TXONLY_VIP = "198.18.0.10"


def servers(mode):
    """flowgen's flows differ in the destination alone. NAT puts the server there, so each flow needs one of its own; they are behind
    the gateway. The others have the generator itself."""
    if mode != "nat":
        return [{"name": "generator", "address": GATEWAY}]
    return [{"name": f"s{i}", "address": f"10.9.{i >> 8}.{i & 255}"} for i in range(N_FLOWS)]


def config(path, mode):
    return {
        "workers": [WORKER],
        "ports": [{"name": "memif", "device": f"memif:{path},role=server,mac={MAC}",
            "addresses": ["198.18.0.1/24"], "gateways": [GATEWAY]}],
        "pools": [{"name": f"pool-{mode}", "sources": ["198.18.0.1"], "servers": servers(mode)}],
        "services": [{"name": f"flowgen-{mode}", **FLOWS, "mode": mode, "pool": f"pool-{mode}"}],
        # testpmd answers ARP in one of its modes only, so once has to do.
        "neighbour": {"retry": "50ms", "retries": 100, "reachable": "1d"},
        "limits": {"packets": 8192},
        "new-flows": 0,
    }


class Generator(Testpmd):
    def __init__(self, bench, path, frame, options=()):
        super().__init__(f"{bench.prefix}-generator", OTHERS[0],
            [f"net_memif0,role=client,socket={path},socket-abstract=no,rsize=11"], bench.eal,
            ["--port-topology=loop", f"--flowgen-flows={N_FLOWS}", f"--txpkts={frame - 4}", *options])
        worker_first(self.process.pid)

    def meet(self, known, mode="flowgen"):
        """Sends a little and answers ARP, in turn, until known()."""
        for _ in range(10):
            self.start(mode)
            time.sleep(0.05)
            self.stop()
            self.start("icmpecho")
            time.sleep(0.3)
            self.stop()
            if known():
                return
        raise LabError("the balancer did not learn the generator's MAC")

    def measure(self, seconds, busy=lambda: None):
        """Packets a second that came back, and what busy() said at the end less what it said at the beginning."""
        self.start("flowgen")
        time.sleep(0.2)
        before, then, work = self.counters()[0], time.monotonic(), busy()
        time.sleep(seconds)
        after, now, more = self.counters()[0], time.monotonic(), busy()
        self.stop()
        return (after - before) / (now - then), [m - w for w, m in zip(work, more)] if work else None


def ceiling(bench, path, frame):
    """testpmd forwarding by MAC."""
    with contextlib.ExitStack() as stack:
        dut = stack.enter_context(Testpmd(f"{bench.prefix}-mac", WORKER,
            [f"net_memif0,role=server,socket={path},socket-abstract=no,mac={MAC}"], bench.eal, ["--port-topology=loop"]))
        worker_first(dut.process.pid)
        generator = stack.enter_context(Generator(bench, path, frame))
        dut.start("mac")
        rate, _ = generator.measure(bench.seconds)
        return {"packets_per_second": rate, "cycles_per_packet": dut.stop()}


def balanced(bench, path, frame, modes):
    """fairlead in each mode: {mode: result}."""
    out = {}
    with contextlib.ExitStack() as stack:
        lb = stack.enter_context(Balancer(bench.lab, config(path, modes[0]), eal=bench.balancer_eal))
        worker_first(lb.process.pid)
        generator = stack.enter_context(Generator(bench, path, frame))
        generator.meet(lambda: any(n["state"] == "reachable" for n in lb.get("neighbour", "list")["neighbours"]))

        for mode in modes:
            lb.reload(config(path, mode))
            rate, (packets, cycles) = generator.measure(bench.seconds, lambda: worker_busy(lb))
            out[mode] = {"packets_per_second": rate, "cycles_per_packet": cycles / max(packets, 1)}
    return out


def worker_busy(lb):
    """Packets that the worker has received, and cycles that it needed for them."""
    worker = lb.get("worker", "list")[0]
    return worker["packets"], worker["busy_cycles"]


def txonly(bench, path, frame):
    """fairlead, mode DR, under what testpmd sends when it does nothing else."""
    conf = config(path, "dr")
    conf["services"] = [{"name": "txonly", "address": f"{TXONLY_VIP}:9", "protocol": "udp", "mode": "dr", "pool": "pool-dr"}]
    with contextlib.ExitStack() as stack:
        lb = stack.enter_context(Balancer(bench.lab, conf, eal=bench.balancer_eal))
        worker_first(lb.process.pid)
        generator = stack.enter_context(Generator(bench, path, frame,
            [f"--eth-peer=0,{MAC}", f"--tx-ip={GATEWAY},{TXONLY_VIP}", "--txonly-multi-flow"]))
        # Also makes the flows, so that only established ones are left to measure.
        generator.meet(lambda: any(n["state"] == "reachable" for n in lb.get("neighbour", "list")["neighbours"]), "txonly")
        generator.start("txonly")
        time.sleep(0.2)
        before, then = worker_busy(lb), time.monotonic()
        time.sleep(bench.seconds)
        after, now = worker_busy(lb), time.monotonic()
        generator.stop()
        packets = after[0] - before[0]
        return {"packets_per_second": packets / (now - then), "cycles_per_packet": (after[1] - before[1]) / max(packets, 1),
            "flows": lb.get("worker", "list")[0]["flows_v4"]}


def best(results):
    """The round with the most packets."""
    return max(results, key=lambda r: r["packets_per_second"])


def run(bench):
    """[{what, frame, packets_per_second, cycles_per_packet, of_ceiling, ...}]. The ceiling and fairlead take turns, so that what else
    the machine does meets both."""
    rows = []
    path = os.path.join(bench.lab.directory, "bench.sock")
    for frame in bench.frames:
        ceilings, rounds, alone = [], [], []
        for _ in range(bench.rounds):
            ceilings.append(ceiling(bench, path, frame))
            rounds.append(balanced(bench, path, frame, MODES))
            alone.append(txonly(bench, path, frame))
        top = best(ceilings)
        rows.append({"what": "testpmd mac", "frame": frame, **top})
        for mode in MODES:
            row = best([r[mode] for r in rounds])
            rows.append({"what": f"fairlead {mode}", "frame": frame, **row,
                "of_ceiling": row["packets_per_second"] / top["packets_per_second"]})
        rows.append({"what": "fairlead dr, from txonly", "frame": frame, **best(alone)})
    return rows


def floods(bench):
    """What fairlead does with first packets from random sources; the generator is tests/flood, because flowgen has no SYNs."""
    rows = []
    vip = "198.18.0.10"
    conf = add_port({"workers": [WORKER], "ports": [], "limits": {"packets": 8192},
        "pools": [{"name": "pool", "servers": [{"name": "generator", "address": GATEWAY}]}],
        "services": [{"name": "dr", "address": f"{vip}:80", "mode": "dr", "pool": "pool"},
            {"name": "nat", "address": f"{vip}:81", "mode": "nat", "pool": "pool"}]}, bench.lab.directory)
    with Balancer(bench.lab, conf, eal=bench.balancer_eal) as lb:
        worker_first(lb.process.pid)
        for name, kind, port in (("SYNs, dr", "syn", 80), ("SYNs, nat", "syn", 81), ("ACKs of nobody, nat", "ack", 81)):
            before = worker_busy(lb)
            with Flood(bench.lab.directory, kind, [(vip, port)], max(1, round(bench.seconds))) as flood:
                result = flood.result()
            after = worker_busy(lb)
            packets = after[0] - before[0]
            rows.append({"what": name, "packets_per_second": result["rate"],
                "cycles_per_packet": (after[1] - before[1]) / max(packets, 1),
                "flows": lb.get("worker", "list")[0]["flows_v4"], "came_back": result["received"]["packets"] / max(result["sent"], 1)})
    return rows


def layer4(bench):
    """fairlead-bench: cycles of the pipeline alone, without any device."""
    rows = []
    for mode in MODES:
        for flows in bench.flows:
            for new in (False, True):
                command = [bench.bench_program, "l4", "--mode", mode, "--flows", str(flows), "--json",
                    "--rounds", str(bench.l4_rounds), *(["--new"] if new else []), *([] if bench.huge else ["--no-huge"])]
                done = bench.run(command)
                got = json.loads(done.splitlines()[-1])
                rows.append({"mode": mode, "flows": flows, "new": new, **{k: got.get(k) for k in (
                    "cycles_per_packet", "dropped", "bytes_per_flow", "burst_p999_us", "stages")}})
    return rows
