"""Line 11, and development roots: what python-tuf does not ask of a root.

A threshold counts key ids. One key under two ids, or in two spellings, would meet a threshold of two
alone, so keys of a role must differ by their raw bytes, in the given root and in every later one.
"""

import hashlib
from collections.abc import Iterable

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from rollout.adapters.trust.tuf import Key, Root
from rollout.directive.refusal import RefusedError


def require_sound(roots: Iterable[Root], *, loopback: bool) -> None:
    """RefusedError where a role counts one key twice, or a development root is met away from loopback."""
    for root in roots:
        for role in root.roles:
            keys = role_keys(root, role)
            if len(set(keys)) != len(keys):
                raise RefusedError("duplicate-key", f"root {root.version} lists one key of {role} twice")
        if not loopback and "x-development" in root.unrecognized_fields:
            raise RefusedError("metadata", f"root {root.version} is a development root, fit for loopback only")


def role_keys(root: Root, role: str) -> list[bytes]:
    """The raw public keys that a root lists for a role; RefusedError `duplicate-key` for one it cannot read."""
    return [_raw(root.keys[keyid]) for keyid in root.roles[role].keyids if keyid in root.keys]


def fingerprint(root: Root, role: str) -> str:
    """A digest of the set of keys of a role: version marks belong to it."""
    digest = hashlib.sha256()
    for key in sorted(role_keys(root, role)):
        digest.update(hashlib.sha256(key).digest())
    return digest.hexdigest()


def _raw(key: Key) -> bytes:
    try:
        public = key.keyval["public"]
        if key.keytype == "ed25519":
            return bytes.fromhex(public)
        return load_pem_public_key(public.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception as error:  # cryptography names no closed set of errors for a broken key
        raise RefusedError("duplicate-key", f"key {key.keyid!a:.80} cannot be compared with others") from error
