"""Rows whose counter moves while somebody lives, in SQL."""

from collections.abc import Mapping

from sqlalchemy import insert, select, update

from rollout.adapters.store.schema import beacon
from rollout.adapters.store.table import TableFamily
from rollout.errors import StaleOwnerError


class BeaconTable(TableFamily):
    """ports.judging.Beacons."""

    def move(self, name: str, owner: str) -> None:
        """Move a beacon of our own: create it or raise its counter."""
        row = self._insert(beacon).values(name=name, owner=owner, epoch=1, counter=1)
        self._run(
            row.on_conflict_do_update(index_elements=["name"], set_={"counter": beacon.c.counter + 1, "owner": owner})
        )

    def take(self, name: str, owner: str, expected_epoch: int) -> int | None:
        """Become the owner of a row: the new epoch, or None when somebody else was first."""
        if expected_epoch == 0:
            if self._scalar(select(beacon.c.name).where(beacon.c.name == name)) is not None:
                return None
            self._run(insert(beacon).values(name=name, owner=owner, epoch=1, counter=1))
            return 1
        mine = (beacon.c.name == name) & (beacon.c.epoch == expected_epoch)
        taken = self._run(
            update(beacon).where(mine).values(owner=owner, epoch=expected_epoch + 1, counter=beacon.c.counter + 1)
        )
        return expected_epoch + 1 if taken else None

    def hold(self, name: str, epoch: int) -> None:
        """Move the counter; StaleOwnerError when another epoch owns it."""
        mine = (beacon.c.name == name) & (beacon.c.epoch == epoch)
        if not self._run(update(beacon).where(mine).values(counter=beacon.c.counter + 1)):
            raise StaleOwnerError(f"{name} has another owner now")

    def all(self, prefix: str = "") -> Mapping[str, tuple[str, int, int]]:
        """By name: owner, epoch, counter."""
        rows = self._rows(select(beacon).where(beacon.c.name.startswith(prefix, autoescape=True)))
        return {row.name: (row.owner, row.epoch, row.counter) for row in rows}
