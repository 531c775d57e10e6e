"""Traces by OpenTelemetry; imported only where they are wanted (storage/tracing/spans.py)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import entry_points
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from storage.error_kinds import kind_of
from storage.tracing.spans import TracingError

Attributes = Mapping[str, AttributeValue]
_NAMES = {"otlp": "otlp_proto_http"}
# Of itself it would send the error's text, which may hold what somebody stored.
_ERRORS: dict[str, Any] = {"record_exception": False, "set_status_on_exception": False}
_trace_id: ContextVar[int | None] = ContextVar("trace_id", default=None)


class Tracing:
    """The spans of one process.

    Args:
        process: Which of Tocsin's this is.
        environment: Says which exporter; the SDK reads the rest of `OTEL_*` by itself.
    """

    def __init__(self, process: str, environment: Mapping[str, str]) -> None:
        name = environment.get("OTEL_SERVICE_NAME") or f"tocsin-{process}"
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: name}), id_generator=_Ids()
        )
        exporter = environment.get("OTEL_TRACES_EXPORTER") or "otlp"
        self._provider.add_span_processor(BatchSpanProcessor(_exporter(exporter)))
        self._tracer = self._provider.get_tracer("tocsin")

    @contextmanager
    def span(
        self,
        name: str,
        kind: SpanKind = SpanKind.INTERNAL,
        *,
        parent: str | None = None,
        links: Sequence[str] = (),
        attributes: Attributes | None = None,
    ) -> Iterator[Span]:
        """A span around the block, below the current one unless another parent is given.

        Args:
            parent: A `traceparent`; what is none is passed over.
            links: The same of what it has to do with.
        """
        with (
            self._tracer.start_as_current_span(
                name,
                context=None if parent is None else _extracted({"traceparent": parent}),
                kind=kind,
                attributes=attributes,
                links=[Link(context) for link in links if (context := _context_of(link)).is_valid],
                **_ERRORS,
            ) as span,
            _told(span),
        ):
            yield span

    @contextmanager
    def serving(
        self, name: str, headers: Mapping[str, str], attributes: Attributes
    ) -> Iterator[Span]:
        """A span for a request, below that of the client if its headers name one."""
        with (
            self._tracer.start_as_current_span(
                name,
                context=_extracted(headers),
                kind=SpanKind.SERVER,
                attributes=attributes,
                **_ERRORS,
            ) as span,
            _told(span),
        ):
            yield span

    @contextmanager
    def trace_of(self, trace_id: int) -> Iterator[None]:
        """Begin traces in the block with an id of their own."""
        token = _trace_id.set(trace_id)
        try:
            yield
        finally:
            _trace_id.reset(token)

    def traceparent(self) -> str | None:
        """The current span, as a header tells it."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier.get("traceparent")

    def ids(self) -> tuple[str, str] | None:
        """The current trace and span, as logs tell them."""
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)


@contextmanager
def _told(span: Span) -> Iterator[None]:
    """Mark the span of what fails with the kind of error."""
    try:
        yield
    except Exception as error:
        span.set_status(Status(StatusCode.ERROR, kind_of(error)))
        raise


class _Ids(RandomIdGenerator):
    """A run's trace has the run's id, so that whoever knows the run finds its trace."""

    def is_trace_id_random(self) -> bool:
        return _trace_id.get() is None

    def generate_trace_id(self) -> int:
        return _trace_id.get() or super().generate_trace_id()


def _extracted(headers: Mapping[str, str]) -> Context:
    return propagate.extract(headers)


def _context_of(traceparent: str) -> SpanContext:
    return trace.get_current_span(_extracted({"traceparent": traceparent})).get_span_context()


def _exporter(name: str) -> SpanExporter:
    found = entry_points(group="opentelemetry_traces_exporter", name=_NAMES.get(name, name))
    for one in found:
        exporter: SpanExporter = one.load()()
        return exporter
    raise TracingError(
        f"OTEL_TRACES_EXPORTER is {name!r}, which is not installed; try otlp or console."
    )
