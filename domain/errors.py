"""What a caller can get wrong; the HTTP edge answers each with one problem document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class TocsinError(Exception):
    """A refusal with a sentence that tells the caller what to do next."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFound(TocsinError):
    """The object does not exist, or belongs to another service."""


class Forbidden(TocsinError):
    """The caller is known, and has not the right."""


class QuotaExceeded(TocsinError):
    """The service uses all that it may."""


class Busy(TocsinError):
    """The service asks for more at once than is done at once."""


class Conflict(TocsinError):
    """The object's state does not allow the command."""


class PreconditionFailed(TocsinError):
    """The object is not at a version that the caller named."""


class KeyReused(TocsinError):
    """The idempotency key stands for another request."""

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another request; take a new one.")


class KeyInProgress(TocsinError):
    """A request with this idempotency key is under way."""

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is in progress; try again shortly.")


class AnswersKept(TocsinError):
    """The service has as many answers kept under idempotency keys as it may.

    Args:
        seconds: After which to try again.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(
            "This service has as much kept under its Idempotency-Keys as it may, and nothing new is"
            " done with one; send fewer or smaller requests with a key a day, or without one."
        )
        self.seconds = seconds


class Invalid(TocsinError):
    """A value breaks a rule.

    Args:
        detail: What is wrong and what would be right.
        pointer: JSON pointer (RFC 6901) to the value, from the body's root.
        others: What else is wrong.
    """

    def __init__(self, detail: str, pointer: str = "", others: Sequence[Invalid] = ()) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.others = tuple(others)

    @property
    def all(self) -> tuple[Invalid, ...]:
        """This and the others."""
        return (self, *self.others)

    def below(self, pointer: str) -> Invalid:
        """The same of a value that holds this one."""
        others = [other.below(pointer) for other in self.others]
        return Invalid(self.detail, pointer + self.pointer, others)


class Gathering:
    """Goes on after a refusal: what is wrong in several places is told at once."""

    def __init__(self) -> None:
        self._found: list[Invalid] = []

    @contextmanager
    def within(self, pointer: str = "") -> Iterator[None]:
        """Keep a refusal raised inside, its pointers placed below `pointer`."""
        try:
            yield
        except Invalid as refusal:
            self._found += refusal.below(pointer).all

    def refuse(self) -> None:
        """Raise what was kept.

        Raises:
            Invalid: With all of it, if there is any.
        """
        if self._found:
            first, *others = self._found
            raise Invalid(first.detail, first.pointer, others)


@contextmanager
def within(pointer: str) -> Iterator[None]:
    """Place the pointers of refusals raised inside below `pointer`."""
    try:
        yield
    except Invalid as refusal:
        raise refusal.below(pointer) from None
