"""One-shot jobs that ring the sink, and whether each of them rang just once."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from loadtests.measures.latency import Spread, quantiles, spread_of
from loadtests.measures.load import Load, Request, put
from loadtests.measures.system import System
from loadtests.sink.arrivals import Report
from loadtests.sink.process import SinkProcess

CREATE_SECONDS = 300.0
EARLY_MS = 2.0  # timers and clocks disagree by so much
FAR_AWAY = timedelta(days=30)


class Fired(msgspec.Struct, frozen=True, kw_only=True):
    """How a set of one-shot jobs arrived at the sink."""

    lateness: Spread
    quantiles_ms: list[float]
    """Lateness in thousandths, from the least to the most, for plots."""
    first_ns: int
    last_ns: int
    lost: int
    doubled: int
    early: int
    repeats: int
    """Arrivals of a webhook-id after its first: retries of a first attempt that failed."""

    def problems(self, scenario: str) -> list[str]:
        """What must not happen."""
        counts = {"lost": self.lost, "doubled": self.doubled, "early": self.early}
        return [f"{scenario}: {count} fires {what}" for what, count in counts.items() if count]


def instant(at: datetime) -> str:
    """RFC 3339 with microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def creation(url: str, due: datetime) -> Request:
    """The request that creates a one-shot job."""
    job = {
        "name": "bench",
        "schedule": {"at": instant(due)},
        "target": {"type": "http", "url": url, "method": "POST", "body": {"n": 1}},
    }
    return Request(method="POST", path="/jobs", body=json.dumps(job))


def never_due() -> Request:
    """Creates a job that is not due while anyone measures."""
    return creation("http://127.0.0.1:9/", datetime.now(UTC) + FAR_AWAY)


def create(system: System, sink: SinkProcess, due: Sequence[datetime]) -> list[str]:
    """Create one job for each instant, all before the first is due; their ids in order.

    The n-th rings the sink's `/ok?n=<n>`.
    """
    requests = [creation(f"{sink.url}/ok?n={n}", at) for n, at in enumerate(due)]
    load = Load(
        url=system.url,
        headers=system.headers,
        requests=requests,
        count=len(requests),
        seconds=CREATE_SECONDS,
        keep_ids=True,
    )
    outcome = put(load)
    if outcome.errors or outcome.requests != len(requests):
        raise RuntimeError(f"Creating {len(requests)} jobs went wrong: {outcome.statuses}")
    if datetime.now(UTC) >= min(due):
        raise RuntimeError("Creating the jobs took until they were due; is the machine busy?")
    return outcome.ids


def seconds_to_create(system: System, count: int) -> float:
    """How long creating so many jobs will take, judged by a few that are never due."""
    never = [never_due()]
    load = Load(url=system.url, headers=system.headers, requests=never, count=1_000, seconds=20.0)
    return count / max(put(load).per_second, 1.0)


def fired(report: Report, due: Sequence[datetime]) -> Fired:
    """Compare what arrived with what was due."""
    first: dict[int, int] = {}
    ids: dict[int, set[str]] = {}
    for arrival in report.arrivals:
        n = int(arrival.path.rpartition("=")[2])
        first.setdefault(n, arrival.arrived_ns)
        ids.setdefault(n, set()).add(arrival.webhook_id)
    late = [arrived / 1e6 - due[n].timestamp() * 1_000 for n, arrived in first.items()]
    return Fired(
        lateness=spread_of(late),
        quantiles_ms=quantiles(late),
        first_ns=min(first.values(), default=0),
        last_ns=max(first.values(), default=0),
        lost=len(due) - len(first),
        doubled=sum(len(runs) - 1 for runs in ids.values()) + report.duplicates,
        early=sum(lateness < -EARLY_MS for lateness in late),
        repeats=report.repeats,
    )


def sleep_until(at: datetime) -> None:
    """Sleep until an instant; not at all when it is past."""
    time.sleep(max((at - datetime.now(UTC)).total_seconds(), 0.0))
