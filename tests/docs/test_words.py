"""The glossary's words are used, and the words that they replaced do not come back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from storage.schema.metadata import metadata
from tests.docs.pages import headings
from tests.docs.reference.metrics import families
from tests.docs.reference.rooms import tracked
from tests.processes import CHECKOUT

GLOSSARY = "docs/glossary.md"
BANNED = {
    "=turn": "share, overlap_lock or rotation",
    "turns": "share, overlap_lock or rotation",
    "key_ring": "encryption_keys",
    "let_go": "withdrawn, unbuffer, expire or stop",
    "held": "claimed_buffer",
    "held_by": "owned_by",
    "holder": "lease",
    "place": "keyset, associated_data, sequence or lsn",
    "entries": "cache_entry or ledger_row",
    "retry_at": "claimable_at",
    "doorbell": "blocking_consumer",
    "room": "backpressure",
    "gates": "target_limiter",
    "slots": "concurrency_limiter",
    "pace": "rate_control",
    "strain": "health_signal",
    "lines": "fair_queue",
    "lane": "priority",
    "telling": "target_status_publisher",
    "measuring": "gauges",
    "vitals": "process_health",
    "void_before": "invalid_before",
    "lasting_reads": "authorization_cache",
    "short_cut": "cached_reads",
    "listings": "search_index",
    "terms": "search_index",
    "fold": "aggregate",
    "folded": "aggregate",
    "folding": "aggregate",
    "told": "recorded",
    "hand_over": "dispatch",
    "handed_over": "dispatch",
    "handing_over": "dispatch",
    "take_back": "unclaim",
    "garbage": "gc_tuning",
    "more_runs": "extra_runs",
    "pitfalls": "warnings",
    # Plain words, which only as a whole name stand for something of ours.
    "=waiting": "fair_queue",
    "=commits": "consistency_tokens",
    "=due": "claimable",
    "=position": "keyset or sequence",
    "=workers": "processes (the table)",
}
"""By the old word: what stands in its stead. Banned as a part of a name; with `=`, as a whole."""
NOT_YET = {
    "turns",
    "let_go",
    "held",
    "held_by",
    "retry_at",
    "listings",
    "terms",
    "=position",
    "=workers",
}
"""Names of tables and columns, which the glossary maps to their words: docs/adr/0016."""
SHOWN = {
    "tocsin_dispatcher_held_runs",
    "tocsin_folded_runs_total",
    "tocsin_handed_over_runs_total",
    "tocsin_ringer_held_bytes",
}
"""Metrics that keep their names, since dashboards and alerts of others use them."""
_TEXTS = ("*.py", "*.md", "*.sql", "*.yaml", "*.json")
_SOURCES = ("app", "client", "commands", "domain", "loadtests", "queries", "storage", "workers")


def terms() -> list[str]:
    page = (CHECKOUT / GLOSSARY).read_text()
    rows = re.findall(r"^\| (.+?) \| .+ \|$", page, re.MULTILINE)
    return [row for row in rows if row not in ("term", "---")]


def test_the_glossary_is_complete_and_in_one_line_each() -> None:
    assert len(terms()) == len(set(terms())) > 90
    longest = max((CHECKOUT / GLOSSARY).read_text().splitlines(), key=len)
    assert len(longest) < 200, longest


def test_every_term_is_used() -> None:
    own = {GLOSSARY, "tests/docs/test_words.py"}
    text = "\n".join(
        (CHECKOUT / path).read_text() for path in tracked(*_TEXTS) if path not in own
    ).casefold()
    unused = {
        term
        for term in terms()
        if not re.search("[ _-]?".join(re.split("[ _-]", term.casefold())), text)
    }
    assert unused == set()


def test_no_banned_word_is_in_a_name() -> None:
    found: dict[str, set[str]] = {}
    for name, where in names():
        for word in BANNED:
            if is_in(word, name):
                found.setdefault(word, set()).add(where)
    new = {word: (BANNED[word], found[word]) for word in found if word not in NOT_YET}
    assert new == {}
    assert NOT_YET - found.keys() == set(), "take these out of NOT_YET"


def names() -> Iterator[tuple[str, str]]:
    """Names of modules, folders, tables, columns, metrics, and headings, and where each stands."""
    for path in set(tracked("*.py", "*.sql")):
        if path.startswith(_SOURCES) and "/migrations/" not in path:
            *folders, name = PurePosixPath(path).with_suffix("").parts
            # A statement is named with its folder.
            yield (f"{folders[-1]}_{name}" if path.endswith(".sql") else name), path
            yield from ((folder, path) for folder in folders[1:])
    for table in metadata.tables.values():
        yield table.name, table.name
        for column in table.columns:
            yield column.name, f"{table.name}.{column.name}"
    for metric in families().keys() - SHOWN:
        yield metric, metric
    for path in tracked("docs/*.md", "README.md"):
        for heading in headings(path):
            yield "_".join(re.findall(r"\w+", heading.casefold())), f"{path}: {heading}"


def is_in(word: str, name: str) -> bool:
    if word.startswith("="):
        return name == word[1:]
    return f"_{word}_" in f"_{name}_"


def test_a_banned_word_is_found_as_a_part_of_a_name() -> None:
    assert is_in("held_by", "held_by")
    assert is_in("turn", "pass_turn")
    assert not is_in("turn", "return_code")
    assert not is_in("=due", "due_at")
