# SPDX-License-Identifier: BSD-3-Clause
"""The configuration changes while connections live: a reload, servers that come, go, drain and change their weight."""
import contextlib
import copy

import pytest
from balancer import MODES, lab_config
from lab import SERVERS, VIP, WHOAMI_PORT, half_each, wait_for
from load import Crowd, Requests

FAMILIES = [4, 6]


def document(lb):
    """The configuration in force, as `config show` prints it."""
    return lb.get("config", "show")


def reload_by_command(lb, config):
    lb.reload(config)


def reload_by_signal(lb, config):
    lb.write(config)
    lb.hangup()
    wait_for(lambda: document(lb) == config)


@pytest.mark.parametrize("reload", [reload_by_command, reload_by_signal])
def test_connections_survive_a_reload(lab, start, reload):
    """200 connections, over both modes and families; the file changes a scheduler, adds a server, a pool, a service and an
    address; they go on, and what is new works."""
    config = lab_config()
    lb = start(config)
    new = copy.deepcopy(config)
    for version, pool in zip((4, 6), new["pools"]):
        pool["scheduler"] = "least-connections"
        pool["servers"].append({"name": "s3", "address": SERVERS["s3"][version]})
    new["pools"].append({"name": "third", "servers": [{"name": "s3", "address": f"{SERVERS['s3'][4]}:80"}]})
    new["services"].append({"name": "third", "address": "192.0.2.11:8080", "protocol": "tcp", "mode": "nat",
        "pool": "third"})
    with contextlib.ExitStack() as stack:
        crowds = [stack.enter_context(Crowd(lab, address, WHOAMI_PORT, 50, pause=0.25)) for address in VIP.values()]
        for crowd in crowds:
            crowd.progress()
        reload(lb, new)
        for crowd in crowds:
            crowd.progress(4)
        assert lab.curl("192.0.2.11", 5, port=8080) == {"s3": 5}
        reload(lb, config)
        for crowd in crowds:
            crowd.progress(4)
        assert "s3" not in lab.curl("192.0.2.11", 1, port=8080)
        assert not [c.errors for c in crowds if c.errors]


@pytest.mark.parametrize("reload", [reload_by_command, reload_by_signal])
def test_bad_file_changes_nothing(lab, start, reload):
    config = lab_config()
    lb = start(config)
    bad = copy.deepcopy(config)
    bad["services"][0]["mode"] = "teleport"
    bad["pools"][1]["servers"].pop()
    with Crowd(lab, VIP["nat", 4], WHOAMI_PORT, 20, pause=0.05) as crowd:
        crowd.progress()
        for text in (bad, '{ "workers": [1', ""):
            lb.write(text)
            if reload is reload_by_signal:
                before = lb.log()
                lb.hangup()
                wait_for(lambda: lb.log() != before)
                said = lb.log()[len(before):]
            else:
                done = lb.ctl("config", "reload", check=False)
                assert done.returncode == 1
                said = done.stdout + done.stderr
            if text is bad:
                assert "services[0].mode" in said and "teleport" in said
            assert document(lb) == config
        crowd.progress(4)
        assert not crowd.errors
        assert half_each(lab.curl(VIP["nat", 6], 10), 10)


def test_service_that_is_gone_ends(lab, start):
    """A reload ends the connections of a service that it takes away, and no others."""
    config = lab_config()
    lb = start(config)
    less = copy.deepcopy(config)
    less["services"] = [s for s in config["services"] if s["name"] != "nat-whoami-tcp-v4"]
    with Crowd(lab, VIP["nat", 4], WHOAMI_PORT, 10, pause=0.05) as gone, \
            Crowd(lab, VIP["nat", 6], WHOAMI_PORT, 10, pause=0.05) as stays:
        gone.progress()
        stays.progress()
        lb.reload(less)
        wait_for(lambda: len(gone.failed()) == 10, timeout=30)
        stays.progress(4)
        assert not stays.errors


@pytest.fixture(params=[(mode, version) for mode in MODES for version in FAMILIES], ids=lambda p: f"{p[0]}-v{p[1]}")
def pool(request):
    """A virtual address and the name of the pool behind it."""
    mode, version = request.param
    return version, VIP[mode, version], f"servers-v{version}"


@pytest.fixture
def own(start):
    return start(lab_config())


def test_server_added_and_removed_under_load(lab, own, pool):
    version, address, name = pool
    with Requests(lab, address) as requests, Crowd(lab, address, WHOAMI_PORT, 20, pause=0.05) as crowd:
        assert set(requests.next(40)) == {"s1", "s2"}
        crowd.progress()
        own.ctl("server", "add", name, "s3", SERVERS["s3"][version])
        got = requests.next(60)
        assert set(got) == {"s1", "s2", "s3"}
        crowd.progress()
        assert not crowd.errors and not requests.errors

        held = {i for i, server in enumerate(crowd.server) if server == "s2"}
        assert held
        own.ctl("server", "remove", name, "s2")
        assert set(requests.next(60)) == {"s1", "s3"}
        # What the removed server held ends; nothing else does.
        wait_for(lambda: crowd.failed() == held, timeout=30)
        crowd.progress(4)
        assert crowd.failed() == held
        assert len(requests.errors) <= requests.width


def test_server_drained_under_load(lab, own, pool):
    _, address, name = pool
    with Requests(lab, address) as requests, Crowd(lab, address, WHOAMI_PORT, 20, pause=0.05) as crowd:
        crowd.progress()
        assert set(crowd.server) == {"s1", "s2"}
        own.ctl("server", "drain", name, "s1")
        assert set(requests.next(40)) == {"s2"}
        crowd.progress(4)
        own.ctl("server", "enable", name, "s1")
        assert set(requests.next(40)) == {"s1", "s2"}
        assert not crowd.errors and not requests.errors


def test_server_disabled_under_load(lab, own, pool):
    """Its connections end, those of the others do not, and enabled again it gets new ones."""
    _, address, name = pool
    with Requests(lab, address) as requests, Crowd(lab, address, WHOAMI_PORT, 20, pause=0.05) as crowd:
        crowd.progress()
        held = {i for i, server in enumerate(crowd.server) if server == "s1"}
        assert held and len(held) < 20
        own.ctl("server", "disable", name, "s1")
        wait_for(lambda: crowd.failed() == held, timeout=30)
        assert set(requests.next(40)) == {"s2"}
        crowd.progress(4)
        assert crowd.failed() == held
        own.ctl("server", "enable", name, "s1")
        assert set(requests.next(40)) == {"s1", "s2"}
        assert len(requests.errors) <= requests.width


def test_server_weight_under_load(lab, own, pool):
    _, address, name = pool
    with Requests(lab, address) as requests:
        own.ctl("server", "weight", name, "s1", 3)
        # One turn may be under way in each connection that is being opened.
        got = requests.next(80)
        assert 56 <= got["s1"] <= 64
        own.ctl("server", "weight", name, "s1", 0)
        assert set(requests.next(40)) == {"s2"}
        own.ctl("server", "weight", name, "s1", 1)
        assert set(requests.next(40)) == {"s1", "s2"}
        assert not requests.errors


def test_service_added_and_removed(lab, own):
    own.ctl("service", "add", "extra", "--address", "192.0.2.99:80", "--protocol", "tcp", "--mode", "nat", "--pool", "servers-v4")
    assert half_each(lab.curl("192.0.2.99", 6), 6)
    own.ctl("service", "remove", "extra")
    assert not {"s1", "s2"} & set(lab.curl("192.0.2.99", 1))
