"""Settings of simulated users, as arguments of Locust or as environment variables."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from loadtests import CHECKOUT
from loadtests.locust.principals import OPERATOR_KEY, Principal, load
from loadtests.locust.shapes import DRAIN_SECONDS, SHAPES, Asked, Phase, rate_at

RING_SECONDS = 15.0
CONNECTIONS = 200
"""Of each Locust process; an API process accepts 800 in all."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a Locust process has to know; a worker is told it by the master.

    Attributes:
        stride: It takes one of so many principals: how many workers there are.
        users: Of all workers together.
    """

    principals: list[Principal] = []
    stride: int = 1
    users: int = 1
    phases: list[Phase] = []

    def rate(self, seconds: float, users: int) -> float:
        """Requests a second of so many of the users, so many seconds after the start."""
        return rate_at(self.phases, seconds) * users / self.users

    def principal(self, worker: int, number: int) -> Principal:
        """Who the n-th user of a worker is: nobody else, while there are enough principals."""
        return self.principals[(worker + number * self.stride) % len(self.principals)]


def add_arguments(parser: Any) -> None:
    """Add ours to Locust's arguments; the master tells its workers."""
    parser.add_argument(
        "--shape", choices=list(SHAPES), default="steady", env_var="TOCSIN_LOADTEST_SHAPE"
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=0.0,
        env_var="TOCSIN_LOADTEST_RATE",
        help="requests a second at first; 0 is what the shape does",
    )
    parser.add_argument(
        "--seconds",
        type=int,
        default=0,
        env_var="TOCSIN_LOADTEST_SECONDS",
        help="of the judged phases; 0 is what the shape does",
    )
    parser.add_argument(
        "--connections", type=int, default=CONNECTIONS, env_var="TOCSIN_LOADTEST_CONNECTIONS"
    )
    parser.add_argument(
        "--principals", env_var="TOCSIN_LOADTEST_PRINCIPALS", help="file of the users' keys"
    )
    parser.add_argument(
        "--sink",
        default="http://127.0.0.1:9999",
        env_var="TOCSIN_LOADTEST_SINK",
        help="URL that the jobs ring, as the API's workers and the master reach it",
    )
    parser.add_argument(
        "--results", env_var="TOCSIN_LOADTEST_RESULTS", help="JSON file to write the outcome to"
    )


def principals_for(options: argparse.Namespace) -> list[Principal]:
    """The users of a file; with an operator's key, those that are missing are made first.

    Raises:
        RuntimeError: When there are none.
    """
    if options.principals and os.environ.get(OPERATOR_KEY):
        arguments = ["--host", options.host, "--users", str(options.num_users)]
        arguments += ["--sink", options.sink, "--file", options.principals]
        # A process of its own: Locust has changed what sockets are in this one.
        program = [sys.executable, "-m", "loadtests.locust.principals", *arguments]
        subprocess.run(program, cwd=CHECKOUT, check=True)
    principals = load(Path(options.principals)) if options.principals else []
    if not principals:
        raise RuntimeError(
            f"Give --principals, a file of keys; with {OPERATOR_KEY} set, it is made there."
        )
    return principals


def phases_for(options: argparse.Namespace) -> list[Phase]:
    """The phases that are asked for, and a rest in which the last answers come."""
    asked = Asked(users=options.num_users, rate=options.rate, seconds=options.seconds)
    return [
        *SHAPES[options.shape](asked),
        Phase(name="rest", seconds=DRAIN_SECONDS, rate=0.0),
    ]
