# SPDX-License-Identifier: BSD-3-Clause
"""Starting and stopping: what is wrong is said at once, in one message, and nothing is left behind."""
import os
import signal
import subprocess

import pytest
from balancer import FAIRLEAD, Balancer, lab_config
from lab import ROOT, VIP, eal_prefix, half_each, wait_for

# A fault has to end the program soon; this is the bound after which a test gives up on that.
SOON = 10


def run(lab, config, *arguments, eal=("--no-huge", "--in-memory")):
    """fairlead with a configuration that it is to refuse: (status, what it said)."""
    b = Balancer(lab, config, name="refused", eal=eal)
    done = lab.run("lb", b.command(*arguments, "--", *b.eal), check=False, timeout=SOON)
    return done.returncode, done.stdout + done.stderr


def check(lab, config):
    b = Balancer(lab, config, name="checked")
    done = subprocess.run(b.command("--check"), capture_output=True, text=True, timeout=SOON)
    return done.returncode, done.stdout + done.stderr


def with_port(**changes):
    config = lab_config()
    config["ports"][0].update(changes)
    return config


FAULTS = {
    # name: configuration, what the message must hold
    "missing interface": (with_port(device="af_packet:nowhere"), ["ports[0].device", "nowhere"]),
    "name too long": (with_port(device="af_packet:a-name-beyond-15"), ["ports[0].device", "15"]),
    "wrong core": ({**lab_config(), "workers": [777]}, ["workers[0]", "777"]),
    "unknown key": ({**lab_config(), "servics": []}, ["servics", "services"]),
    "no JSON": ("{", ["1"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_ends_the_start(lab, name, ports_free):
    config, message = FAULTS[name]
    status, said = run(lab, config)
    assert status == 1
    for part in message:
        assert part in said
    # One message: one line that is ours and says the fault.
    assert len([line for line in said.splitlines() if message[0] in line]) == 1, said


def test_missing_file(lab):
    done = subprocess.run([FAIRLEAD, "--config", "/nowhere/fairlead.json"], capture_output=True, text=True, timeout=SOON)
    assert done.returncode == 1
    assert "/nowhere/fairlead.json" in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [[], ["--config"], ["--nonsense"], ["--config", "a", "b"]])
def test_usage(arguments):
    done = subprocess.run([FAIRLEAD, *arguments], capture_output=True, text=True, timeout=SOON)
    assert done.returncode == 2
    assert "--config" in done.stderr


def test_second_instance_at_the_socket(lab, lb):
    b = Balancer(lab, lab_config(), name="second")
    b.socket = lb.socket
    done = lab.run("lb", b.command("--", *b.eal), check=False, timeout=SOON)
    assert done.returncode == 1
    assert str(lb.process.pid) in done.stdout + done.stderr
    assert lb.ctl("worker", "list").returncode == 0


def test_check_good_file(lab):
    status, said = check(lab, lab_config())
    assert (status, "error" in said) == (0, False), said


def test_check_tells_every_fault(lab):
    config = lab_config()
    config["services"][0]["mode"] = "teleport"
    config["services"][1]["pool"] = "servers-v5"
    config["ports"][1]["addresses"][0] = "10.0.0.300/24"
    status, said = check(lab, config)
    assert status == 1
    for part in ("services[0].mode", "teleport", "services[1].pool", "servers-v5", "ports[1].addresses[0]",
                 "10.0.0.300/24"):
        assert part in said


def test_check_needs_no_root(lab):
    b = Balancer(lab, lab_config(), name="checked")
    os.chmod(lab.directory, 0o755)
    os.chmod(b.path, 0o644)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
        *b.command("--check")], capture_output=True, text=True, timeout=SOON)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_cleanly(lab, number, ports_free):
    with Balancer(lab, lab_config(), name="stopped") as b:
        lab.curl(VIP["nat", 4], 4)
        b.process.send_signal(number)
        wait_for(lambda: b.process.poll() is not None)
        assert b.process.returncode == 0, b.log()
    assert not [f for f in os.listdir(lab.directory) if f.startswith("stopped.sock")]


def test_starts_again_after_a_crash(lab, ports_free):
    """A daemon that was killed leaves its socket; the next one takes its place."""
    first = Balancer(lab, lab_config(), name="killed").start()
    first.process.kill()
    first.process.wait()
    assert os.path.exists(first.socket)
    with Balancer(lab, lab_config(), name="killed"):
        assert half_each(lab.curl(VIP["nat", 4], 4), 4)


def test_without_hugepages_alone(lab, ports_free):
    """--no-huge is enough; what the EAL keeps under /run/dpdk is gone at the end."""
    with Balancer(lab, lab_config(), name="nohuge", eal=["--no-huge"]):
        assert half_each(lab.curl(VIP["dr", 4], 4), 4)
    assert not os.path.exists(f"/run/dpdk/{eal_prefix(lab.prefix)}")


def test_shown_configuration_starts_the_same(lab, ports_free):
    """What `config show` prints is a file that starts a balancer which prints it again, and works."""
    with Balancer(lab, lab_config(), name="shown") as b:
        b.ctl("server", "weight", "servers-v4", "s1", 3)
        first = b.get("config", "show")
        text = b.ctl("config", "show", as_json=False).stdout
    with Balancer(lab, text, name="shown") as b:
        assert b.get("config", "show") == first
        assert b.get("config", "diff") in ([], {}, "", None)
        assert lab.curl(VIP["nat", 4], 8) == {"s1": 6, "s2": 2}


def test_quick_start():
    """The program behind scripts/quickstart succeeds, and again when it is interrupted leaves nothing."""
    command = ["/usr/bin/python3", os.path.join(ROOT, "tests/support/quickstart.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith(("dr ", "nat "))]
    assert len(lines) == 8
    assert all(line.split()[-3:] == ["50", "50", "0"] for line in lines)

    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    p.stdout.readline()
    p.stdout.readline()
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=60)
    assert p.returncode == 130
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    assert f"fairlead-{p.pid}-" not in left
