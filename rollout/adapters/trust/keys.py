"""Ed25519 keys in files, and the key sets of a development machine.

A private key is a PEM file (PKCS#8, mode 0600). In production the Image keys never come near a server:
the ceremony holds them, two of three for root and targets. `up` makes all of them under `<data>/keys`.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from rollout.adapters.trust.tuf import CryptoSigner
from rollout.errors import DamagedError, NotFoundError

ROLES = ("root", "timestamp", "snapshot", "targets")


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """Who signs a role, and how many of them must."""

    signers: tuple[CryptoSigner, ...]
    threshold: int = 1


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one repository, by role."""

    root: RoleKeys
    timestamp: RoleKeys
    snapshot: RoleKeys
    targets: RoleKeys

    def of(self, role: str) -> RoleKeys:
        """The keys of a role by its TUF name."""
        return {"root": self.root, "timestamp": self.timestamp, "snapshot": self.snapshot, "targets": self.targets}[
            role
        ]


def create_key(path: Path) -> CryptoSigner:
    """A new key in a new file, durable before it is returned; FileExistsError when there is one already."""
    signer = CryptoSigner.generate_ed25519()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(signer.private_bytes)
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link, unlike a rename, never replaces the key that another process has just made.
        os.link(draft, path)
    finally:
        draft.unlink()
    return signer


def load_key(path: Path) -> CryptoSigner:
    """The key in a file; NotFoundError without one, DamagedError when it is not an ed25519 key."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError as error:
        raise NotFoundError(f"no key file {path.name}; make one with a key ceremony or start `rollout up`") from error
    except (ValueError, TypeError) as error:
        raise DamagedError(f"{path.name} holds no private key; restore it from its backup") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise DamagedError(f"{path.name} holds a key that is not ed25519; restore it from its backup")
    return CryptoSigner(key)


def load_or_create(path: Path) -> CryptoSigner:
    """The key in a file, made first where there is none; two processes at once get the same key."""
    if not path.exists():
        try:
            return create_key(path)
        except FileExistsError:
            pass  # another process was quicker
    return load_key(path)


def development_image_keys(folder: Path) -> KeySet:
    """The Image repository's development keys: three for root and for targets, of which two must sign."""
    return KeySet(
        root=RoleKeys(_numbered(folder, "root", 3), 2),
        targets=RoleKeys(_numbered(folder, "targets", 3), 2),
        snapshot=RoleKeys(_numbered(folder, "snapshot", 1)),
        timestamp=RoleKeys(_numbered(folder, "timestamp", 1)),
    )


def development_director_keys(folder: Path, ring: str) -> KeySet:
    """A ring's Director keys: its own root, and its own online key for everything else."""
    online = RoleKeys((load_or_create(folder / ring / "online.pem"),))
    root = RoleKeys((load_or_create(folder / ring / "root.pem"),))
    return KeySet(root=root, timestamp=online, snapshot=online, targets=online)


def _numbered(folder: Path, role: str, count: int) -> tuple[CryptoSigner, ...]:
    return tuple(load_or_create(folder / f"{role}-{number}.pem") for number in range(1, count + 1))
