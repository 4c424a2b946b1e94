"""Bodies: bytes from the wire to bytes of JSON, bounded at every step."""

import contextlib
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from isal import isal_zlib

from rollout.errors import MalformedError

MIB: Final = 1024 * 1024
HOST_LIMIT: Final = 64 * 1024
"""Bytes of a single host's report, before and after decompression."""
BODY_LIMIT: Final = MIB
EXPANDED_LIMIT: Final = 8 * MIB
DEEPEST: Final = 32
_GZIP: Final = 31  # zlib's number for: gzip wrapper, largest window
_MOST_MEMBERS: Final = 64
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


async def read(receive: Receive, declared: bytes | None, limit: int) -> bytes:
    """The body as sent, at most `limit` bytes; MalformedError `too-large` as soon as that is known.

    `declared` is the Content-Length field, if there was one.
    """
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MalformedError("the connection ended before the body did", slug="incomplete")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def decode(body: bytes, coding: bytes | None, limit: int) -> bytes:
    """The JSON bytes behind Content-Encoding: well-formed UTF-8 of at most `limit` bytes and 32 levels.

    What a host may send names nothing twice. In a collector's batch the last one counts: to look for it there would
    cost more than twice what decoding does (264 ms against 103, 10 000 beats beside other load).
    """
    plain = _expand(body, coding, limit)
    if not plain.isascii():
        try:
            plain.decode("utf-8")
        except UnicodeDecodeError:
            raise MalformedError("the body is not UTF-8", slug="malformed") from None
    if b"\\u0000" in plain:
        raise MalformedError("a text may not contain the character NUL", slug="malformed")
    if not _is_shallow(plain):
        raise MalformedError(f"the body is nested deeper than {DEEPEST} levels", slug="malformed")
    if limit <= HOST_LIMIT:
        _refuse_twins(plain)
    return plain


def _refuse_twins(body: bytes) -> None:
    with contextlib.suppress(ValueError, RecursionError):  # what is no JSON is refused by who decodes it
        json.loads(body, object_pairs_hook=_untwinned, parse_int=str)  # an int too long to read hides no twin


def _untwinned(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise MalformedError("a name stands twice in one object", slug="malformed")


def _expand(body: bytes, coding: bytes | None, limit: int) -> bytes:
    name = (coding or b"identity").strip().lower()
    if name == b"identity":
        if len(body) > limit:
            raise _too_large(limit)
        return body
    if name != b"gzip":
        raise MalformedError("Content-Encoding is gzip or nothing", slug="unsupported-coding")
    return _gunzip(body, limit)


def _gunzip(body: bytes, limit: int) -> bytes:
    """Expand every member; never more than one byte above the limit is ever made."""
    parts: list[bytes] = []
    size = 0
    rest = body
    for _ in range(_MOST_MEMBERS):
        member = isal_zlib.decompressobj(wbits=_GZIP)
        try:
            part = member.decompress(rest, limit + 1 - size)
        except isal_zlib.error:  # type: ignore[misc]  # a type without type information
            raise MalformedError("the body is not gzip", slug="malformed") from None
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not member.eof:
            raise MalformedError("the gzip stream is cut short", slug="malformed")
        rest = member.unused_data
        if not rest:
            return b"".join(parts)
    raise MalformedError("the gzip stream has too many members", slug="malformed")


def _is_shallow(body: bytes) -> bool:
    """Whether brackets nest no deeper than allowed; strings are looked into only where that matters.

    Small bodies are judged exactly. In large ones brackets inside strings may hide depth from this count;
    the decoder's own limit then ends them.
    """
    if len(body) <= HOST_LIMIT:
        return _depth_within(_STRING.sub(b"", body).translate(_ONE_KIND, _NOT_BRACKETS))
    return _depth_within(body.translate(_ONE_KIND, _NOT_BRACKETS)) or _depth_within(
        _STRING.sub(b"", body).translate(_ONE_KIND, _NOT_BRACKETS)
    )


def _depth_within(brackets: bytes) -> bool:
    """Peel one level a round; what does not pair at all is left to the decoder to refuse."""
    for _ in range(DEEPEST):
        if not brackets:
            return True
        peeled = brackets.replace(b"[]", b"")
        if len(peeled) == len(brackets):
            return brackets.count(b"[") <= DEEPEST
        brackets = peeled
    return not brackets


def _too_large(limit: int) -> MalformedError:
    return MalformedError(f"the body is larger than {limit} bytes", slug="too-large")
