# SPDX-License-Identifier: BSD-3-Clause
"""fairlead in a lab: its configuration, its start and stop, and fairleadctl."""
import contextlib
import json
import os
import signal
import subprocess

from lab import IPERF_PORT, LabError, PORT_ADDRESS, ROOT, SERVERS, VIP, WHOAMI_PORT, eal_prefix, endpoint, wait_for

BUILD = os.environ.get("FAIRLEAD_BUILD", os.path.join(ROOT, "build"))
FAIRLEAD = os.path.join(BUILD, "app/fairlead/fairlead")
FAIRLEADCTL = os.path.join(BUILD, "app/fairleadctl/fairleadctl")
MODES = ("dr", "nat", "fullnat", "tunnel")
# The last core: the first one is the control core's.
WORKER = max(os.sched_getaffinity(0))


def lab_config(modes=MODES, servers=("s1", "s2"), bulk=False):
    """A configuration for the lab: per mode and IP version, web (TCP 80) and whoami (TCP and UDP 7000) on both servers,
    and with bulk iperf3 (TCP and UDP 5201) on s1 alone, because its connections have to meet at one server."""
    def members(names, version):  # without a port: asked on the port that the client asked for
        return [{"name": name, "address": SERVERS[name][version]} for name in names]

    config = {
        "workers": [WORKER],
        "ports": [
            {"name": name, "device": f"af_packet:{name}",
             "addresses": [f"{PORT_ADDRESS[name, 4]}/24", f"{PORT_ADDRESS[name, 6]}/64"]}
            for name in ("wan", "lan")],
        "pools": [{"name": f"servers-v{v}", "servers": members(servers, v)} for v in (4, 6)],
        "services": [],
    }
    config["ports"][0]["gateways"] = ["192.0.2.254", "2001:db8:1::fffe"]
    if bulk:
        config["pools"] += [{"name": f"bulk-v{v}", "servers": members(servers[:1], v)} for v in (4, 6)]
    for mode in modes:
        for v in (4, 6):
            offers = [("web", "tcp", 80, "servers"), ("whoami-tcp", "tcp", WHOAMI_PORT, "servers"),
                      ("whoami-udp", "udp", WHOAMI_PORT, "servers")]
            if bulk:
                offers += [("bulk-tcp", "tcp", IPERF_PORT, "bulk"), ("bulk-udp", "udp", IPERF_PORT, "bulk")]
            config["services"] += [
                {"name": f"{mode}-{name}-v{v}", "address": endpoint(VIP[mode, v], port), "protocol": protocol,
                 "mode": mode, "pool": f"{pool}-v{v}"} for name, protocol, port, pool in offers]
    return config


class Balancer:
    """The daemon in the lab's namespace `lb`. eal: EAL arguments, by default those that need no hugepages and leave no files;
    several daemons of one machine are told apart by --file-prefix."""

    def __init__(self, lab, config, name="fairlead", eal=("--no-huge", "--in-memory")):
        self.lab, self.name = lab, name
        self.eal = list(eal)
        if not any(a.startswith("--file-prefix") for a in eal):
            self.eal.append(f"--file-prefix={eal_prefix(lab.prefix)}")
        self.path = os.path.join(lab.directory, f"{name}.json")
        self.socket = os.path.join(lab.directory, f"{name}.sock")
        self.log_name = f"{name}.log"
        self.process = None
        self.write(config)
        # Administrative state outlives a daemon, but not a test.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.socket}.state")

    def write(self, config):
        with open(self.path, "w") as f:
            f.write(config if isinstance(config, str) else json.dumps(config, indent=2) + "\n")

    def command(self, *arguments):
        return [FAIRLEAD, "--config", self.path, "--socket", self.socket, *arguments]

    def start(self, timeout=20):
        """Returns when the control socket answers."""
        open(os.path.join(self.lab.directory, self.log_name), "w").close()
        self.process = self.lab.spawn("lb", self.command("--", *self.eal), self.log_name)

        def answers():
            if self.process.poll() is not None:
                raise LabError(f"fairlead ended with status {self.process.returncode}:\n{self.log()}")
            return self.ctl("worker", "list", check=False).returncode == 0

        try:
            wait_for(answers, timeout)
        except LabError as e:
            raise LabError(f"fairlead does not answer: {e}\n{self.log()}") from None
        return self

    def log(self):
        return self.lab.log(self.log_name)

    def ctl(self, *arguments, check=True, as_json=True):
        """fairleadctl --json ARGUMENTS; LabError when it fails. See get() for the result alone."""
        done = subprocess.run([FAIRLEADCTL, "--socket", self.socket, *(["--json"] if as_json else []),
            *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
        if check and done.returncode != 0:
            raise LabError(f"fairleadctl {' '.join(map(str, arguments))}: exit {done.returncode}\n"
                f"{done.stdout}{done.stderr}")
        return done

    def get(self, *arguments):
        return json.loads(self.ctl(*arguments).stdout)

    def reload(self, config=None):
        if config is not None:
            self.write(config)
        return self.ctl("config", "reload")

    def hangup(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        """SIGTERM; the exit status."""
        status = self.lab.end(self.process)
        self.lab.processes.remove(self.process)
        return status

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        if self.process and self.process in self.lab.processes:
            self.stop()
