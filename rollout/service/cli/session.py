"""What every command shares: the flags, the screen, the server, and an ID that may be a product.

`--json`, `--plain`, `--url` and `--token-file` stand on every command and, before the command's name, on
`rollout` itself; the one nearer to the command wins.
"""

import sys
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import click

from rollout.errors import NotFoundError
from rollout.service.cli.client import Answer, Client, segment
from rollout.service.cli.output import Screen
from rollout.service.cli.server import Flags, bearer, locate

Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])
ROLLOUT = "rollout.rollout/1"  # the schema of `GET /rollouts/{id}` on stdout


class Session:
    """One run of the program."""

    def __init__(self) -> None:
        self.screen = Screen()
        self.url: str | None = None
        self.token_file: str | None = None

    @cached_property
    def client(self) -> Client:
        """The server, found on first use: commands that need none never look for one."""
        return Client(locate(Flags(self.url, self.token_file)))

    @property
    def token(self) -> str:
        """The token that flag or environment give, for a door that is not the control API's."""
        found = bearer(Flags(token_file=self.token_file))
        if found is None:
            raise click.UsageError("a token is needed: --token-file FILE, or ROLLOUT_TOKEN_FILE")
        return found

    def rollout(self, name: str) -> dict[str, Any]:
        """Return the document of a rollout, or of the newest rollout of a product.

        Raises:
            NotFoundError: neither exists.
        """
        try:
            return self.client.get(f"/rollouts/{segment(name)}")
        except NotFoundError:
            return self.client.get(f"/rollouts/{segment(self.newest(name))}")

    def identity(self, name: str) -> str:
        """Return the id behind a name."""
        return str(self.rollout(name)["rollout"])

    def newest(self, product: str) -> str:
        """Return the id of a product's newest rollout; the API lists newest first."""
        for each in self.client.get("/rollouts").get("rollouts", []):
            if str(each.get("release", "")).partition("/")[0] == product:
                return str(each["rollout"])
        raise NotFoundError(f"there is no rollout and no product with a rollout called {product!r}", slug="no-rollout")

    def act(self, name: str, verb: str, body: dict[str, Any]) -> Answer:
        """Do something to a rollout, in one exchange when `name` is an id: a halt must not wait for a look-up."""
        try:
            return self.client.post(f"/rollouts/{segment(name)}/{verb}", body)
        except NotFoundError:
            return self.client.post(f"/rollouts/{segment(self.newest(name))}/{verb}", body)


session = click.make_pass_decorator(Session, ensure=True)


def interactive() -> bool:
    """Whether a person can be asked: they see the question and can answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def form(command: Wrapped) -> Wrapped:
    """Add `--json` and `--plain`."""
    return _flag("--json", "json", "One JSON document on stdout.")(
        _flag("--plain", "plain", "No colour, no redrawing.")(command)
    )


def online(command: Wrapped) -> Wrapped:
    """Add the form flags, `--url` and `--token-file`."""
    url = _value("--url", "url", "URL", "The control API (else ROLLOUT_URL).")
    return url(with_token(command))


def with_token(command: Wrapped) -> Wrapped:
    """Add the form flags and `--token-file`."""
    token = _value("--token-file", "token_file", "FILE", "A file that holds the token (else ROLLOUT_TOKEN_FILE).")
    return token(form(command))


def _flag(name: str, field: str, words: str) -> Callable[[Wrapped], Wrapped]:
    def keep(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            setattr(context.ensure_object(Session).screen, field, True)

    return click.option(name, is_flag=True, expose_value=False, callback=keep, is_eager=True, help=words)


def _value(name: str, field: str, metavar: str, words: str) -> Callable[[Wrapped], Wrapped]:
    def keep(context: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None:
            setattr(context.ensure_object(Session), field, value)

    return click.option(name, metavar=metavar, expose_value=False, callback=keep, is_eager=True, help=words)
