"""Messages carry the trace in which they were sent to the process that takes them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from dramatiq import Broker, Message, Middleware
from dramatiq.broker import MessageProxy
from opentelemetry.trace import SpanKind

from storage.tracing.otel import Attributes, Tracing

OPTION = "traceparent"
AnyMessage = Message[Any] | MessageProxy


class TracedMessages(Middleware):
    """A span where a message with runs is sent, and one below it where it is taken.

    What travels is an option of the message, which older workers pass over.
    """

    def __init__(self, tracing: Tracing, actors: frozenset[str]) -> None:
        self._tracing = tracing
        self._actors = actors
        self._open: dict[str, ExitStack] = {}

    def before_enqueue(self, broker: Broker, message: Message[Any], delay: int | None) -> None:
        if message.actor_name in self._actors and OPTION not in message.options:
            self._enter("hand over", SpanKind.PRODUCER, message, None)
            message.options[OPTION] = self._tracing.traceparent()
            self._leave(message)

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        if message.actor_name in self._actors:
            sent = message.options.get(OPTION)
            self._enter("take", SpanKind.CONSUMER, message, sent)

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        self._leave(message)

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        self._leave(message)

    def _enter(self, name: str, kind: SpanKind, message: AnyMessage, parent: str | None) -> None:
        opened = self._open[message.message_id] = ExitStack()
        attributes: Attributes = {
            "messaging.system": "dramatiq",
            "messaging.destination.name": message.queue_name,
            "messaging.message.id": message.message_id,
            "messaging.batch.message_count": len(message.args[0]),
        }
        opened.enter_context(self._tracing.span(name, kind, parent=parent, attributes=attributes))

    def _leave(self, message: AnyMessage) -> None:
        opened = self._open.pop(message.message_id, None)
        if opened is not None:
            opened.close()
