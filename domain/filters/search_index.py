"""What jobs are found by: the words, tags, host, name and secrets of each, as terms of one index.

A term begins with a mark of its service, so that each service has an index of its own within the
shared one; and with its kind, so that a tag is not taken for a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from unicodedata import normalize
from uuid import UUID

from yarl import URL

from domain.jobs.job import Job
from domain.targets import Target, secret_names
from domain.targets.kinds.http import HttpTarget

_WORD, _TAG, _HOST, _NAME, _SECRET = "=", "#", "@", "^", "$"
_WORDS = re.compile(r"[^\W_]+")
LEAST_PREFIX_BYTES = 3
"""Shorter words are looked for whole: what begins with a letter is half of all there is. Bytes, as
one sign of some scripts says as much as three letters of others."""
_LONGEST = 200
"""Characters of a term that count: Postgres takes 2,046 bytes."""


def job_terms(service_id: UUID, job: Job) -> list[str]:
    """All that a stored job can be found by."""
    return terms_of(
        service_id, name=job.name, description=job.description, tags=job.tags, target=job.target
    )


def terms_of(
    service_id: UUID, *, name: str, description: str, tags: list[str], target: Target
) -> list[str]:
    """All that a job can be found by."""
    words = {word for text in (name, description, *tags) for word in words_of(text)}
    hosts = {host_of(target.url)} if isinstance(target, HttpTarget) else set()
    mark = _mark(service_id)
    return [
        *(_term(mark, _WORD, word) for word in words),
        *(_term(mark, _TAG, tag) for tag in set(tags)),
        *(_term(mark, _HOST, host) for host in hosts),
        *(_term(mark, _SECRET, secret) for secret in secret_names(target)),
        _term(mark, _NAME, name),
    ]


def terms_query(
    service_id: UUID,
    *,
    words: Iterable[str] = (),
    tags: Iterable[str] = (),
    target_host: str | None = None,
    name_prefix: str | None = None,
) -> str:
    """What finds the jobs by their terms, as a `tsquery`."""
    mark = _mark(service_id)
    wanted = [
        *(_quoted(_term(mark, _WORD, word)) + _beginning(word) for word in words),
        *(_quoted(_term(mark, _TAG, tag)) for tag in tags),
    ]
    if target_host is not None:
        wanted.append(_quoted(_term(mark, _HOST, target_host)))
    if name_prefix is not None:
        wanted.append(_quoted(_term(mark, _NAME, name_prefix)) + ":*")
    return " & ".join(wanted)


def secret_query(service_id: UUID, name: str) -> str:
    """What finds the jobs whose targets refer to a secret, as a `tsquery`."""
    return _quoted(_term(_mark(service_id), _SECRET, name))


def words_of(text: str) -> list[str]:
    """The words of a text, however they are written: `Nightly_Report` has two."""
    return _WORDS.findall(normalize("NFKC", text).casefold())


def host_of(url: str) -> str:
    """The host of a URL, written the one way."""
    try:
        host = URL(url).host
    except ValueError:
        host = None
    return (host or url).casefold()


def _mark(service_id: UUID) -> str:
    return blake2b(service_id.bytes, digest_size=4).hexdigest()


def _term(mark: str, kind: str, text: str) -> str:
    return f"{mark}{kind}{text[:_LONGEST]}"


def _beginning(word: str) -> str:
    """What has words found that go on behind it."""
    return ":*" if len(word.encode()) >= LEAST_PREFIX_BYTES else ""


def _quoted(term: str) -> str:
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"
