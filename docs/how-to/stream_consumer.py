"""Takes the runs that Tocsin adds to a Redis stream: does the work of each run once.

REDIS_URL=redis://... TOCSIN_SIGNING_SECRET=whsec_... \
    python stream_consumer.py --stream orders:due --group billing --database done.sqlite

Needs Python 3.11 and redis-py (`pip install redis`). Your part is `work`.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import os
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping

import redis

IDLE_MS = 60_000
"""What another consumer has had for so long without an end is taken over: it may have died."""
REMEMBERED_SECONDS = 30 * 86_400
"""Longer than a run is retried."""
SCHEMA = "CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, done_at REAL NOT NULL)"

Entry = tuple[str, Mapping[str, str]]


def work(database: sqlite3.Connection, fields: Mapping[str, str]) -> None:
    """Do what the run is for; whatever is written to this database is done with it or not at all.

    What lies elsewhere (a mail, a payment) is to be given the run's id as its idempotency key.
    """
    print(f"did {fields['run_id']}: {fields['body']}", flush=True)


def is_signed(secret: str, fields: Mapping[str, str]) -> bool:
    """Whether one of the signatures is by the secret; others may write to the stream, too."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{fields['run_id']}.{fields['timestamp']}.{fields['body']}".encode()
    made = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    given = fields["signature"].split(" ")
    return any(hmac.compare_digest(made.encode(), one.encode()) for one in given)


def do_once(database: sqlite3.Connection, fields: Mapping[str, str]) -> None:
    """Do the work unless it is done: an entry may come twice, and a run may have two entries."""
    now = time.time()
    with database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("DELETE FROM runs WHERE done_at < ?", (now - REMEMBERED_SECONDS,))
        key = (fields["run_id"], now)
        if database.execute("INSERT OR IGNORE INTO runs VALUES (?, ?)", key).rowcount:
            work(database, fields)


def entries(server: redis.Redis, stream: str, group: str, consumer: str) -> Iterator[Entry]:
    """Entries that are not acknowledged: first those of consumers that died, then new ones."""
    try:
        server.xgroup_create(stream, group, id="0", mkstream=True)
    except redis.ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise
    while True:
        yield from server.xautoclaim(stream, group, consumer, IDLE_MS, count=100)[1]
        for _, new in server.xreadgroup(group, consumer, {stream: ">"}, count=100, block=1_000):
            yield from new


def main() -> None:
    """Work until the process is ended."""
    parser = argparse.ArgumentParser()
    for name in ("stream", "group", "database"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    secret = os.environ["TOCSIN_SIGNING_SECRET"]
    database = sqlite3.connect(given.database, isolation_level=None)
    database.execute(SCHEMA)
    server = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    consumer = f"{socket.gethostname()}-{os.getpid()}"
    for entry_id, fields in entries(server, given.stream, given.group, consumer):
        if is_signed(secret, fields):
            do_once(database, fields)
        else:
            print(f"not by Tocsin: {entry_id}", file=sys.stderr, flush=True)
        server.xack(given.stream, given.group, entry_id)


if __name__ == "__main__":
    main()
