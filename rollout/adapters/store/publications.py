"""Published metadata and ring maps, in SQL."""

from collections.abc import Mapping, Sequence

from sqlalchemy import insert, select, update

from rollout.adapters.store.schema import metadata_file, repository, ring_map
from rollout.adapters.store.table import TableFamily
from rollout.errors import ConflictError
from rollout.ports.publication import RepositoryRecord
from rollout.ringmap import RingMap


class PublicationTable(TableFamily):
    """ports.publication.Publications."""

    def repository(self, name: str) -> RepositoryRecord | None:
        """One repository."""
        row = self._row(select(repository).where(repository.c.name == name))
        return None if row is None else RepositoryRecord(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name

    def repositories(self) -> Sequence[RepositoryRecord]:
        """All, by name."""
        rows = self._rows(select(repository).order_by(repository.c.name))
        return [RepositoryRecord(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

    def files(self, name: str) -> Mapping[str, bytes]:
        """The newest bytes of every file of a repository."""
        rows = self._rows(select(metadata_file).where(metadata_file.c.repository == name))
        return {row.name: row.content for row in rows}

    def file(self, name: str, file: str) -> bytes | None:
        """One file."""
        mine = (metadata_file.c.repository == name) & (metadata_file.c.name == file)
        content = self._scalar(select(metadata_file.c.content).where(mine))
        return None if content is None else bytes(content)

    def publish(self, record: RepositoryRecord, files: Mapping[str, bytes], expected_revision: int) -> None:
        """Compare and swap; ConflictError, and nothing written, when another publisher was first."""
        fields = {field: getattr(record, field) for field in RepositoryRecord.__dataclass_fields__}
        if expected_revision == 0:
            stored = self._run(self._insert(repository).values(**fields).on_conflict_do_nothing())
        else:
            mine = (repository.c.name == record.name) & (repository.c.revision == expected_revision)
            stored = self._run(update(repository).where(mine).values(**fields))
        if stored != 1:
            raise ConflictError(f"{record.name} was published by somebody else meanwhile", slug="published")
        for name, content in files.items():
            row = self._insert(metadata_file).values(
                repository=record.name, name=name, content=content, revision=record.revision
            )
            changed = {"content": content, "revision": record.revision}
            self._run(row.on_conflict_do_update(index_elements=["repository", "name"], set_=changed))

    def ring_map(self, product: str) -> RingMap | None:
        """The newest ring map of a product."""
        newest = select(ring_map.c.document).where(ring_map.c.product == product).order_by(ring_map.c.n.desc()).limit(1)
        document = self._scalar(newest)
        return None if document is None else RingMap.from_custom(document)

    def ring_maps(self) -> Mapping[str, RingMap]:
        """The newest ring map of every product that has one."""
        rows = self._rows(select(ring_map.c.product, ring_map.c.document).order_by(ring_map.c.product, ring_map.c.n))
        newest = {row.product: row.document for row in rows}
        return {product: RingMap.from_custom(document) for product, document in newest.items()}

    def add_ring_map(self, ring_map_: RingMap) -> None:
        """Store a map under its (product, n)."""
        self._run(insert(ring_map).values(product=ring_map_.product, n=ring_map_.n, document=ring_map_.to_custom()))
