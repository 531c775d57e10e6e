"""An HTTP target that answers nobody, and notices who hangs up."""

from __future__ import annotations

import select
import socket
import threading
from types import TracebackType

from tests.firing.listening import Listening, QuietHandler

POLL_SECONDS = 0.02


class HangingTarget(Listening):
    """Keeps requests waiting until their client goes away, or until it is told to answer."""

    def __init__(self) -> None:
        self.arrived: list[str] = []
        self.hung_up: list[str] = []
        self._answering = answering = threading.Event()
        arrived, hung_up = self.arrived, self.hung_up

        class Handler(QuietHandler):
            def do_POST(self) -> None:  # noqa: N802 (called so by http.server)
                webhook_id = self.headers["webhook-id"]
                self.rfile.read(int(self.headers.get("content-length", 0)))
                arrived.append(webhook_id)
                while not answering.is_set():
                    if _is_closed(self.connection):
                        hung_up.append(webhook_id)
                        self.close_connection = True
                        return
                self.send_response(204)
                self.end_headers()

        super().__init__(Handler)

    def answer(self) -> None:
        """Answer all requests from now on."""
        self._answering.set()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._answering.set()
        super().__exit__(kind, error, traceback)


def _is_closed(connection: socket.socket) -> bool:
    readable, _, _ = select.select([connection], [], [], POLL_SECONDS)
    try:
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except ConnectionResetError:
        return True
