"""The TUF shell: bytes in, verified views or a refusal out (line 1, with 11 and 12 on the way).

A new client for every poll, in an empty folder: what was trusted yesterday is the given root and the
high-water marks, nothing else. Of the cache only the newest targets file is used again, since the
snapshot pins it by hash; deleted or damaged, it is fetched.
"""

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuf.api.exceptions import DownloadError, ExpiredMetadataError

from rollout.adapters.trust.files import replace
from rollout.adapters.trust.tuf import (
    FetcherInterface,
    Metadata,
    Root,
    Snapshot,
    Targets,
    Timestamp,
    Updater,
    UpdaterConfig,
)
from rollout.directive.refusal import RefusedError
from rollout.host.fetch import CAPS
from rollout.host.roots import require_sound


@dataclass(frozen=True, slots=True)
class Verified:
    """One repository's metadata, all of it signed by whom its root names, none of it expired."""

    root: Root
    timestamp: Timestamp
    snapshot: Snapshot
    targets: Targets

    @property
    def parts(self) -> tuple[Root | Timestamp | Snapshot | Targets, ...]:
        """All four."""
        return (self.root, self.timestamp, self.snapshot, self.targets)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a repository is fetched: its base URL, how, the root given for it, and whether it is this machine's."""

    url: str
    fetcher: FetcherInterface
    trusted_root: bytes
    loopback: bool
    cache: Path | None = None


def verify(source: Source, now: datetime, *, director: bool) -> Verified:
    """Verify a repository as of `now`; RefusedError with `fetch`, `duplicate-key`, `metadata` or `lease-over`."""
    with tempfile.TemporaryDirectory(prefix="rollout-tuf-") as name:
        folder = Path(name)
        _seed(source.cache, folder)
        verified = _refreshed(source, folder, now, director=director)
        require_sound(_roots(folder), loopback=source.loopback)
        _keep(folder, source.cache)
        return verified


def _client(source: Source, folder: Path, now: datetime) -> Updater:
    config = UpdaterConfig(prefix_targets_with_hash=False)
    client = Updater(str(folder), source.url, fetcher=source.fetcher, config=config, bootstrap=source.trusted_root)
    # The one place that sets the client's time. The attribute is private: hence the exact pin of tuf, and a test.
    client._trusted_set.reference_time = now  # noqa: SLF001 - no public way to give python-tuf the time
    return client


def _refreshed(source: Source, folder: Path, now: datetime, *, director: bool) -> Verified:
    client: Updater | None = None
    try:
        client = _client(source, folder, now)
        client.refresh()
        trusted = client._trusted_set  # noqa: SLF001 - the exact pin of tuf covers it
        return Verified(trusted.root, trusted.timestamp, trusted.snapshot, trusted.targets)
    except RefusedError:
        raise
    except DownloadError as error:
        raise RefusedError("fetch", f"{source.url}: {error}") from error
    except ExpiredMetadataError as error:
        # Only the root speaks for more than the lease: without a valid one nothing is known.
        lease = director and client is not None and not client._trusted_set.root.is_expired(now)  # noqa: SLF001 - as above
        raise RefusedError("lease-over" if lease else "metadata", f"{source.url}: {error}") from error
    except Exception as error:  # signed garbage surfaces from python-tuf as any type
        raise RefusedError("metadata", f"{source.url}: {type(error).__name__} {error}") from error


def _roots(folder: Path) -> list[Root]:
    """The given root and every later one that python-tuf accepted and kept."""
    return [Metadata[Root].from_bytes(path.read_bytes()).signed for path in (folder / "root_history").iterdir()]


def _seed(cache: Path | None, folder: Path) -> None:
    if cache is None:
        return
    with suppress(OSError):
        if cache.is_file():
            with cache.open("rb") as file:
                (folder / "targets.json").write_bytes(file.read(CAPS["targets"]))


def _keep(folder: Path, cache: Path | None) -> None:
    if cache is None:
        return
    with suppress(OSError):  # a cache that cannot be written costs a download, nothing else
        data = (folder / "targets.json").read_bytes()
        if not cache.is_file() or cache.read_bytes() != data:
            cache.parent.mkdir(parents=True, exist_ok=True)
            replace(cache, data)
