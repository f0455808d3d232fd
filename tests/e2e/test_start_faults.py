# SPDX-License-Identifier: BSD-3-Clause
"""What keeps the EAL from starting, on the real machine: one message each, and the program ends. Nothing is bound,
reserved or mounted here."""
import glob
import os
import subprocess

import pytest
from balancer import WORKER, Balancer, lab_config
from lab import eal_prefix

# The bound after which a test gives up; a fault ends the program much sooner.
SOON = 10
NO_HUGE = ("--no-huge", "--in-memory")


def refused(lab, config, eal=NO_HUGE):
    """What fairlead says when it refuses to start."""
    b = Balancer(lab, config, name="refused", eal=eal)
    done = lab.run("lb", b.command("--", *b.eal), check=False, timeout=SOON)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout + done.stderr


def with_device(device):
    config = lab_config()
    config["ports"][0]["device"] = device
    return config


def lines_with(said, part):
    return [line for line in said.splitlines() if part in line]


@pytest.fixture
def down(lab):
    """An interface that is there and down."""
    lab.ip("lb", "link add fl-down type veth peer name fl-peer")
    yield "fl-down"
    lab.ip("lb", "link del fl-down")


def test_interface_is_down(lab, down):
    said = refused(lab, with_device(f"af_packet:{down}"))
    assert len(lines_with(said, "ports[0].device")) == 1, said
    assert f"ip link set {down} up" in said


def test_misspelt_interface(lab):
    said = refused(lab, with_device("af_packet:wam"))
    assert 'did you mean "wan"?' in said


DEVICES = {
    "net_nonsense0": "no driver net_nonsense",
    "net_af_packet0,iface=wan,framesz=9999999": "net_af_packet did not take it",
    "pcap:/nonexistent/in.pcap": "cannot read /nonexistent/in.pcap",
    "memif:/nonexistent/m.sock,role=server": "in /nonexistent",
    "0000:fe:1f.7": "there is no PCI device 0000:fe:1f.7",
}


@pytest.mark.parametrize("device", DEVICES)
def test_device(lab, device):
    said = refused(lab, with_device(device))
    assert len(lines_with(said, "ports[0].device")) == 1, said
    assert DEVICES[device] in said


def kernel_nics():
    """PCI NICs that a driver of the kernel holds: name and driver."""
    for path in glob.glob("/sys/bus/pci/devices/*"):
        with open(f"{path}/class") as f:
            if not f.read().startswith("0x02"):
                continue
        driver = os.path.basename(os.path.realpath(f"{path}/driver"))
        if driver not in ("driver", "vfio-pci", "uio_pci_generic", "igb_uio", "mlx4_core", "mlx5_core"):
            yield os.path.basename(path), driver


def test_nic_is_with_the_kernel(lab):
    nic, driver = next(kernel_nics(), (None, None))
    if not nic:
        pytest.skip("no PCI NIC of the kernel's here")
    said = refused(lab, with_device(nic))
    line, = lines_with(said, "ports[0].device")
    assert driver in line and f"scripts/bind-nic bind {nic}" in line


def test_worker_on_the_control_core(lab):
    said = refused(lab, {**lab_config(), "workers": [WORKER], "control": WORKER})
    assert lines_with(said, "control core"), said


def test_several_at_once(lab, down):
    config = with_device("af_packet:nowhere")
    config["ports"][1]["device"] = f"af_packet:{down}"
    said = refused(lab, {**config, "workers": [777]})
    assert lines_with(said, "workers[0]") and lines_with(said, "ports[0].device") and \
        lines_with(said, "ports[1].device"), said


def test_too_few_hugepages(lab):
    said = refused(lab, lab_config(), eal=("-m", "100000000"))
    assert "100000000 MiB of hugepages are planned" in said
    assert "scripts/bind-nic hugepages" in said and "--no-huge" in said


def test_too_little_memory(lab):
    said = refused(lab, lab_config(), eal=(*NO_HUGE, "-m", "100000000"))
    assert "100000000 MiB of memory are planned" in said


def test_arguments_of_the_eal(lab):
    said = refused(lab, lab_config(), eal=(*NO_HUGE, "--frobnicate"))
    assert len(lines_with(said, "frobnicate")) == 1, said
    assert "Usage" not in said
    assert '"workers"' in refused(lab, lab_config(), eal=(*NO_HUGE, "-l", "0"))


def test_second_instance(lab, ports_free):
    """One EAL prefix, that of the lab, and two daemons: the second names the first, which goes on."""
    eal = ("--no-huge",)
    with Balancer(lab, lab_config(), name="first", eal=eal) as first:
        said = refused(lab, lab_config(), eal=eal)
        line, = lines_with(said, "--file-prefix")
        assert f"pid {first.process.pid}," in line
        assert first.ctl("worker", "list").returncode == 0
    assert not os.path.exists(f"/run/dpdk/{eal_prefix(lab.prefix)}")


def test_no_capability(lab):
    b = Balancer(lab, lab_config(), name="refused")
    done = lab.run("lb", ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", *b.command("--", *b.eal)],
        check=False, timeout=SOON)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert len(lines_with(said, "CAP_NET_RAW")) == 2, said  # one a port


@pytest.mark.parametrize("device", ["ring:a", "tap:fl-tap", "memif:{}/m.sock,role=server", "net_null0"])
def test_other_devices_start(lab, ports_free, device):
    """The daemon runs on every kind of device that needs no hardware, and what it made is gone after."""
    with Balancer(lab, with_device(device.format(lab.directory)), name="other") as b:
        assert b.ctl("port", "list").returncode == 0
    links = subprocess.run(["ip", "-n", lab.ns("lb"), "-o", "link"], capture_output=True, text=True).stdout
    assert "fl-tap" not in links
