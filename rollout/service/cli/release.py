"""Releases: build a package, verify it here, add it to the service, list what is stored."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import click

from rollout.errors import ConflictError, InvalidError, NotFoundError, SupplierError
from rollout.service.cli.output import clean, short, table
from rollout.service.cli.session import Session, form, online, session

REFUSED = 1
RELEASE = "rollout.release-added/1"
_package = click.argument("package", metavar="PACKAGE", type=click.Path(path_type=Path))


class _Builds(click.ParamType[tuple[int, int]]):
    """LO-HI, both inclusive."""

    name = "lo-hi"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        low, dash, high = str(value).partition("-")
        if not (dash and low.isdecimal() and high.isdecimal() and int(low) <= int(high)):
            self.fail(f"{value!r} is not LO-HI, such as 22621-26100", param, ctx)
        return int(low), int(high)


class _Schema(click.ParamType[tuple[str, int]]):
    """ID:FIELDS."""

    name = "id:fields"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        name, _, fields = str(value).rpartition(":")
        if not (name and fields.isdecimal()):
            self.fail(f"{value!r} is not ID:FIELDS, such as template-291:21", param, ctx)
        return name, int(fields)


@click.group("release")
@form
def release_command() -> None:
    """Build, verify and add releases."""


@release_command.command("new")
@click.option("--product", required=True)
@click.option("--counter", type=click.IntRange(0), required=True, help="Rises with every release of the product.")
@click.option("--version", required=True, help="The name that people read.")
@click.option("--kind", type=click.Choice(["content", "driver"]), required=True)
@click.option("--floor", type=click.IntRange(0), default=0, show_default=True, help="Never roll back below this.")
@click.option("--hardware", multiple=True, metavar="NAME", help="A model it fits; may be repeated. Absent: any.")
@click.option("--os-builds", type=_Builds(), default="0-4294967295", show_default=True)
@click.option("--needs-reboot", is_flag=True)
@click.option("--rollback-to", type=click.IntRange(0), help="The counter to go back to where none is known.")
@click.option("--schema", type=_Schema(), default="opaque:0", show_default=True, help="Of kind content: ID:FIELDS.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The package to write.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@form
@session
def new(
    here: Session,
    product: str,
    counter: int,
    version: str,
    kind: Literal["content", "driver"],
    floor: int,
    hardware: Sequence[str],
    os_builds: tuple[int, int],
    needs_reboot: bool,
    rollback_to: int | None,
    schema: tuple[str, int],
    out: Path,
    files: Sequence[Path],
) -> None:
    """Build a package of FILES; the same files and facts give the same bytes."""
    from rollout.release.build import Draft, build  # noqa: PLC0415 - brings pydantic, needed only here

    draft = Draft(
        product=product,
        release_counter=counter,
        version=version,
        kind=kind,
        floor=floor,
        hardware=tuple(hardware) or ("*",),
        os_builds=os_builds,
        needs_reboot=needs_reboot,
        rollback_to=rollback_to,
        schema_id=schema[0],
        fields=schema[1],
    )
    package = build(draft, _payload(files))
    _written(out, package)
    body = {"package": str(out), "product": product, "release_counter": counter, "length": len(package)}
    here.screen.document("rollout.package/1", body)
    here.screen.text(str(out))
    many = f"{len(files)} file{'s' if len(files) > 1 else ''}, {len(package):,} bytes"
    here.screen.say(f"{product}/{counter}: {many}; `rollout release add {out}`")


def _payload(files: Sequence[Path]) -> dict[str, bytes]:
    """Read the files under their own names; two of one name cannot lie in one package."""
    payload: dict[str, bytes] = {}
    for path in files:
        if path.name in payload:
            raise ConflictError(f"two of the files are called {path.name}", slug="same-name")
        payload[path.name] = _bytes(path)
    return payload


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}", slug="no-file") from error


def _written(out: Path, package: bytes) -> None:
    """Write whole or not at all: a half-written package must never be added."""
    try:
        with tempfile.NamedTemporaryFile(dir=out.parent, delete=False) as file:
            file.write(package)
        Path(file.name).chmod(0o644)
        os.replace(file.name, out)  # noqa: PTH105 - the pair of names reads best this way
    except OSError as error:
        raise InvalidError(f"{out} cannot be written: {error.strerror}", slug="no-file") from error


@release_command.command("verify")
@_package
@click.option("--trust", type=click.Path(path_type=Path), required=True, help="The trust folder.")
@form
@session
def verify(here: Session, package: Path, trust: Path) -> int:
    """Verify a package against a trust folder; no server needed."""
    from rollout.release import intake  # noqa: PLC0415 - brings pydantic and the PE reader, needed only here
    from rollout.release import trust as trusted  # noqa: PLC0415 - as above

    policy = trusted.parse(_bytes(trust / trusted.NAME))
    try:
        found = intake.verify(_bytes(package), policy)
    except SupplierError as error:
        problems = [{"code": each.code, "detail": each.detail} for each in error.problems]
        here.screen.document("rollout.verification/1", {"accepted": False, "problems": problems})
        here.screen.text("\n".join([*(clean(f"{p['code']}: {p['detail']}") for p in problems), "refused"]))
        return REFUSED
    made = found.manifest
    body = {"product": made.product, "version": made.version, "release_counter": made.release_counter}
    body |= {"kind": made.kind, "sha256": found.sha256, "length": found.length}
    here.screen.document("rollout.verification/1", {"accepted": True, **body})
    here.screen.text(f"accepted  {made.product}/{made.release_counter}  {clean(made.version)}  sha256 {found.sha256}")
    return 0


@release_command.command("add")
@_package
@online
@session
def add(here: Session, package: Path) -> None:
    """Upload a package; the service verifies and signs it, and keeps it for ever."""
    answer = here.client.upload("/releases", package, "application/zip")
    here.screen.document(RELEASE, answer.document)
    name = f"{answer.document.get('product')}/{answer.document.get('release_counter')}"
    here.screen.text(f"{name}  sha256 {answer.document.get('sha256')}")
    here.screen.say("stored" if answer.status == 201 else "was stored before: the same bytes")


@release_command.command("list")
@online
@session
def listed(here: Session) -> None:
    """List the stored releases."""
    found = here.client.get("/releases")
    here.screen.document("rollout.releases/1", found)
    rows = [("release", "version", "kind", "sha256")]
    rows += [
        (f"{r.get('product')}/{r.get('release_counter')}", r.get("version"), r.get("kind"), short(r.get("sha256")))
        for r in found.get("releases", [])
    ]
    here.screen.text("\n".join(table(rows, left=range(4))) if len(rows) > 1 else "no releases")
