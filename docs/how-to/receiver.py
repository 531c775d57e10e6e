"""Receives what Tocsin rings: checks the signature, and does the work of each run once.

TOCSIN_SIGNING_SECRET=whsec_... python receiver.py --port 9100 --database receiver.sqlite

Needs Python 3.11 and nothing else. Your part is `work`.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import hmac
import os
import sqlite3
import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_SECONDS = 300
"""What was signed longer ago may be an old request that somebody sends again."""
LONGEST_BODY = 1024 * 1024
REMEMBERED_SECONDS = 30 * 86_400
"""Longer than a run is retried, and than a backup that you would restore Tocsin from is old."""
SCHEMA = "CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, done_at REAL NOT NULL)"


def work(database: sqlite3.Connection, run_id: str, body: bytes) -> None:
    """Do what the run is for; whatever is written to this database is done with it or not at all.

    What lies elsewhere (a mail, a payment) is to be given the run's id as its idempotency key.
    """
    print(f"did {run_id}: {len(body)} bytes", flush=True)


class Refused(Exception):
    """The request is not Tocsin's, or not fresh."""


def verify(secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now: float) -> str:
    """Return the run's id, once one of the signatures is by one of the secrets.

    Args:
        headers: Their names in lower case.
        body: Its bytes as they came: what a JSON library writes anew is signed by nobody.
    """
    run_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise Refused("no webhook-timestamp, or not one of now")
    signed = f"{run_id}.{timestamp}.".encode() + body
    # Two while a secret is replaced by another.
    given = headers.get("webhook-signature", "").split(" ")
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        made = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        if any(hmac.compare_digest(made.encode(), one.encode()) for one in given):
            return run_id
    raise Refused("no signature by a secret that is known")


def do_once(database: sqlite3.Connection, run_id: str, body: bytes, now: float) -> bool:
    """Do the work unless it is done; a second request waits here until the first one knows."""
    with database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("DELETE FROM runs WHERE done_at < ?", (now - REMEMBERED_SECONDS,))
        found = database.execute("INSERT OR IGNORE INTO runs VALUES (?, ?)", (run_id, now))
        if found.rowcount:
            work(database, run_id, body)
    return bool(found.rowcount)


class Receiver(BaseHTTPRequestHandler):
    """Answers a POST: 204 once the work is done, 401 to strangers, 503 to be rung again."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    secrets: tuple[str, ...] = ()
    database = ""

    def do_POST(self) -> None:
        """Check first, then work, then answer: only a 2xx tells Tocsin that it is done."""
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > LONGEST_BODY:
            self.close_connection = True
            return self._answer(413 if length.isdecimal() else 411)
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            run_id = verify(self.secrets, headers, body, time.time())
        except Refused as refused:
            print(f"refused: {refused}", file=sys.stderr, flush=True)
            return self._answer(401)
        try:
            # isolation_level: transactions begin where we say so.
            with closing(sqlite3.connect(self.database, isolation_level=None)) as database:
                if not do_once(database, run_id, body, time.time()):
                    print(f"had done {run_id}", flush=True)
        except sqlite3.OperationalError as error:  # somebody else works for longer than 5 s
            print(f"busy: {error}", file=sys.stderr, flush=True)
            return self._answer(503, {"retry-after": "5"})
        except Exception:  # noqa: BLE001 (whatever it is, the work is not done)
            traceback.print_exc()
            return self._answer(500)
        return self._answer(204)

    def _answer(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: a reverse proxy in front of this keeps such a log."""


def main() -> None:
    """Serve until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--database", default="receiver.sqlite")
    chosen = parser.parse_args()
    Receiver.secrets = tuple(os.environ.get("TOCSIN_SIGNING_SECRET", "").split())
    Receiver.database = chosen.database
    try:
        if not [base64.b64decode(one.removeprefix("whsec_")) for one in Receiver.secrets]:
            sys.exit("Set TOCSIN_SIGNING_SECRET to whsec_..., or to several with spaces between.")
    except binascii.Error:
        sys.exit("TOCSIN_SIGNING_SECRET is no base64 behind whsec_.")
    with closing(sqlite3.connect(chosen.database)) as database:
        database.execute(SCHEMA)
        database.execute("PRAGMA journal_mode = WAL")
    with ThreadingHTTPServer((chosen.host, chosen.port), Receiver) as server:
        print(f"listening on http://{chosen.host}:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
