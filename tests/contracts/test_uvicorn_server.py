"""What we rely on in the insides of uvicorn: app/edge/connections."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from tests.storage.eventually import eventually

REQUEST = b"GET /path?a=1 HTTP/1.1\r\nhost: h\r\n\r\n"


class Wire(asyncio.Transport):
    """A connection whose other end is a list."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Noting(HttpToolsProtocol):
    """Notes which of its methods the parser calls."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.called: list[str] = []

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.called.append("begin")

    def on_headers_complete(self) -> None:
        self.called.append(f"headers of {self.url.decode()}: {len(self.headers)}")
        super().on_headers_complete()
        self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.called.append("complete")

    def send_400_response(self, msg: str) -> None:
        self.called.append("400")


async def application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def config() -> uvicorn.Config:
    return uvicorn.Config(application, port=0, http=Noting, log_config=None)


@pytest.fixture
async def protocol() -> Noting:
    made = Noting(config=config(), server_state=ServerState(), app_state={})
    made.connection_made(Wire())
    return made


async def test_a_request_goes_through_our_methods_and_its_cycle_is_known(protocol: Noting) -> None:
    assert protocol.connections == {protocol}
    assert protocol.cycle is None
    protocol.data_received(REQUEST)
    assert protocol.called == ["begin", "headers of /path?a=1: 1", "complete"]
    cycle = protocol.cycle
    assert (cycle.response_started, cycle.response_complete, cycle.disconnected) == (False,) * 3
    assert isinstance(cycle.message_event, asyncio.Event)
    assert not protocol.pipeline
    assert not protocol.parser.should_upgrade()
    protocol.flow.resume_reading()
    await asyncio.gather(*protocol.tasks)
    assert cycle.response_complete
    written: Any = protocol.transport
    answer = b"".join(written.written)
    assert answer.startswith(STATUS_LINE[200])
    assert b"connection: close" in answer.lower()


async def test_what_the_parser_cannot_read_or_who_is_idle_is_ours_to_end(protocol: Noting) -> None:
    protocol.data_received(b"\0\r\n\r\n")
    assert protocol.called[-1] == "400"
    protocol.timeout_keep_alive_handler()
    assert protocol.transport.is_closing()


async def test_a_server_tells_of_its_doors_connections_and_protocol() -> None:
    server = uvicorn.Server(config())
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: asyncio.sleep(0, server.started), what="it listens")
    (listening,) = server.servers
    assert listening.sockets[0].getsockname()[1] > 0
    assert server.server_state.connections == set()
    assert server.config.http_protocol_class is Noting
    assert server.lifespan.state == {}
    assert not server.force_exit
    server.should_exit = True
    await asyncio.wait_for(serving, 10)
