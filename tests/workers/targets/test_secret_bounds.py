"""The bounds that docs/how-to/secrets.md promises are those of the code."""

from __future__ import annotations

from domain.targets import secrets, signing, tls
from storage.shards import LOOK_AHEAD
from tests.processes import CHECKOUT
from workers.targets.http import discarding, names, reading, tls_contexts
from workers.targets.http.config import DEFAULTS as HTTP
from workers.targets.secrets import KEPT_SECONDS

PAGE, OF_TARGETS = (
    " ".join((CHECKOUT / "docs" / name).read_text().split())
    for name in ("how-to/secrets.md", "reference/targets.md")
)


def test_the_page_names_the_bounds_of_the_code() -> None:
    promised = [
        f"up to {secrets.MAX_VALUE_BYTES // 1_024} KiB of UTF-8",
        f"refers to {secrets.MAX_NAMES} different secrets",
        f"a body may have {secrets.MAX_FILLED_BYTES // 2**20} MiB",
        f"and a header {secrets.MAX_HEADER_CHARACTERS // 1_024} KiB",
        f"keep a value for {KEPT_SECONDS:g} seconds",
        f"{signing.LONGEST_OVERLAP.days} days at most",
        f"up to {LOOK_AHEAD.total_seconds():g} seconds ahead",
        f"up to {tls.MAX_CA_CHARACTERS // 1_024} KiB of PEM",
        f"{reading.MOST_HEADERS} lines of 8 KiB and {reading.EXCERPT_BYTES // 1_024} KiB",
        f"{reading.MOST_BYTES // 2**20} MiB are read",
        f"{reading.MOST_BYTES_BESIDE_BODY // 1_024} KiB that are no body",
        f"{reading.MOST_INTERIM} answers with 1xx",
        f"found is kept for {HTTP.kept_seconds:g} s, a failure for {HTTP.kept_failure_seconds:g}",
        f"A look-up takes {HTTP.look_up_seconds:g} s at most",
        f"a service has {HTTP.look_ups_of_a_service} at once",
        f"Of a name, {names.MOST_ADDRESSES} addresses",
        f"keeps {tls_contexts.MOST_CONTEXTS_OF_A_SERVICE} authorities of a service ready",
        f"waits for {1 / HTTP.context_pause_seconds:g} a second",
    ]
    assert [text for text in promised if text not in PAGE] == []
    assert signing.DEFAULT_OVERLAP.days == 1


def test_the_page_of_targets_names_the_bounds_of_the_code() -> None:
    promised = [
        f"{reading.EXCERPT_BYTES // 1_024} KiB of its body are stored",
        f"more than {reading.MOST_BYTES // 2**20} MiB",
        f"{reading.MOST_BYTES_BESIDE_BODY // 1_024} KiB beside the body",
        f"a header over {reading.LONGEST_LINE // 1_024} KiB or more than {reading.MOST_HEADERS}",
        f"discards {discarding.BYTES_PER_SECOND // 2**20} MiB a second",
        f"kept for {HTTP.keep_alive_seconds:g} s without use",
        f"for {HTTP.greatest_age_seconds / 60:g} minutes in all",
    ]
    assert [text for text in promised if text not in OF_TARGETS] == []
    assert HTTP.crossing_seconds == 1
