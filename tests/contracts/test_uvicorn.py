"""What we rely on within uvicorn's protocol (app/edge/connections), which it promises to nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

REQUEST = b"POST /jobs HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n"
REFUSED_WITH = (400, 408, 413, 414, 431, 503)


class Connection(asyncio.Transport):
    """A socket that is always read."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def close(self) -> None: ...


class Watched(HttpToolsProtocol):
    """Tells what it is called for, as our own would hear it."""

    def __init__(self, app: Any, *, refuses: bool = False) -> None:
        config = uvicorn.Config(app, ws="none", access_log=False)
        super().__init__(config=config, server_state=ServerState(), app_state={})
        self.heard: list[str] = []
        self._refuses = refuses
        self.connection = Connection()
        self.connection_made(self.connection)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.heard.append("begin")

    def on_headers_complete(self) -> None:
        self.heard.append(f"head of {len(self.headers)} at {self.url.decode()}")
        if self._refuses:
            raise ConnectionAbortedError
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.heard.append("end")
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self.heard.append("refused")


async def answer(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())["more_body"]:
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def test_a_request_is_heard_of_part_by_part_and_answered_by_its_cycle() -> None:
    protocol = Watched(answer)
    protocol.data_received(REQUEST)
    assert protocol.heard == ["begin", "head of 2 at /jobs"]
    cycle = protocol.cycle
    assert (cycle.response_started, cycle.response_complete, cycle.disconnected) == (False,) * 3
    assert cycle.keep_alive
    assert not protocol.pipeline
    protocol.data_received(b"{}")
    assert protocol.heard[2:] == ["end"]
    async with asyncio.timeout(5):
        await asyncio.gather(*protocol.tasks)
    assert cycle.response_complete
    assert protocol.timeout_keep_alive_task is not None
    assert protocol.connection.written[0].startswith(STATUS_LINE[204])
    protocol.timeout_keep_alive_task.cancel()


async def test_a_head_that_is_refused_ends_what_the_parser_has_in_hand() -> None:
    protocol = Watched(answer, refuses=True)
    protocol.data_received(REQUEST + b"{}" + REQUEST)
    assert protocol.heard == ["begin", "head of 2 at /jobs", "refused"]
    assert protocol.cycle is None


def test_every_refusal_has_a_status_line() -> None:
    assert all(STATUS_LINE[status].startswith(b"HTTP/1.1 ") for status in REFUSED_WITH)
