"""Every `rollout …` that a page or a sentence of the program names exists, with the options it is shown with."""

import re
import shlex

import click
import pytest

from rollout.service.cli.main import cli
from tests.docs.pages import DOCS

SOURCE = DOCS.parent
PAGES = [SOURCE / "README.md", SOURCE / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
PROGRAM = sorted(path for folder in ("rollout", "workflows") for path in (SOURCE / folder).rglob("*.py"))
ELSEWHERE = {"host", "swarm", "simulate", "crash"}  # commands that other pages and tests answer for
SCRIPT = {"test", "check", "style"}  # what `./run` does itself


def named(path):
    """The commands in backticks, and those of shell blocks, as lists of words."""
    text = path.read_text()
    found = re.findall(r"`(?:\./run|rollout) ([^`{\n]+)`", re.sub(r"\s*\n\s*(?![|`#])", " ", text))
    for block in re.findall(r"^```sh.*?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        found += re.findall(r"(?:^|\$\(|\"\$\(|until )\s*rollout ([^|>;)\n]+)", block, re.MULTILINE)
    return found


def wrong(words):
    """What does not exist of one command, None if all does."""
    command, left = cli, re.sub(r"\[|\]|…", " ", words).split("|")[0]
    path = shlex.split(left) if left.count('"') % 2 == 0 else left.split()
    options = {name for each in cli.params for name in each.opts}
    while path and isinstance(command, click.Group):
        word = path.pop(0)
        if word.startswith("-"):
            path = path[1:] if word in {"--url", "--token-file"} else path
            continue
        if word == "COMMAND" or word in ELSEWHERE | SCRIPT:
            return None
        command = command.get_command(click.Context(command), word)
        if command is None:
            return f"{words!r}: there is no command {word!r}"
    options |= {name for each in command.params for name in each.opts} | {"--help"}
    unknown = [word for word in path if word.startswith("--") and word.partition("=")[0] not in options]
    return f"{words!r}: {unknown[0]} is not known" if unknown else None


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_of_a_page_exists(path):
    assert [said for words in named(path) if (said := wrong(words))] == []


def test_every_command_that_the_program_names_exists():
    found = [(path.name, said) for path in PROGRAM for words in named(path) if (said := wrong(words))]
    assert found == []
