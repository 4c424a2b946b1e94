"""Signing a host's requests with its own key."""

import base64

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rollout.adapters.signature.form import (
    COMPONENTS,
    ECDSA_P256_SHA256,
    ED25519,
    content_digest,
    signature_base,
)

PrivateKey = Ed25519PrivateKey | ec.EllipticCurvePrivateKey


def sign(key: PrivateKey, host: str, method: str, path: str, body: bytes, created: int) -> dict[str, str]:
    """The three header fields of a request that `host` sends; `body` as sent, `created` in Unix seconds."""
    algorithm = ED25519 if isinstance(key, Ed25519PrivateKey) else ECDSA_P256_SHA256
    digest = content_digest(body)
    parameters = f'{COMPONENTS};created={created};keyid="{host}";alg="{algorithm}"'
    signature = _signature(key, signature_base(method, path, digest, parameters))
    return {
        "content-digest": digest,
        "signature-input": f"host={parameters}",
        "signature": f"host=:{base64.b64encode(signature).decode('ascii')}:",
    }


def public_text(key: PrivateKey) -> str:
    """The public half as enrolment carries it: base64 of the raw Ed25519 key or of the SEC1 point."""
    if isinstance(key, Ed25519PrivateKey):
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    else:
        raw = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.b64encode(raw).decode("ascii")


def _signature(key: PrivateKey, base: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(base)
    r, s = decode_dss_signature(key.sign(base, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
