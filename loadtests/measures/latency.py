"""How samples of latency or lateness spread."""

from collections.abc import Iterable

import msgspec


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles of a sample, in milliseconds; all 0 for an empty one."""

    samples: int
    least: float
    p50: float
    p99: float
    most: float


def spread_of(milliseconds: Iterable[float]) -> Spread:
    """Percentiles by nearest rank."""
    ordered = sorted(milliseconds) or [0.0]
    last = len(ordered) - 1
    return Spread(
        samples=len(ordered),
        least=ordered[0],
        p50=ordered[round(last * 0.50)],
        p99=ordered[round(last * 0.99)],
        most=ordered[last],
    )


def quantiles(milliseconds: Iterable[float], parts: int = 1_000) -> list[float]:
    """The values that split a sample into equal parts, the least and the most among them."""
    ordered = sorted(milliseconds) or [0.0]
    last = len(ordered) - 1
    return [ordered[round(last * part / parts)] for part in range(parts + 1)]
