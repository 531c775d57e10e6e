"""Plays `tocsin NAME` for tests of `tocsin up`, without a schema."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from app.up.listening import inherited_socket
from app.up.supervised import exit_with_parent


class Ready(BaseHTTPRequestHandler):
    """Is ready, and knows every key but `unknown`."""

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") != "Bearer unknown"
        self.send_response(200 if known else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def serve(listening: socket.socket | None) -> None:
    """Answer on the socket that `up` opened."""
    assert listening is not None
    server = HTTPServer(listening.getsockname(), Ready, bind_and_activate=False)
    server.socket = listening
    server.serve_forever()


def main(fault: str, name: str) -> None:
    """Play a part, or fail if it is the one that is to fail."""
    exit_with_parent()
    if name == fault:
        sys.exit(f"{name} is broken")
    if name == "migrate":
        return
    if name == "key":
        sys.stdout.write(f"key-of-{os.getpid()}\n")
        return
    sys.stdout.write("urls {TOCSIN_PRIMARY_URL} {TOCSIN_REPLICA_URLS}\n".format(**os.environ))
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if name == "api":
        serve(inherited_socket())
    time.sleep(600)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
