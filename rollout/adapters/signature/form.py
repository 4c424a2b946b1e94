"""The one form of signature this protocol knows, written once for signer and verifier.

RFC 9421 section 2.5 (signature base) with the covered components fixed, and RFC 9530 with sha-256.
"""

import base64
import hashlib

ED25519 = "ed25519"
ECDSA_P256_SHA256 = "ecdsa-p256-sha256"
COMPONENTS = '("@method" "@path" "content-digest")'
TOLERANCE_SECONDS = 300.0
"""How far `created` may lie from the server's clock, either way (INTERFACES 1.1)."""


def content_digest(body: bytes) -> str:
    """The Content-Digest of the bytes as sent, that is after compression."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode('ascii')}:"


def signature_base(method: str, path: str, digest: str, parameters: str) -> bytes:
    """The bytes that are signed; `parameters` is the value behind `host=` exactly as it stands in the header.

    All four are printable ASCII: the signer's own, or checked by the verifier before.
    """
    return (
        f'"@method": {method}\n"@path": {path}\n"content-digest": {digest}\n"@signature-params": {parameters}'
    ).encode("ascii")
