"""Keys of hosts: raw Ed25519 (32 bytes), or P-256 as a SEC1 point (33 or 65 bytes; TPMs)."""

import base64
import binascii

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from rollout.adapters.signature.form import ECDSA_P256_SHA256, ED25519
from rollout.errors import MalformedError

_ALGORITHM_BY_LENGTH = {32: ED25519, 33: ECDSA_P256_SHA256, 65: ECDSA_P256_SHA256}
PublicKey = Ed25519PublicKey | ec.EllipticCurvePublicKey


def decode(text: str) -> bytes:
    """The raw key behind its standard base64; MalformedError unless it is a key of one of the two kinds."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise MalformedError("public_key is not base64", slug="public-key") from None
    if base64.b64encode(raw).decode("ascii") != text:
        raise MalformedError("public_key is not canonical base64: one key has one spelling", slug="public-key")
    public_key(raw)
    return raw


def public_key(raw: bytes) -> PublicKey:
    """The key object to verify with; MalformedError where the bytes are no key."""
    kind = _ALGORITHM_BY_LENGTH.get(len(raw))
    if kind is None:
        raise MalformedError(f"public_key has {len(raw)} bytes; 32 (ed25519) or 33/65 (P-256 point)", slug="public-key")
    try:
        if kind == ED25519:
            return Ed25519PublicKey.from_public_bytes(raw)
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except (ValueError, UnsupportedAlgorithm):
        raise MalformedError("public_key is no point of its curve", slug="public-key") from None


def verifies(key: PublicKey, algorithm: str, signature: bytes, message: bytes) -> bool:
    """Whether `signature` (64 bytes: Ed25519, or r and s of RFC 9421 section 3.3.4) is this key's on `message`.

    False where the algorithm named is not the key's own: the sender does not choose how a key is used.
    """
    try:
        if isinstance(key, Ed25519PublicKey):
            if algorithm != ED25519:
                return False
            key.verify(signature, message)
        else:
            if algorithm != ECDSA_P256_SHA256:
                return False
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
