"""`If-Match`: a change is made to the version that its sender knows, or not at all."""

from __future__ import annotations

import re
from typing import Annotated

from litestar.params import HeaderParameter

from app.responses.problems import BadRequest
from domain.jobs.job import Versions

IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description="The job's `ETag`, or its `version` in quotes, or several: another version is"
        " refused with 412",
    ),
]
# RFC 9110, 8.8.3 and 13.1.1.
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
# Compared strongly: `W/"1"` and `"01"` name no version of ours. What follows the version changes
# with all that a job shows, such as its next fire time; nobody's change is lost by that.
_VERSION = re.compile(r'(?<!W/)"([1-9][0-9]{0,8})(?:-[0-9a-f]+)?"')


def versions_of(if_match: str | None) -> Versions:
    """The versions that a client allows; None when it allows any.

    Raises:
        BadRequest: When these are no entity tags.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    if not _TAGS.fullmatch(if_match):
        raise BadRequest(400, 'If-Match takes entity tags in quotes, such as "1", or *.')
    return frozenset(int(version) for version in _VERSION.findall(if_match))
