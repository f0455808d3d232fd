# SPDX-License-Identifier: BSD-3-Clause
"""What the end-to-end tests share: one lab for all of them, a balancer for each file that wants the usual one, or for a
single test that changes or breaks it."""
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


@pytest.fixture(scope="module")
def lb(lab):
    """The usual configuration, with s1 and s2. Tests leave it as they found it."""
    b = Balancer(lab, lab_config(bulk=True)).start()
    yield b
    alive = b.process.poll() is None
    status = b.stop()
    assert alive and status == 0, f"fairlead ended with {status}:\n{b.log()}"


@pytest.fixture
def start(lab):
    """start(config) runs a balancer of the test's own."""
    running = []

    def start(config, **kwargs):
        running.append(Balancer(lab, config, **kwargs))
        return running[-1].start()

    yield start
    for b in running:
        if b.process and b.process in lab.processes:
            alive = b.process.poll() is None
            status = b.stop()
            assert alive and status == 0, f"fairlead ended with {status}:\n{b.log()}"
