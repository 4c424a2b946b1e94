"""Intake: is this package one that may ever be rolled out?

In: its bytes and the trust policy. Out: what was verified, or every failed check that can be reached.
Archive and manifest come first, each alone, since nothing after them can be read without them.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rollout.errors import Problem
from rollout.release import archive, content, driver, manifest
from rollout.release.manifest import Manifest
from rollout.release.refusal import refusal, refuse
from rollout.release.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class Verified:
    """A package that passed every check; `length` in bytes, `sha256` of the whole package in lower-case hex."""

    manifest: Manifest
    sha256: str
    length: int


def verify(package: bytes, trust: TrustPolicy) -> Verified:
    """Verify a package; raise `SupplierError` whose `problems` carry the codes of INTERFACES section 3."""
    payload = archive.members(package)
    document = payload.pop(manifest.NAME, None)
    if document is None:
        raise refuse("manifest", f"the package has no {manifest.NAME}")
    described = manifest.parse(document)
    problems = [*_file_problems(described, payload), *_kind_problems(described, payload, trust)]
    if problems:
        raise refusal(problems)
    return Verified(described, hashlib.sha256(package).hexdigest(), len(package))


def _file_problems(described: Manifest, payload: Mapping[str, bytes]) -> Iterator[Problem]:
    """Yield where `files` and the members differ: `files`, `length`, `hash`."""
    listed = Counter(file.path for file in described.files)
    yield from (Problem("files", f"{path}: listed {n} times") for path, n in listed.items() if n > 1)
    yield from (Problem("files", f"{path}: a member that is not listed") for path in payload if path not in listed)
    # each path once, or a path listed 4 096 times would be hashed as often
    for file in {file.path: file for file in described.files}.values():
        data = payload.get(file.path)
        if data is None:
            yield Problem("files", f"{file.path}: listed, but no member")
        elif len(data) != file.length:
            yield Problem("length", f"{file.path}: {len(data)} bytes, the manifest says {file.length}")
        elif hashlib.sha256(data).hexdigest() != file.sha256:
            yield Problem("hash", f"{file.path}: its SHA-256 is not the manifest's")


def _kind_problems(described: Manifest, payload: Mapping[str, bytes], trust: TrustPolicy) -> Iterator[Problem]:
    """Yield what is wrong with the payload itself: `content`, `pe`, `build`, `signature`, `unsigned`."""
    if described.content is not None:
        yield from content.problems(described.content, payload, trust)
    images = driver.images(described, payload)
    for path, image in images.items():
        yield from driver.problems(path, image, described)
    if not images and described.kind == "driver":
        # or content could be called a driver, and no record of it would be counted
        yield Problem("unsigned", "a driver package without a driver image carries no driver signature")
    if not images and described.kind == "content" and not trust.allow_unsigned_content:
        yield Problem("unsigned", "content carries no signature, and the trust folder allows none without")
