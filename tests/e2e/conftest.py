# SPDX-License-Identifier: BSD-3-Clause
"""What the end-to-end tests share: one lab, and a balancer with the usual configuration, or one for a single test that changes
or breaks it."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from balancer import Balancer, lab_config  # noqa: E402
from lab import Lab  # noqa: E402


@pytest.fixture(scope="session")
def lab():
    with Lab(servers=("s1", "s2", "s3")) as lab:
        yield lab


def stop(b):
    """The end of a balancer: it was still there, and goes without complaint."""
    alive = b.process.poll() is None
    status = b.stop()
    assert alive and status == 0, f"fairlead ended with {status}:\n{b.log()}"


class Shared:
    """The balancer that tests share. It owns the lab's interfaces, so it gives way to one that a test starts for itself."""

    def __init__(self, lab):
        self.lab = lab
        self.balancer = None

    def get(self):
        if self.balancer and self.balancer.process.poll() is not None:
            self.release()
        if not self.balancer:
            self.balancer = Balancer(self.lab, lab_config(bulk=True)).start()
        return self.balancer

    def release(self):
        b, self.balancer = self.balancer, None
        if b:
            stop(b)


@pytest.fixture(scope="session")
def shared(lab):
    shared = Shared(lab)
    yield shared
    shared.release()


@pytest.fixture
def lb(shared):
    """The usual configuration, with s1 and s2. A test leaves it as it found it."""
    b = shared.get()
    yield b
    assert b.process.poll() is None, f"fairlead ended with {b.process.returncode}:\n{b.log()}"


@pytest.fixture
def ports_free(shared):
    """No balancer is at the lab's ports, for a test that starts one by itself."""
    shared.release()


@pytest.fixture
def start(lab, shared):
    """start(config) runs a balancer of the test's own."""
    shared.release()
    running = []

    def start(config, **kwargs):
        running.append(Balancer(lab, config, **kwargs))
        return running[-1].start()

    yield start
    for b in running:
        if b.process and b.process in lab.processes:
            stop(b)
