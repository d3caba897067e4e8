# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap migrate."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from powernap.cli.commands.base import say
from powernap.shared.errors import PowernapError

NAME = "migrate"
SUMMARY = "turn a configuration of the original PowerNap into powernapd's"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", default="/etc/powernap/config", metavar="FILE", help="default: %(default)s")
    parser.add_argument("-o", "--output", metavar="FILE", help="write it there, where there is no file yet")


def run(options: argparse.Namespace) -> int:
    from powernap.migrate import is_original, migrate

    try:
        text = Path(options.file).read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise PowernapError(f"{options.file}: cannot be read: {error.strerror}: name the original's file") from error
    if not is_original(text):
        raise PowernapError(f"{options.file}: is no configuration of the original, such as [ProcessMonitor]: name that")
    made = migrate(text)
    if options.output:
        _write(Path(options.output), made.toml)
    told = [{"line": item.line, "key": item.key, "sentence": item.sentence} for item in made.told]
    content = {"ok": True, "toml": made.toml, "told": told, "file": options.output or ""}
    done = f"wrote {options.output}: see its head, then 'powernapd --check-config {options.output}'"
    say(options, content, done if options.output else made.toml.removesuffix("\n"))
    if not options.json:
        for item in made.told:
            where = f"{options.file}:{item.line}: " if item.line else ""
            print(f"{where}{item.key}{': ' if item.key else ''}{item.sentence}", file=sys.stderr)
    return 0


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise PowernapError(f"{file}: is there already: move it away, or name another with -o") from error
    except OSError as error:
        raise PowernapError(f"{file}: cannot be written: {error.strerror}") from error
