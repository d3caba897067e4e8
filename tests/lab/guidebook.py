# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guide of the documentation site tells its reader to write and to run.

A block of yaml, or of text that is a file, has the file's name as its caption. A block of console has lines
`$ command` for the controller and `host# command` for a host; lines below one are what it prints, `...` standing for
anything. `# fails` at its end: it has to. Other text is only read. `.. elsewhere: FILE WORDS` before a block: that test
runs it, in those words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = re.compile(
    r"(?:^\.\. elsewhere: (?P<elsewhere>.+)\n\s*\n)?"
    r"^\.\. code-block:: (?P<kind>\w+)\n(?:   :caption: (?P<name>.+)\n)?\n(?P<text>(?:   .*\n|\n)+)",
    re.MULTILINE,
)
_COMMAND = re.compile(r"(?P<where>\$|\w+#) (?P<words>.*?)(?P<fails>  *# fails)?$")


@dataclass
class File:
    name: str
    text: str


@dataclass
class Command:
    """`host`: "" for the controller."""

    host: str
    words: str
    fails: bool
    prints: list[str] = field(default_factory=list)


@dataclass
class Elsewhere:
    test: str
    words: str


def steps(guide: Path) -> list[File | Command | Elsewhere]:
    found: list[File | Command | Elsewhere] = []
    text = guide.read_text()
    blocks = list(_BLOCK.finditer(text))
    assert len(blocks) == text.count(".. code-block::"), f"{guide}: a block that is not understood"
    for block in blocks:
        body = "".join(line.removeprefix("   ") for line in block["text"].splitlines(keepends=True)).rstrip() + "\n"
        if block["elsewhere"]:
            test, _space, words = block["elsewhere"].partition(" ")
            found.append(Elsewhere(test, words))
        elif block["kind"] == "console":
            found += _commands(body)
        elif block["name"] or block["kind"] != "text":
            found.append(File(block["name"], body))
    return found


def _commands(body: str) -> list[Command]:
    found: list[Command] = []
    for line in body.splitlines():
        command = _COMMAND.match(line)
        if command is None:
            found[-1].prints.append(line)
        else:
            host = "" if command["where"] == "$" else command["where"][:-1]
            found.append(Command(host, command["words"], bool(command["fails"])))
    return found


def prints(output: str, line: str) -> bool:
    """Whether that line is in the output, however much space is between its words."""
    wanted = re.compile(".*".join(map(re.escape, line.split("..."))))
    return any(wanted.search(" ".join(each.split())) for each in output.splitlines())


def runs(program: str, words: str) -> bool:
    """Whether a test's text has these words, one after the other, as one command.

    In Python they stand between quotes and commas, and after the program's name comes on what it is run.
    """
    text = re.sub(r"""[\s"'(),]+""", " ", program)
    first, *others = words.split()
    wanted = rf"{re.escape(first)}(?: [\w.]+)?" + "".join(f" {re.escape(word)}" for word in others)
    return re.search(rf"(?<![\w-]){wanted}(?![\w-])", text) is not None
