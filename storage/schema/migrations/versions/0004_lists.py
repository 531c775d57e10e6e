"""What lists look jobs and runs up by."""

# Annotations are not postponed: Alembic hides the module, in which msgspec would look them up.
import re
from collections.abc import Iterator
from hashlib import blake2b
from unicodedata import normalize
from uuid import UUID

import msgspec
from alembic import op
from msgspec import UNSET, Raw, Struct, UnsetType
from sqlalchemy import Connection, Row, text
from yarl import URL

revision = "0004"
down_revision = "0003"

_UP = """
CREATE TABLE listings (
    service_id uuid NOT NULL,
    id uuid NOT NULL,
    terms tsvector NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (service_id, id)
);
CREATE INDEX listings_by_term ON listings USING gin (terms) WITH (fastupdate = off);
CREATE INDEX listings_by_update ON listings (service_id, updated_at, id);

CREATE INDEX jobs_to_fire ON jobs (service_id, next_fire_for, id) WHERE next_fire_for IS NOT NULL;
CREATE INDEX jobs_idle ON jobs (service_id, id) WHERE next_fire_for IS NULL;
CREATE INDEX jobs_paused ON jobs (service_id, id) WHERE paused;

ALTER TABLE runs ADD COLUMN let_go boolean NOT NULL
    GENERATED ALWAYS AS (state IN ('cancelled', 'skipped_overlap')) STORED;
CREATE INDEX runs_open_of_service ON runs (service_id, id) WHERE open;
CREATE INDEX runs_let_go ON runs (service_id, id) WHERE let_go;
CREATE INDEX runs_by_hand ON runs (service_id, id) WHERE trigger <> 'schedule';
DROP INDEX runs_to_abort;
CREATE INDEX runs_to_abort ON runs (service_id, id) WHERE abort
"""

_DOWN = """
DROP INDEX runs_to_abort;
CREATE INDEX runs_to_abort ON runs (held_by) WHERE abort;
DROP INDEX runs_open_of_service, runs_by_hand, jobs_to_fire, jobs_idle, jobs_paused;
ALTER TABLE runs DROP COLUMN let_go;
DROP TABLE listings
"""

_BATCH = 1_000
_JOBS = text("""
SELECT service_id, id, name, description, tags, target::text, updated_at FROM jobs
WHERE (service_id, id) > (:service_id, :id) ORDER BY service_id, id LIMIT :batch
""")
_LIST = text("""
INSERT INTO listings (service_id, id, terms, updated_at)
VALUES (:service_id, :id, array_to_tsvector(:terms), :updated_at)
""")


# What jobs were found by, as the code of then had it: later code may have it otherwise.
_WORDS = re.compile(r"[^\W_]+")
_SECRET = re.compile(r"(?P<escaped>\$?)\$\{secret\.(?P<name>[A-Za-z_][A-Za-z0-9_-]{0,63})\}")
_LONGEST = 200


class _Target(Struct):
    type: str
    url: str = ""
    headers: dict[str, str] = {}
    body: Raw | UnsetType = UNSET
    payload: Raw | UnsetType = UNSET


def upgrade() -> None:
    for statement in _UP.split(";\n"):
        op.execute(statement)
    _list_jobs(op.get_bind())


def downgrade() -> None:
    for statement in _DOWN.split(";\n"):
        op.execute(statement)


def _list_jobs(connection: Connection) -> None:
    service_id = job_id = "00000000-0000-0000-0000-000000000000"
    while True:
        found = {"service_id": service_id, "id": job_id, "batch": _BATCH}
        rows = connection.execute(_JOBS, found).all()
        if not rows:
            return
        listed = [
            {
                "service_id": row.service_id,
                "id": row.id,
                "terms": _terms(row),
                "updated_at": row.updated_at,
            }
            for row in rows
        ]
        connection.execute(_LIST, listed)
        service_id, job_id = rows[-1].service_id, rows[-1].id


def _terms(job: Row[tuple[object, ...]]) -> list[str]:
    target = msgspec.json.decode(job.target, type=_Target)
    mark = blake2b(UUID(str(job.service_id)).bytes, digest_size=4).hexdigest()
    found = {("^", job.name), *(("#", tag) for tag in job.tags)}
    for words in (job.name, job.description, *job.tags):
        found |= {("=", word) for word in _WORDS.findall(normalize("NFKC", words).casefold())}
    if target.type == "http":
        found.add(("@", _host(target.url)))
    found |= {("$", name) for name in _secrets(target)}
    return [f"{mark}{kind}{term[:_LONGEST]}" for kind, term in found]


def _host(url: str) -> str:
    try:
        host = URL(url).host
    except ValueError:
        host = None
    return (host or url).casefold()


def _secrets(target: _Target) -> Iterator[str]:
    sent = [bytes(part).decode() for part in (target.body, target.payload) if part is not UNSET]
    for words in (*target.headers.values(), *sent):
        for match in _SECRET.finditer(words):
            if not match["escaped"]:
                yield match["name"]
