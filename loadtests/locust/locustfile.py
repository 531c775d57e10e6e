"""Simulated users: principals of many services who look at jobs, create some, and run some at once.

Locust reads this file, alone or as master and workers; `python -m loadtests.locust.run` starts it
with the servers it needs. Settings are arguments or environment variables: README.md beside it.
"""

# mypy: disallow-subclassing-any=False, disallow-untyped-decorators=False
# mypy: disallow-untyped-calls=False
# Locust is not installed where types are checked.

import random
import sys
import time
from collections import deque
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import gevent
import msgspec
from gevent.event import Event
from geventhttpclient.client import HTTPClientPool
from locust import FastHttpUser, LoadTestShape, events, task
from locust.runners import MasterRunner, WorkerRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # Locust puts our own folder there

from loadtests.locust.judging import NOT_PASSED, judge, knee_of, outcomes_of
from loadtests.locust.outcome import Outcome, kinds_of, show
from loadtests.locust.principals import USERS, job_of
from loadtests.locust.rhythm import Pace
from loadtests.locust.rings import rings_of
from loadtests.locust.settings import RING_SECONDS, Part, add_arguments, phases_for, principals_for
from loadtests.locust.shapes import SPAWNED_PER_SECOND, phase_at
from loadtests.locust.tally import Tally

REMEMBERED = 20
PART, ASK = "tocsin_part", "tocsin_ask"
ASK_SECONDS = 0.5
SHORT_SECONDS = 0.5
"""Over less than this, a share of the CPU tells nothing."""

events.init_command_line_parser.add_listener(add_arguments)


class Simulation:
    """What this process knows of the load it takes part in."""

    def __init__(self) -> None:
        self.part = Part()
        self.known = Event()
        self.tally = Tally()
        self.began = 0.0
        self.generator_cpu = 0.0
        self.clocks = (time.monotonic(), time.process_time())
        self.numbers = count()
        self.pace = Pace(lambda _: 0.0)

    def cpu_percent(self) -> float:
        """Of a core that this process used since it was asked the last time."""
        before, self.clocks = self.clocks, (time.monotonic(), time.process_time())
        real, used = (now - then for now, then in zip(self.clocks, before, strict=True))
        return 100 * used / max(real, SHORT_SECONDS)

    def note_cpu(self, percent: float) -> None:
        """Remember the most of any process."""
        self.generator_cpu = max(self.generator_cpu, percent)


simulation = Simulation()
connections = HTTPClientPool()


class SimulatedUser(FastHttpUser):
    """One principal; task weights are percents."""

    client_pool = connections

    def wait_time(self) -> float:
        """Wait for one's turn."""
        simulation.pace.wait()
        return 0.0

    def on_start(self) -> None:
        """Be somebody, and wait: nobody acts before it is due."""
        runner = self.environment.runner
        simulation.known.wait()
        self.me = simulation.part.principal(max(runner.worker_index, 0), next(simulation.numbers))
        self.job_ids = deque([self.me.job_id], maxlen=REMEMBERED)
        self.headers = {"Authorization": f"Bearer {self.me.key}"}
        simulation.pace.wait()

    @task(45)
    def get_job(self) -> None:
        """Look at a job."""
        self.call("GET", f"/jobs/{self.any_job()}", name="GET /jobs/{id}")

    @task(25)
    def list_jobs(self) -> None:
        """Look at the newest jobs."""
        self.call("GET", "/jobs?limit=50", name="GET /jobs")

    @task(15)
    def list_runs(self) -> None:
        """See what became of a job."""
        self.call("GET", f"/jobs/{self.any_job()}/runs", name="GET /jobs/{id}/runs")

    @task(8)
    def trigger_job(self) -> None:
        """Run a job now."""
        path = f"/jobs/{self.any_job()}/trigger"
        answer = self.call("POST", path, name="POST /jobs/{id}/trigger")
        if answer.status_code == 202:
            simulation.tally.triggered.append(answer.json()["id"])

    @task(7)
    def create_job(self) -> None:
        """Store a job."""
        job = job_of(f"{self.environment.parsed_options.sink}/ok")
        answer = self.call("POST", "/jobs", name="POST /jobs", json=job)
        if answer.status_code == 201:
            self.job_ids.append(answer.json()["id"])

    def any_job(self) -> str:
        """The first job, or one of those that this user created lately."""
        return random.choice(self.job_ids)

    def call(self, method: str, path: str, *, name: str, **content: Any) -> Any:
        """Send a request as this user."""
        return self.client.request(method, path, name=name, headers=self.headers, **content)


