"""The broker under test and the seed, as pytest fixtures."""

import os
import random
import re
import secrets
import subprocess

import pytest

SEED = os.environ.get("EVENKEEL_SEED") or str(secrets.randbelow(2**32))


def pytest_report_header():
    return f"EVENKEEL_SEED={SEED}"


@pytest.fixture(scope="session")
def bootstrap():
    """host:port of the broker."""
    return os.environ["EVENKEEL_BOOTSTRAP"]


@pytest.fixture(scope="session")
def start_restart():
    """Begins a kill -9 and a new start of the broker on the same data; the caller waits for the process returned."""
    return lambda: subprocess.Popen(os.environ["EVENKEEL_RESTART"], shell=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def rng(request):
    """Random choices, the same for the same seed and test."""
    return random.Random(f"{SEED}:{request.node.name}")


@pytest.fixture
def topic(request):
    """A topic name that no other test and no other seed uses."""
    return re.sub(r"[^A-Za-z0-9]+", "-", request.node.name).strip("-")[:180] + f"-{SEED}"
