"""An OTLP receiver: takes what processes export over HTTP, as a collector would."""

from __future__ import annotations

import gzip
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.firing.listening import Listening, QuietHandler


class Link(NamedTuple):
    trace: str
    span: str


class RunDetails(NamedTuple):
    """One span, as it was exported."""

    process: str
    name: str
    trace: str
    span: str
    parent: str
    links: list[Link]
    attributes: dict[str, object]
    failed: bool


class Collector(Listening):
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.spans: list[RunDetails] = []
        spans = self.spans

        class Handler(QuietHandler):
            def do_POST(self) -> None:  # noqa: N802 (called so by http.server)
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                spans.extend(_spans_of(ExportTraceServiceRequest.FromString(body)))
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.send_header("content-type", "application/x-protobuf")
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        super().__init__(Handler)

    def of_run(self, run_id: str) -> list[RunDetails]:
        """The attempts of a run."""
        return [one for one in self.spans if one.attributes.get("tocsin.run_id") == run_id]

    def in_trace(self, trace: str, name: str) -> list[RunDetails]:
        """The spans of a trace by that name."""
        return [one for one in self.spans if (one.trace, one.name) == (trace, name)]


def _spans_of(request: ExportTraceServiceRequest) -> list[RunDetails]:
    return [
        RunDetails(
            process=next(
                one.value.string_value
                for one in resource.resource.attributes
                if one.key == "service.name"
            ),
            name=span.name,
            trace=span.trace_id.hex(),
            span=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            links=[Link(one.trace_id.hex(), one.span_id.hex()) for one in span.links],
            attributes={
                one.key: getattr(one.value, one.value.WhichOneof("value"))
                for one in span.attributes
            },
            failed=span.status.code == span.status.STATUS_CODE_ERROR,
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
