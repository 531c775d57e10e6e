"""Users act in turn, as fast as the pace says."""

import subprocess
import sys

import pytest

from loadtests import CHECKOUT

pytestmark = pytest.mark.usefixtures("starts_processes")

# In a process of its own: no event loop of gevent beside those of other tests.
ROUNDS = """
from collections import Counter
import gevent
from loadtests.locust.rhythm import Pace

pace, acted = Pace(lambda seconds: 500.0), Counter()

def user(name):
    while True:
        pace.wait()
        acted[name] += 1

users = [gevent.spawn(user, name) for name in range(10)]
running = gevent.spawn(pace.run)
while sum(acted.values()) < 100:
    gevent.sleep(0.01)
assert max(acted.values()) - min(acted.values()) <= 1, acted
running.kill()
gevent.sleep(0)  # who was told to act by then does
before = sum(acted.values())
gevent.sleep(0.1)
assert sum(acted.values()) == before
"""


def test_users_act_in_turn_and_only_then() -> None:
    pytest.importorskip("gevent", reason="installed by make loadtest")

    subprocess.run([sys.executable, "-c", ROUNDS], cwd=CHECKOUT, check=True, timeout=30)
