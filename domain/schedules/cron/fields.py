"""The numbers that one field of a cron expression names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from domain.errors import Invalid

_HASHED = re.compile(r"H(?:\((\w+)-(\w+)\))?")
_LONGEST_QUOTE = 40


@dataclass(frozen=True, kw_only=True)
class Field:
    """What a field may hold.

    Attributes:
        label: The field's name; part of what `H` and `~` hash, so it must never change.
        spread_high: The last number that `H` and `~` choose unless they are told a range.
        names: Names of the numbers from `low` on.
        wraps: Whether a range may run over the end, such as FRI-MON, and 7 is a second zero.
    """

    label: str
    low: int
    high: int
    spread_high: int
    names: tuple[str, ...] = ()
    wraps: bool = False


def _field(label: str, low: int, high: int) -> Field:
    return Field(label=label, low=low, high=high, spread_high=high)


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

SECOND = _field("second", 0, 59)
MINUTE = _field("minute", 0, 59)
HOUR = _field("hour", 0, 23)
# Every month has a 28th, so a job that is spread over the month misses none.
DAY = Field(label="day-of-month", low=1, high=31, spread_high=28)
MONTH = Field(label="month", low=1, high=12, spread_high=12, names=_MONTHS)
WEEKDAY = Field(label="day-of-week", low=0, high=6, spread_high=6, names=_WEEKDAYS, wraps=True)
YEAR = _field("year", 1970, 2199)


def is_unrestricted(text: str) -> bool:
    """Whether a field leaves its noun open: it begins with `*`, or is `?`.

    `H/n` and `~` restrict: they name numbers of their own.
    """
    return text.startswith("*") or text == "?"


def seed_for(text: str, seed: str) -> str:
    """The seed if a text is spread by it, else none: all seeds share what is cached of the text.

    Args:
        text: In capitals.
    """
    return seed if "H" in text or "~" in text else ""


def numbers(text: str, field: Field, seed: str) -> tuple[int, ...]:
    """The numbers that a field names, in order.

    Raises:
        Invalid: With the part at fault and what would be right.
    """
    return tuple(sorted({one for part in text.split(",") for one in part_of(part, field, seed)}))


def part_of(part: str, field: Field, seed: str) -> Sequence[int]:
    """The numbers that one part of a field's list names."""
    base, slash, step_text = part.partition("/")
    step = _step(step_text, part, field) if slash else 1
    if base.startswith("H"):
        named = _hashed(base, field, seed, step if slash else None)
    elif "~" in base:
        named = _random(base, field, seed, stepped=bool(slash))
    else:
        named = _span(base, field, stepped=bool(slash))[::step]
    return [number % 7 for number in named] if field.wraps else named


def number(text: str, field: Field) -> int:
    """A number, or the name of one."""
    if text in field.names:
        return field.low + field.names.index(text)
    highest = field.high + field.wraps
    # A length first: int() raises on thousands of digits.
    if text.isdigit() and len(text) <= 4 and field.low <= int(text) <= highest:
        return int(text)
    if not text:
        raise refusal(field, "has an empty part; leave out the surplus ',', '-', '~' or '/'")
    names = f" or names from {field.names[0]} to {field.names[-1]}" if field.names else ""
    raise refusal(
        field, f"cannot hold {quoted(text)}; use numbers from {field.low} to {highest}{names}"
    )


def refusal(field: Field, problem: str) -> Invalid:
    """What is wrong with a field."""
    return Invalid(f"The {field.label} field {problem}.")


def quoted(text: str) -> str:
    """Text of an expression as a refusal repeats it."""
    return repr(text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…")


def _step(text: str, part: str, field: Field) -> int:
    longest = field.high - field.low + 1
    if text.isdigit() and len(text) <= 4 and 1 <= int(text) <= longest:
        return int(text)
    raise refusal(
        field, f"cannot step as in {quoted(part)}; after '/' use a number from 1 to {longest}"
    )


def _span(base: str, field: Field, *, stepped: bool) -> range:
    if base == "*":
        return range(field.low, field.high + 1)
    first, dash, last = base.partition("-")
    if dash:
        return _range(number(first, field), number(last, field), base, field)
    alone = number(base, field)
    if not stepped:
        return range(alone, alone + 1)
    start = alone % 7 if field.wraps else alone
    return range(start, field.high + 1)


def _range(first: int, last: int, text: str, field: Field) -> range:
    if first > last and field.wraps:
        last += 7
    if first > last:
        raise refusal(field, f"has the reversed range {quoted(text)}; put the smaller number first")
    return range(first, last + 1)


def _hashed(base: str, field: Field, seed: str, step: int | None) -> range:
    match = _HASHED.fullmatch(base)
    _require_spreadable(field)
    if match is None:
        raise refusal(
            field, f"cannot hold {quoted(base)}; spread it with H, H(a-b), H/n or H(a-b)/n"
        )
    if match[1] is None:
        span = range(field.low, field.spread_high + 1)
    else:
        span = _range(number(match[1], field), number(match[2], field), base, field)
    if step is None:
        return _chosen(span, field, seed)
    return span[_hash(seed, field) % min(step, len(span)) :: step]


def _random(base: str, field: Field, seed: str, *, stepped: bool) -> range:
    _require_spreadable(field)
    if stepped:
        raise refusal(field, f"cannot step from {quoted(base)}; use H(a-b)/n instead")
    first, _, last = base.partition("~")
    low = number(first, field) if first else field.low
    high = number(last, field) if last else field.spread_high
    return _chosen(_range(low, high, base, field), field, seed)


def _require_spreadable(field: Field) -> None:
    if field is YEAR:
        raise refusal(field, "cannot be spread with H or ~; name the years")


def _chosen(span: range, field: Field, seed: str) -> range:
    index = _hash(seed, field) % len(span)
    return span[index : index + 1]


def _hash(seed: str, field: Field) -> int:
    text = f"{seed}\0{field.label}".encode(errors="surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
