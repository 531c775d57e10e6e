"""What every kind of target can tell of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import msgspec
from msgspec import Struct

from domain.targets.secrets import Reference, in_json, references


class TargetKind(Struct, frozen=True, kw_only=True, tag_field="type"):
    """A target as it is stored; a subclass is a kind.

    Attributes:
        payload_field: The field with the JSON that is sent.
    """

    payload_field: ClassVar[str]

    @property
    def reached(self) -> str:
        """The name of what attempts reach, and may overload together."""
        raise NotImplementedError

    def check(self, allowed: Any) -> None:
        """Refuse what could never be rung.

        Args:
            allowed: What the operator says of targets of this kind.

        Raises:
            Invalid: With a pointer to the value at fault.
        """
        raise NotImplementedError

    @property
    def payload_bytes(self) -> int:
        """How much is sent."""
        payload = getattr(self, self.payload_field)
        return len(bytes(payload)) if isinstance(payload, msgspec.Raw) else 0

    def references(self) -> Iterator[Reference]:
        """The secrets that it refers to.

        Raises:
            Invalid: With a pointer to a reference that is malformed.
        """
        payload = getattr(self, self.payload_field)
        if isinstance(payload, msgspec.Raw):
            yield from references(bytes(payload).decode(), f"/{self.payload_field}")

    def with_secrets(self, values: Mapping[str, str]) -> Self:
        """The target with values in place of references.

        Raises:
            Invalid: When it gets too long.
        """
        field = self.payload_field
        payload = getattr(self, field)
        if not isinstance(payload, msgspec.Raw):
            return self
        return msgspec.structs.replace(self, **{field: in_json(payload, values, f"/{field}")})
