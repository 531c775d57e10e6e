"""What the sink remembers of the requests that reached it."""

from collections import Counter

import msgspec

MAX_ARRIVALS = 250_000  # about 80 MB; requests beyond it are counted but not remembered


class Arrival(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One request as the sink saw it; in JSON an array in this order."""

    webhook_id: str
    attempt: str
    arrived_ns: int
    """Wall clock at the request's first byte, in nanoseconds since 1970."""
    path: str
    """With the query string, so that a caller can number its jobs there."""
    status: int
    """The status the sink chose to answer with; 0 where it never answers."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How much arrived since the last reset; control requests do not count."""

    total: int
    unique_ids: int
    repeats: int
    """Arrivals of a webhook-id after its first: retries and duplicates."""
    duplicates: int
    """Arrivals of a webhook-id with an attempt number that was already seen for it."""
    unidentified: int
    """Arrivals without a webhook-id."""
    forgotten: int
    """Arrivals beyond the cap: in `total`, but in nothing else."""


class Report(Counts, frozen=True, kw_only=True):
    """The counts and every remembered arrival, oldest first."""

    arrivals: list[Arrival]

    def by_id(self) -> dict[str, list[Arrival]]:
        """Arrivals of each webhook-id, oldest first."""
        grouped: dict[str, list[Arrival]] = {}
        for arrival in self.arrivals:
            grouped.setdefault(arrival.webhook_id, []).append(arrival)
        return grouped


class Arrivals:
    """A bounded record of arrivals."""

    def __init__(self, limit: int = MAX_ARRIVALS) -> None:
        self._limit = limit
        self._total = 0
        self._arrivals: list[Arrival] = []
        self._seen: dict[str, int] = {}

    def seen(self, webhook_id: str) -> int:
        """How often this webhook-id arrived before."""
        return self._seen.get(webhook_id, 0)

    def record(self, arrival: Arrival) -> None:
        """Count an arrival, and remember it while there is room."""
        self._total += 1
        if len(self._arrivals) >= self._limit:
            return
        self._arrivals.append(arrival)
        if arrival.webhook_id:
            self._seen[arrival.webhook_id] = self.seen(arrival.webhook_id) + 1

    def reset(self) -> None:
        """Forget everything."""
        self._total = 0
        self._arrivals.clear()
        self._seen.clear()

    def counts(self) -> Counts:
        """The numbers without the arrivals."""
        identified = sum(self._seen.values())
        return Counts(
            total=self._total,
            unique_ids=len(self._seen),
            repeats=identified - len(self._seen),
            duplicates=self._duplicates(),
            unidentified=len(self._arrivals) - identified,
            forgotten=self._total - len(self._arrivals),
        )

    def report(self) -> Report:
        """The numbers and the arrivals."""
        return Report(**msgspec.structs.asdict(self.counts()), arrivals=self._arrivals)

    def _duplicates(self) -> int:
        repeated = {webhook_id for webhook_id, times in self._seen.items() if times > 1}
        attempts = Counter(
            (arrival.webhook_id, arrival.attempt)
            for arrival in self._arrivals
            if arrival.webhook_id in repeated
        )
        return sum(times - 1 for times in attempts.values())
