#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bind-nic on machines made of files and canned output: what it refuses, and what it runs."""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "bind-nic"
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("bind_nic", str(SCRIPT))
bind_nic = importlib.util.module_from_spec(importlib.util.spec_from_loader("bind_nic", loader))
loader.exec_module(bind_nic)

STATUS = """
Network devices using DPDK-compatible driver
============================================
0000:3b:00.1 'Ethernet Controller 10-Gigabit X540-AT2 1528' drv=vfio-pci unused=ixgbe

Network devices using kernel driver
===================================
0000:3b:00.0 'Ethernet Controller 10-Gigabit X540-AT2 1528' if=ens1f0 drv=ixgbe unused=vfio-pci,uio_pci_generic
0000:00:19.0 'Ethernet Connection I217-LM 153a' if=eno1 drv=e1000e unused=vfio-pci *Active*
0000:5e:00.0 'MT27800 Family [ConnectX-5] 1017' if=ens5f0 drv=mlx5_core unused=vfio-pci

Other Network devices
=====================
0000:81:00.0 'Ethernet Controller XL710 1583' unused=i40e,vfio-pci
"""

SSH = ("ss", "-Htn", "state", "established", "sport", "=", ":22")


class Fake(bind_nic.Machine):
    """Answers by canned output; records what would change the machine."""

    def __init__(self, root):
        super().__init__(root, environ={})
        self.root_user = True
        self.did = []
        self.fails = {}
        self.answers = {
            ("dpdk-devbind.py", "--status-dev", "net"): STATUS,
            ("ip", "-j", "-4", "route", "show", "table", "all", "default"): json.dumps(
                [{"dst": "default", "gateway": "10.0.0.1", "dev": "eno1"}]),
            ("ip", "-j", "-6", "route", "show", "table", "all", "default"): "[]",
            ("ip", "-j", "addr", "show"): json.dumps([
                {"ifname": "eno1", "addr_info": [{"local": "10.0.0.5"}, {"local": "fe80::5"}]},
                {"ifname": "ens1f0", "addr_info": [{"local": "192.168.7.5"}, {"local": "2001:db8::5"}]}]),
            SSH: "",
        }

    def run(self, *argv):
        for start, message in self.fails.items():
            if argv[:len(start)] == start:
                raise bind_nic.Refused(message)
        if argv in self.answers:
            return self.answers[argv]
        self.did.append(" ".join(argv))
        return ""

    def is_root(self):
        return self.root_user

    def put(self, path, text=""):
        full = pathlib.Path(self.root + path)
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text)

    def default_route(self, family, *devs):
        self.answers["ip", "-j", family, "route", "show", "table", "all", "default"] = json.dumps(
            [{"dst": "default", "dev": d} for d in devs])


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.m = Fake(folder.name)
        self.m.put("/run/x")
        self.m.put("/sys/class/net/eno1/operstate", "up\n")
        self.m.put("/sys/class/net/eno1/speed", "1000\n")
        self.m.put("/sys/class/net/ens1f0/operstate", "up\n")
        self.m.put("/sys/bus/pci/devices/0000:3b:00.0/numa_node", "1\n")
        for nic in ("0000:3b:00.0", "0000:3b:00.1", "0000:00:19.0", "0000:81:00.0"):
            self.m.put(f"/sys/bus/pci/devices/{nic}/iommu_group/type", "DMA\n")
        self.m.put("/proc/meminfo", "MemTotal: 1 kB\nHugepagesize:       2048 kB\n")
        self.m.put("/proc/mounts", "hugetlbfs /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n")
        self.m.put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n")
        self.m.put("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0\n")
        self.m.put("/sys/devices/system/node/node0/x")

    def call(self, *argv):
        """Exit code, standard output, standard error."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = bind_nic.main(list(argv), self.m)
            except SystemExit as e:
                code = e.code
        return code, out.getvalue(), err.getvalue()

    def fine(self, *argv):
        code, out, err = self.call(*argv)
        self.assertEqual((code, err), (0, ""))
        return out

    def refused(self, *argv, says):
        code, _, err = self.call(*argv)
        self.assertEqual(code, 1)
        for words in says if isinstance(says, tuple) else (says,):
            self.assertIn(words, err)
        self.assertEqual([d for d in self.m.did if "devbind" in d or "link" in d], [])

    def state(self):
        return json.loads(self.m.read(bind_nic.STATE, "{}"))


class List(Case):
    def test_table(self):
        lines = {line.split()[0]: line for line in self.fine("list").splitlines()}
        self.assertEqual(len(lines), 6)
        self.assertRegex(lines["0000:3b:00.0"], r"ixgbe +ens1f0 +1 +up +- +Ethernet Controller")
        self.assertRegex(lines["0000:3b:00.1"], r"vfio-pci +- +- +- +- ")
        self.assertRegex(lines["0000:00:19.0"], r"e1000e +eno1 +- +up 1000M +the default route \(IPv4\)")
        self.assertRegex(lines["0000:81:00.0"], r"81:00.0 +- +- +- +- +- +Ethernet Controller XL710")

    def test_needs_no_root(self):
        self.m.root_user = False
        self.fine("list")

    def test_tool_is_missing(self):
        self.m.fails["dpdk-devbind.py",] = "dpdk-devbind.py is missing (apt-get install dpdk)"
        code, _, err = self.call("list")
        self.assertEqual(code, 1)
        self.assertIn("apt-get install dpdk", err)


class Bind(Case):
    def test_by_address_and_by_interface(self):
        self.fine("bind", "0000:3b:00.0")
        self.assertEqual(self.m.did, ["modprobe vfio-pci", "ip link set ens1f0 down",
                                      "dpdk-devbind.py -b vfio-pci 0000:3b:00.0"])
        first = list(self.m.did)
        for name in ("3b:00.0", "ens1f0", "0000:3B:00.0"):
            self.m.did.clear()
            self.fine("bind", name)
            self.assertEqual(self.m.did, first)

    def test_remembers_what_was_there(self):
        self.fine("bind", "ens1f0")
        self.assertEqual(self.state(),
                         {"0000:3b:00.0": {"driver": "ixgbe", "interfaces": ["ens1f0"], "up": ["ens1f0"]}})

    def test_remembers_before_it_binds(self):
        self.m.fails["dpdk-devbind.py", "-b"] = "no"
        self.assertEqual(self.call("bind", "ens1f0")[0], 1)
        self.assertIn("0000:3b:00.0", self.state())

    def test_other_driver(self):
        self.fine("bind", "--driver", "uio_pci_generic", "81:00.0")
        self.assertEqual(self.m.did, ["modprobe uio_pci_generic", "dpdk-devbind.py -b uio_pci_generic 0000:81:00.0"])

    def test_bound_already(self):
        self.assertIn("already", self.fine("bind", "3b:00.1"))
        self.assertEqual(self.m.did, ["modprobe vfio-pci"])

    def test_keeps_the_kernels_driver_in_mind_from_one_to_another(self):
        self.m.put(bind_nic.STATE, json.dumps({"0000:3b:00.1": {"driver": "ixgbe"}}))
        self.fine("bind", "--driver", "uio_pci_generic", "3b:00.1")
        self.assertEqual(self.state()["0000:3b:00.1"]["driver"], "ixgbe")

    def test_nothing_is_bound_when_one_is_refused(self):
        self.refused("bind", "ens1f0", "eno1", says="carries the default route")
        self.refused("bind", "ens1f0", "eth7", says="eth7")

    def test_unknown(self):
        self.refused("bind", "3b:00.7", says=("no PCI NIC 0000:3b:00.7", "0000:3b:00.0 (ens1f0)"))
        self.refused("bind", "lo", says="neither a PCI address")

    def test_needs_root(self):
        self.m.root_user = False
        self.refused("bind", "ens1f0", says="needs root")

    def test_bifurcated(self):
        self.refused("bind", "ens5f0", says="stays with mlx5_core")

    def test_usage(self):
        self.assertEqual(self.call("bind")[0], 2)
        self.assertEqual(self.call("frobnicate")[0], 2)
        self.assertEqual(self.call("--help")[0], 0)


class Protection(Case):
    def test_default_route_ipv4(self):
        self.refused("bind", "eno1", says=("carries the default route (IPv4)", "--force"))

    def test_default_route_ipv6(self):
        self.m.default_route("-4")
        self.m.default_route("-6", "eno1")
        self.refused("bind", "eno1", says="the default route (IPv6)")

    def test_both(self):
        self.m.default_route("-6", "eno1")
        self.refused("bind", "eno1", says="the default route (IPv4 and IPv6)")

    def test_next_hops(self):
        self.m.answers["ip", "-j", "-4", "route", "show", "table", "all", "default"] = json.dumps(
            [{"dst": "default", "nexthops": [{"dev": "eno1"}, {"dev": "ens1f0"}]}])
        self.refused("bind", "ens1f0", says="default route")

    def test_an_unreachable_default_is_none(self):
        self.m.answers["ip", "-j", "-4", "route", "show", "table", "all", "default"] = json.dumps(
            [{"type": "unreachable", "dst": "default", "dev": "ens1f0"}])
        self.fine("bind", "ens1f0")

    def test_under_a_vlan_over_a_bond(self):
        self.m.default_route("-4", "bond0.7")
        self.m.put("/sys/class/net/bond0.7/lower_bond0")
        self.m.put("/sys/class/net/bond0/lower_ens1f0")
        self.refused("bind", "ens1f0", says="default route")

    def test_forced(self):
        self.fine("bind", "--force", "eno1")
        self.assertIn("dpdk-devbind.py --force -b vfio-pci 0000:00:19.0", self.m.did)

    def test_ssh_session(self):
        for line in ("0 0 192.168.7.5:22 192.168.7.9:51000\n", "0 0 [::ffff:192.168.7.5]:22 [::ffff:192.168.7.9]:5\n",
                     "0 0 [2001:db8::5]:22 [2001:db8::9]:51000\n"):
            self.m.answers[SSH] = line
            self.refused("bind", "ens1f0", says="an ssh session (at ")

    def test_ssh_session_on_another_port(self):
        self.m.environ["SSH_CONNECTION"] = "192.168.7.9 51000 192.168.7.5 2222"
        self.refused("bind", "ens1f0", says="an ssh session (at 192.168.7.5)")

    def test_ssh_session_elsewhere(self):
        self.m.answers[SSH] = "0 0 127.0.0.1:22 127.0.0.1:51000\n0 0 10.0.0.5:22 10.0.0.9:5\n"
        self.fine("bind", "ens1f0")


class Iommu(Case):
    def setUp(self):
        super().setUp()
        (pathlib.Path(self.m.root) / "sys/bus/pci/devices/0000:3b:00.0/iommu_group/type").unlink()
        (pathlib.Path(self.m.root) / "sys/bus/pci/devices/0000:3b:00.0/iommu_group").rmdir()

    def test_none(self):
        self.refused("bind", "ens1f0", says=("intel_iommu=on", "--no-iommu"))

    def test_no_iommu_mode(self):
        self.m.put(bind_nic.NO_IOMMU, "N\n")
        self.fine("bind", "--no-iommu", "ens1f0")
        self.assertEqual(self.m.did[:2], ["modprobe vfio", "modprobe vfio-pci"])
        self.assertEqual(self.m.read(bind_nic.NO_IOMMU), "Y")

    def test_mode_is_on_already(self):
        self.m.put(bind_nic.NO_IOMMU, "Y\n")
        self.fine("bind", "ens1f0")

    def test_uio_needs_none(self):
        self.fine("bind", "--driver", "uio_pci_generic", "ens1f0")

    def test_module_is_missing(self):
        self.m.fails["modprobe",] = "modprobe vfio-pci: not found in /lib/modules"
        self.refused("bind", "ens1f0", says="not found in /lib/modules")

    def test_group_is_shared(self):
        group = "/sys/bus/pci/devices/0000:81:00.0/iommu_group/devices/"
        for other, driver in (("0000:81:00.0", None), ("0000:81:00.1", "i40e"), ("0000:80:00.0", "pcieport")):
            self.m.put(group + other)
            folder = pathlib.Path(self.m.root) / "sys/bus/pci/devices" / other
            folder.mkdir(exist_ok=True)
            if driver:
                os.symlink(f"../../../bus/pci/drivers/{driver}", folder / "driver")
        self.m.put("/sys/bus/pci/devices/0000:80:00.0/class", "0x060400\n")
        code, _, err = self.call("bind", "81:00.0")
        self.assertEqual(code, 0)
        self.assertIn("with 0000:81:00.1 (i40e)", err)
        self.assertNotIn("pcieport", err)


class Release(Case):
    def test_remembered(self):
        self.m.put(bind_nic.STATE, json.dumps(
            {"0000:3b:00.1": {"driver": "old", "interfaces": ["a"], "up": ["eno1"]}, "x": {}}))
        self.fine("release", "3b:00.1")
        self.assertEqual(self.m.did, ["modprobe old", "dpdk-devbind.py -b old 0000:3b:00.1", "ip link set eno1 up"])
        self.assertEqual(self.state(), {"x": {}})

    def test_not_remembered(self):
        self.fine("release", "3b:00.1")
        self.assertIn("dpdk-devbind.py -b ixgbe 0000:3b:00.1", self.m.did)

    def test_no_driver_at_all(self):
        self.fine("release", "81:00.0")
        self.assertIn("dpdk-devbind.py -b i40e 0000:81:00.0", self.m.did)

    def test_unknown_driver(self):
        self.m.answers["dpdk-devbind.py", "--status-dev", "net"] = "0000:3b:00.1 'X' drv=vfio-pci unused=\n"
        self.refused("release", "3b:00.1", says="say it with --driver")
        self.fine("release", "--driver", "igb", "3b:00.1")
        self.assertIn("dpdk-devbind.py -b igb 0000:3b:00.1", self.m.did)

    def test_with_the_kernel_already(self):
        self.assertIn("already", self.fine("release", "ens1f0"))
        self.assertEqual(self.m.did, [])

    def test_broken_state(self):
        self.m.put(bind_nic.STATE, "{")
        self.fine("release", "3b:00.1")
        self.m.put(bind_nic.STATE, "[]")
        self.fine("release", "3b:00.1")


class Hugepages(Case):
    def test_count(self):
        self.assertIn("512 hugepages of 2M (1024 MiB)", self.fine("hugepages", "512"))
        self.assertEqual(self.m.did, ["dpdk-hugepages.py -p 2M -r 1048576K"])

    def test_size_is_rounded_up(self):
        self.fine("hugepages", "201M")
        self.assertEqual(self.m.did, ["dpdk-hugepages.py -p 2M -r 206848K"])

    def test_big_pages_are_mounted(self):
        self.fine("hugepages", "--size", "1G", "--node", "0", "4G")
        self.assertEqual(self.m.did, ["dpdk-hugepages.py -p 1G -n 0 -r 4194304K",
                                      "dpdk-hugepages.py -m -p 1G -d /dev/hugepages-1G"])
        self.assertTrue(self.m.exists("/dev/hugepages-1G"))

    def test_default_pages_are_mounted(self):
        self.m.put("/proc/mounts", "sysfs /sys sysfs rw 0 0\n")
        self.fine("hugepages", "8")
        self.assertIn("dpdk-hugepages.py -m -p 2M -d /dev/hugepages", self.m.did)

    def test_bad_amounts(self):
        for amount in ("0", "x", "1.5G", "10T", ""):
            self.refused("hugepages", amount, says="neither a number of pages nor a size")

    def test_bad_sizes(self):
        self.refused("hugepages", "--size", "4M", "1", says="sizes are: 2M, 1G")
        self.refused("hugepages", "--size", "x", "1", says="neither")
        self.refused("hugepages", "--node", "3", "1", says="no NUMA node 3")

    def test_too_few_are_free(self):
        self.m.fails["dpdk-hugepages.py",] = "Unable to set pages (3 instead of 512)"
        self.refused("hugepages", "512", says=("3 instead of 512", "hugepagesz=2M hugepages=512"))

    def test_needs_root(self):
        self.m.root_user = False
        self.refused("hugepages", "1", says="needs root")


if __name__ == "__main__":
    unittest.main()
