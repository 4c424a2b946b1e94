"""Driver images of a package: form, identity, signature (INTERFACES section 3, "Driver").

A `.sys` needs a driver signature in every kind of package, whatever role it claims. Authenticode is not
verified by this version, so every package with a driver image is refused as `unsigned`, signed or not;
its form and identity are checked all the same, so that its maker hears all of it at once.
"""

from collections.abc import Iterator, Mapping

from rollout.errors import Problem
from rollout.release import pe
from rollout.release.manifest import Manifest


def images(manifest: Manifest, payload: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the payload's driver images by path: what claims role `sys`, and what Windows would load as one."""
    claimed = {file.path for file in manifest.files if file.role == "sys"}
    return {path: data for path, data in payload.items() if path in claimed or is_driver(path)}


def is_driver(path: str) -> bool:
    """Answer whether the name alone makes this a driver image."""
    return path.lower().endswith(".sys")


def problems(path: str, image: bytes, manifest: Manifest) -> Iterator[Problem]:
    """Yield what is wrong with one driver image: `pe`, `build`, `signature`, and `unsigned` always."""
    try:
        facts = pe.read(image)
    except pe.PeError as error:
        yield Problem("pe", f"{path}: {error}")
        yield Problem("unsigned", f"{path}: not an image, so it carries no signature")
        return
    if facts.subsystem != pe.NATIVE:
        yield Problem("pe", f"{path}: subsystem {facts.subsystem} is not NATIVE")
    yield from _build_problems(path, facts, manifest)
    yield from _signature_problems(path, image, facts)


def _build_problems(path: str, facts: pe.PeFacts, manifest: Manifest) -> Iterator[Problem]:
    builds = [build for build in manifest.builds if build.name == path]
    if len(builds) != 1:
        yield Problem("build", f"{path}: {len(builds)} entries of builds have this name, exactly one must")
        return
    pairs = (
        ("timestamp", builds[0].timestamp, facts.timestamp),
        ("size", builds[0].size, facts.size_of_image),
        ("checksum", builds[0].checksum, facts.checksum),
    )
    for field, listed, found in pairs:
        if listed != found:
            yield Problem("build", f"{path}: builds says {field} {listed}, the image has {found}")


def _signature_problems(path: str, image: bytes, facts: pe.PeFacts) -> Iterator[Problem]:
    try:
        signature = pe.certificate(image, facts)
    except pe.CertificateError as error:
        yield Problem("signature", f"{path}: {error}")
        signature = None
    reason = (
        "carries no driver signature"
        if signature is None
        else "its signature cannot be verified: this version verifies no Authenticode signatures"
    )
    yield Problem("unsigned", f"{path}: {reason}")
