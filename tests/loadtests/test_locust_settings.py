"""A master and its workers are set up by environment variables."""

import importlib.util
import json
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import msgspec
import pytest

from loadtests import CHECKOUT
from loadtests.locust.judging import outcome_of
from loadtests.locust.outcome import kind_of, knee_line
from loadtests.locust.principals import OPERATOR_KEY, Principal, save
from loadtests.locust.settings import Part, phases_for, principals_for
from loadtests.locust.shapes import DRAIN_SECONDS, Phase
from loadtests.locust.tally import Second

USERS = [Principal(service="s", key=f"k{n}", job_id="j") for n in range(3)]
# In a process of its own: Locust changes what sockets are.
PARSED = """
import json
from locust.argument_parser import get_parser
from loadtests.locust.settings import add_arguments
parser = get_parser()
add_arguments(parser)
print(json.dumps(vars(parser.parse_args([])), default=str))
"""
needs_locust = pytest.mark.skipif(
    importlib.util.find_spec("locust") is None, reason="installed by make loadtest"
)


@needs_locust
@pytest.mark.usefixtures("starts_processes")
def test_everything_can_be_set_by_the_environment() -> None:
    environment = {
        "LOCUST_HOST": "http://api:8000",
        "LOCUST_USERS": "10000",
        "LOCUST_MODE_WORKER": "true",
        "LOCUST_MASTER_NODE_HOST": "master",
        "LOCUST_EXPECT_WORKERS": "4",
        "TOCSIN_LOADTEST_SHAPE": "soak",
        "TOCSIN_LOADTEST_RATE": "150",
        "TOCSIN_LOADTEST_SECONDS": "7200",
        "TOCSIN_LOADTEST_CONNECTIONS": "50",
        "TOCSIN_LOADTEST_PRINCIPALS": "/keys/principals.json",
        "TOCSIN_LOADTEST_SINK": "http://sink:9000",
        "TOCSIN_LOADTEST_RESULTS": "/results/soak.json",
    }
    done = subprocess.run(
        [sys.executable, "-c", PARSED],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)

    assert (told["host"], told["num_users"]) == ("http://api:8000", 10_000)
    assert (told["worker"], told["master_host"], told["expect_workers"]) == (True, "master", 4)
    assert (told["shape"], told["rate"], told["seconds"]) == ("soak", 150.0, 7_200)
    assert (told["connections"], told["sink"]) == (50, "http://sink:9000")
    assert told["principals"] == "/keys/principals.json"
    assert told["results"] == "/results/soak.json"
    guide = (CHECKOUT / "loadtests" / "README.md").read_text()
    assert [name for name in environment if name not in guide] == []


def test_the_guide_to_several_machines_says_how_to_install() -> None:
    guide = (CHECKOUT / "loadtests" / "README.md").read_text()
    (several,) = re.findall(r"### On several machines.*?```\n(.*?)```", guide, re.DOTALL)
    first, *commands = several.splitlines()
    assert first.split("#")[0].strip() == "make .venv/loadtest.installed"
    assert (CHECKOUT / "locks" / "loadtest.txt").exists()
    assert any(".venv/bin/locust" in command for command in commands)


def test_a_load_ends_with_a_rest() -> None:
    options = Namespace(shape="steady", num_users=10, rate=5.0, seconds=30)

    *_, steady, rest = phases_for(options)

    assert (steady.rate, steady.seconds) == (5.0, 30)
    assert (rest.rate, rest.seconds) == (0.0, DRAIN_SECONDS)


def test_users_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OPERATOR_KEY, raising=False)
    save(USERS, tmp_path / "keys")

    assert principals_for(Namespace(principals=str(tmp_path / "keys"))) == USERS


@pytest.mark.parametrize("name", [None, "missing"])
def test_without_users_it_says_what_to_give(
    tmp_path: Path, name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(OPERATOR_KEY, raising=False)
    path = None if name is None else str(tmp_path / name)

    with pytest.raises(RuntimeError, match=OPERATOR_KEY):
        principals_for(Namespace(principals=path))


def test_workers_share_the_users_without_overlap() -> None:
    part = Part(
        principals=[Principal(service="s", key=f"k{n}", job_id="j") for n in range(12)], stride=4
    )
    users = [part.principal(worker, number) for worker in range(4) for number in range(3)]

    assert {one.key for one in users} == {f"k{n}" for n in range(12)}
    assert msgspec.convert(msgspec.to_builtins(part), Part) == part


def test_workers_share_the_rate_by_their_users() -> None:
    phases = [Phase(name="steady", seconds=10, rate=120.0)]
    part = Part(principals=USERS, stride=3, users=300, phases=phases)
    told = msgspec.convert(msgspec.to_builtins(part), Part)

    assert sum(told.rate(5.0, users) for users in (200, 60, 40)) == 120.0
    assert told.rate(11.0, 300) == 0.0
    assert Part().rate(5.0, 10) == 0.0


def test_a_busy_generator_is_told_beside_the_knee() -> None:
    phase = Phase(name="100/s", seconds=1, rate=100.0)
    knee = outcome_of(phase, [Second(answered={5: 100})])

    assert "busy" in knee_line(knee, 95.0)
    assert knee_line(knee, 40.0) == "Knee: 100 requests/s at p99 5 ms"


def test_kinds_of_request_have_percentiles() -> None:
    kind = kind_of("GET /jobs", 100, 1, {5: 98, 40: 1, 90: 1})

    assert (kind.p50_ms, kind.p99_ms, kind.most_ms) == (5, 40, 90)
