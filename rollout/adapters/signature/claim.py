"""Verifying: bytes in, "this host signed this request" or UnauthenticatedError out.

The parser accepts one canonical shape of RFC 9421's fields and nothing else, at a cost bounded by
`_LONGEST`: one label `host`, the three components in their order, `created`, `keyid` and `alg` once
each in any order. A field sent twice is refused: two parties might read different ones.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rollout.adapters.signature.form import (
    COMPONENTS,
    ECDSA_P256_SHA256,
    ED25519,
    TOLERANCE_SECONDS,
    content_digest,
    signature_base,
)
from rollout.adapters.signature.key import PublicKey, verifies
from rollout.errors import UnauthenticatedError

Headers = Mapping[str, str] | Iterable[tuple[bytes, bytes]]
"""A mapping with names in lower case, or ASGI's raw header pairs (any case)."""

_LONGEST = 256
_FIELDS = (b"signature-input", b"signature", b"content-digest")
_PARAMETER = re.compile(
    r';(?:(created)=(0|[1-9][0-9]{0,14})|(keyid)="([A-Za-z0-9][A-Za-z0-9._-]{0,63})"|(alg)="([a-z0-9-]{1,32})")'
)
_SIGNATURE = re.compile(r"host=:([A-Za-z0-9+/]{86}==):")  # 64 bytes, both algorithms
_DIGEST = re.compile(r"sha-256=:[A-Za-z0-9+/]{43}=:")
_METHOD = re.compile(r"[A-Z]{1,16}")
_PATH = re.compile(r"/[!-~]{0,1023}")  # no space, no line break: the base stays unambiguous


@dataclass(frozen=True, slots=True)
class Claim:
    """Who a request says signed it, not yet believed."""

    keyid: str
    """The host id."""
    created: int
    """Unix seconds of the host's clock."""
    algorithm: str
    parameters: str
    digest: str
    signature: bytes

    def check(self, public_key: PublicKey, method: str, path: str, body: bytes, now: float) -> None:
        """Raise UnauthenticatedError unless `public_key` signed this request within five minutes of `now`.

        `path` is the raw path as sent, without query; `body` the bytes as sent; `now` in Unix seconds.
        """
        if not abs(now - self.created) <= TOLERANCE_SECONDS:
            raise _refused(
                f"`created` is {self.created - now:+.0f} s from the server's clock; at most 300 s are allowed"
            )
        if not _METHOD.fullmatch(method) or not _PATH.fullmatch(path):
            raise _refused("method or path cannot be part of a signature base")
        if not hmac.compare_digest(self.digest, content_digest(body)):
            raise _refused("Content-Digest is not that of the body as sent")
        base = signature_base(method, path, self.digest, self.parameters)
        if not verifies(public_key, self.algorithm, self.signature, base):
            raise _refused(f"the signature is not that of the key enrolled for {self.keyid}")


def is_signed(headers: Headers) -> bool:
    """Whether any signature field is there: a host speaks, or someone who says so."""
    return any(name in (b"signature-input", b"signature") for name, _ in _pairs(headers))


def parse(headers: Headers) -> Claim:
    """The claim that the signature fields make; UnauthenticatedError where one is missing, doubled or misshapen."""
    found: dict[bytes, str] = {}
    for name, value in _pairs(headers):
        if name in _FIELDS:
            if name in found:
                raise _refused(f"{name.decode()} is sent twice")
            if len(value) > _LONGEST or not value.isascii():
                raise _refused(f"{name.decode()} is too long or not ASCII")
            found[name] = value.decode("ascii")
    if len(found) != len(_FIELDS):
        raise _refused("a host signs with Signature-Input, Signature and Content-Digest")
    parameters = found[b"signature-input"].removeprefix("host=")
    created, keyid, algorithm = _parameters(parameters)
    signature = _SIGNATURE.fullmatch(found[b"signature"])
    if signature is None or parameters == found[b"signature-input"]:
        raise _refused("the label is `host`, the signature 64 bytes in base64")
    if not _DIGEST.fullmatch(found[b"content-digest"]):
        raise _refused("Content-Digest is sha-256=:<base64>: and nothing else")
    return Claim(keyid, created, algorithm, parameters, found[b"content-digest"], _bytes(signature.group(1)))


def _parameters(text: str) -> tuple[int, str, str]:
    if not text.startswith(COMPONENTS):
        raise _refused(f"the covered components are {COMPONENTS}")
    values: dict[str, str] = {}
    position = len(COMPONENTS)
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            raise _refused("the parameters are created, keyid and alg")
        name, value = (group for group in match.groups() if group is not None)
        if name in values:
            raise _refused(f"parameter {name} is given twice")
        values[name] = value
        position = match.end()
    if len(values) != 3:
        raise _refused("created, keyid and alg are all needed")
    if values["alg"] not in {ED25519, ECDSA_P256_SHA256}:
        raise _refused(f"alg {values['alg']} is not one of {ED25519}, {ECDSA_P256_SHA256}")
    return int(values["created"]), values["keyid"], values["alg"]


def _bytes(text: str) -> bytes:
    raw = binascii.a2b_base64(text, strict_mode=True)
    if base64.b64encode(raw).decode("ascii") != text:
        raise _refused("the signature is not canonical base64")
    return raw


def _pairs(headers: Headers) -> Iterable[tuple[bytes, bytes]]:
    if isinstance(headers, Mapping):
        return (
            (name.lower().encode("utf-8", "replace"), value.encode("utf-8", "replace"))
            for name, value in headers.items()
        )
    return ((name.lower(), value) for name, value in headers)


def _refused(detail: str) -> UnauthenticatedError:
    return UnauthenticatedError(f"message signature refused: {detail}", slug="signature")