class Shape(LoadTestShape):
    """All users at once, until the phases are over; the pace makes the rate."""

    use_common_options = True
    runner: Any

    def tick(self) -> tuple[int, float] | None:
        """How many users there are to be."""
        options = self.runner.environment.parsed_options
        if not isinstance(self.runner, MasterRunner):
            simulation.note_cpu(simulation.cpu_percent())
        elapsed = time.time() - simulation.began if simulation.began else 0.0
        if phase_at(simulation.part.phases, elapsed) is None or self._is_beyond_the_knee(options):
            return None
        return options.num_users, SPAWNED_PER_SECOND

    def _is_beyond_the_knee(self, options: Any) -> bool:
        if options.shape != "ramp" or not simulation.began:
            return False
        outcomes = outcomes_of(simulation.part.phases, simulation.began, simulation.tally)
        return any(one.phase.budget and one.is_beyond_the_knee for one in outcomes[:-1])


@events.init.add_listener
def prepare(environment: Any, **_: object) -> None:
    """Know the principals, or learn of them from the master."""
    options, runner = environment.parsed_options, environment.runner
    connections.client_args["concurrency"] = options.connections
    if isinstance(runner, WorkerRunner):
        runner.register_message(PART, learn)
        gevent.spawn(ask, runner)
        return
    options.num_users = options.num_users or USERS
    stride = options.expect_workers if isinstance(runner, MasterRunner) else 1
    simulation.part = Part(
        principals=principals_for(options),
        stride=stride,
        users=options.num_users,
        phases=phases_for(options),
    )
    simulation.known.set()
    if isinstance(runner, MasterRunner):
        runner.register_message(ASK, partial(teach, runner))


def ask(runner: Any) -> None:
    """Ask the master who the users are until it tells; it may not listen yet."""
    while not simulation.known.wait(ASK_SECONDS):
        runner.send_message(ASK)


def teach(runner: Any, msg: Any, **_: object) -> None:
    """Tell a worker who the users are."""
    runner.send_message(PART, msgspec.to_builtins(simulation.part), msg.node_id)


def learn(msg: Any, **_: object) -> None:
    """Take what the master tells."""
    simulation.part = msgspec.convert(msg.data, Part)
    simulation.known.set()


@events.test_start.add_listener
def begin(environment: Any, **_: object) -> None:
    """Start the clock; where there are users, start their pace."""
    simulation.began = time.time()
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        return
    simulation.pace = Pace(lambda elapsed: simulation.part.rate(elapsed, runner.user_count))
    gevent.spawn(simulation.pace.run)


@events.request.add_listener
def count_request(response_time: float, exception: object = None, **_: object) -> None:
    """Count an answer or a failure."""
    if exception is None:
        simulation.tally.answered(time.time(), response_time)
    else:
        simulation.tally.failed(time.time())


@events.report_to_master.add_listener
def report(data: dict[str, object], **_: object) -> None:
    """Tell the master what was counted since the last time."""
    data["tally"] = msgspec.json.encode(simulation.tally.take())
    data["cpu"] = simulation.cpu_percent()


@events.worker_report.add_listener
def take_report(data: dict[str, Any], **_: object) -> None:
    """Add what a worker counted."""
    simulation.tally.add(msgspec.json.decode(data["tally"], type=Tally))
    simulation.note_cpu(data["cpu"])


@events.quitting.add_listener
def conclude(environment: Any, **_: object) -> None:
    """Judge, print and keep the outcome; the exit code tells it."""
    options = environment.parsed_options
    if isinstance(environment.runner, WorkerRunner) or not simulation.began:
        return
    outcomes = outcomes_of(simulation.part.phases, simulation.began, simulation.tally)
    triggered = simulation.tally.triggered
    rings = rings_of(options.sink, triggered, seconds=RING_SECONDS)
    outcome = Outcome(
        shape=options.shape,
        users=options.num_users,
        phases=outcomes,
        kinds=kinds_of(environment.stats),
        rings=rings,
        knee=knee_of(outcomes) if options.shape == "ramp" else None,
        generator_cpu_percent=simulation.generator_cpu,
        problems=judge(options.shape, outcomes, simulation.tally.failures, rings),
    )
    show(outcome)
    if options.results:
        Path(options.results).write_bytes(msgspec.json.format(msgspec.json.encode(outcome)))
    environment.process_exit_code = NOT_PASSED if outcome.problems else 0
