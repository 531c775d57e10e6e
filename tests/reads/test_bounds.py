"""The bounds that docs/explain/reads.md promises are those of the code."""

from __future__ import annotations

from storage.cache import read_cache
from storage.cache.cache_entries import LIFE
from storage.cache.job_cache_entries import NOT_FOUND_LIFE
from storage.postgres import replicas
from storage.postgres.pools import ANSWER_SECONDS, READ_SECONDS
from storage.redis.connection import AWAY_SECONDS, BUDGET_SECONDS
from tests.processes import CHECKOUT

PAGE = " ".join((CHECKOUT / "docs" / "explain" / "reads.md").read_text().split())


def test_the_page_names_the_bounds_of_the_code() -> None:
    life = LIFE.total_seconds()
    promised = [
        f"takes longer than {BUDGET_SECONDS * 1_000:.0f} ms",
        f"after {life * 0.9:.0f} to {life:.0f} seconds at the latest",
        f"up to {life:.0f} seconds old",
        f"remembered for {NOT_FOUND_LIFE.total_seconds():.0f} seconds",
        f"At most {read_cache.LOCAL_BYTES // 2**20} MiB",
        f"left alone for {replicas.FIRST_PAUSE:g} to {replicas.LONGEST_PAUSE:.0f} seconds",
        f"after {READ_SECONDS + ANSWER_SECONDS:g} seconds if it hangs",
    ]
    assert [text for text in promised if text not in PAGE] == []
    assert AWAY_SECONDS == 0.5
    assert "half a second after a failure" in PAGE
