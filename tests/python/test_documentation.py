# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages show of commands and configurations is something that the programs take.

That they do what is said, others show: of the guides tests/lab/test_guides.py, of api.md tests/net/test_api_docs.py.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from powernap.cli import arguments, powernap, powernapd, powerwake
from powernap.config import ConfigError
from powernap.config.wake import load_wake
from powernap.nap import setup
from powernap.profiles.render import host_facts, render, templates

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs/docsite/rst").glob("*.rst"))]
PAGES += sorted((ROOT / "roles").glob("*/README.md"))
PARSERS: dict[str, Callable[[list[str]], Any]] = {
    "powernap": lambda words: powernap._options(words),
    "powerwake": lambda words: powerwake._parser().parse_args(words),
    "powernapd": lambda words: powernapd._options(words),
    "powerwaked": lambda words: arguments.parse(arguments.parser("powerwaked", "", Path("/etc/x")), words),
}
PROMPT = re.compile(r"^(?:root@\w+ # |\w+# |\$ |sudo )?")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: A block of a guide, or lines that are indented as code is.
INDENTED = re.compile(r"^\.\. code-block:: (?:console|text)\n((?: .*\n|\n)+)|^((?: {4,}\S.*\n)+)", re.MULTILINE)


def code_of(page: Path) -> Iterator[str]:
    text = page.read_text()
    yield from (code for language, code in FENCE.findall(text) if language in ("", "sh"))
    yield from ("".join(found) for found in INDENTED.findall(FENCE.sub("", text)))


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command of PowerNap's programs in the code on a page."""
    for code in code_of(page):
        for line in code.replace("\\\n", " ").splitlines():
            line = PROMPT.sub("", line.strip()).partition("  # fails")[0]
            if line.split(" ")[0] in PARSERS:
                yield from _split(line)


def _split(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";|<>&")
    lexer.whitespace_split = True
    words: list[str] = []
    ended = False
    for word in [*lexer, ";"]:
        if word == ";":
            yield words
            words, ended = [], False
        elif set(word) <= set("|<>&"):
            ended = True
        elif not ended:
            words.append(word)


COMMANDS = [(page, words) for page in PAGES for words in commands(page)]


def test_commands_are_found_on_the_pages_that_are_full_of_them() -> None:
    found = [(page.name, words[:2]) for page, words in COMMANDS]
    assert len(found) > 60
    for name in ("README.md", "api.md", "enrolment.md", "orders.md", "recording.md", "waking.md", "waking_guide.rst"):
        assert name in {page for page, _words in found}
    assert ("orders.md", ["powerwake", "orders"]) in found and ("README.md", ["powernap", "inhibit"]) in found


@pytest.mark.parametrize(
    ("page", "words"), COMMANDS, ids=lambda each: shlex.join(each) if isinstance(each, list) else each.name
)
def test_a_command_is_one_that_the_program_takes(
    page: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status = 0
    try:
        PARSERS[words[0]](words[1:])
    except SystemExit as ended:
        status = int(ended.code or 0)
    assert status == 0, f"{page.name}: {shlex.join(words)}: {capsys.readouterr().err}"


def configurations() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, (language, text) in enumerate(FENCE.findall(page.read_text())):
            if language == "toml":
                yield f"{page.name} {number + 1}", text


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("profiles")
    for name, text in templates().items():
        (folder / f"{name}.toml").write_text(render(name, text, host_facts()))
    return folder


@pytest.mark.parametrize(("where", "text"), configurations(), ids=lambda each: each.partition("\n")[0])
def test_a_configuration_is_one_that_a_daemon_takes(where: str, text: str, profiles: Path, tmp_path: Path) -> None:
    file = tmp_path / "daemon.toml"
    file.write_text(text)
    problems = []
    for load in (load_wake, lambda path: setup.load(path, profile_dirs=(str(profiles),))):
        try:
            load(file)
        except ConfigError as error:
            problems.append(str(error))
    assert len(problems) < 2, problems
