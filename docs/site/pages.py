# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of the site that no other tool makes: pages.py FOLDER writes playbooks.rst and event_source.rst there.

They say what the playbooks, their variables, the rulebooks and the event source say of themselves.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import yaml
from antsibull_docs_parser.parser import Context, parse
from antsibull_docs_parser.rst import to_rst_plain

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = ("site", "status", "wake", "nap", "profile", "drain", "remove", "woken")
SOURCE = ROOT / "extensions/eda/plugins/event_source/powerwaked.py"
_COMMAND = re.compile(r"ansible-playbook powernap\.powernap\.\w+(?: \[?-\w (?:[\w./=]|\{\{)+\]?)*")


def titled(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def literal(text: str) -> str:
    return f":literal:`{text}`"


def sentences(text: str) -> str:
    found = _COMMAND.sub(lambda match: literal(match[0]), text.replace("*", "\\*"))
    return found + "." if found.endswith("`") else found


def said(file: Path) -> str:
    """The comment at the head of a YAML file; what is indented in it is code."""
    found, code = [], False
    for line in file.read_text().removeprefix("---\n").splitlines():
        if not line.startswith("#"):
            break
        text = line.removeprefix("#").removeprefix(" ")
        if text.startswith("  ") != code:
            code = not code
            found += ["", ".. code-block:: text", ""] if code else [""]
        found.append(" " + text if code else sentences(text))
    return "\n".join(found) + "\n"


def playbooks() -> str:
    parts = [titled("Playbooks", "="), "``ansible-playbook powernap.powernap.NAME`` runs them.\n"]
    for name in PLAYBOOKS:
        parts += [titled(f"powernap.powernap.{name}", "-"), said(ROOT / f"playbooks/{name}.yml")]
    variables = yaml.safe_load((ROOT / "playbooks/vars/variables.yml").read_text())["variables"]
    parts += [
        titled("Their variables", "-"),
        "Beside those of the roles. The inventory plugin sets those of the inventory.\n",
    ]
    parts.append(".. list-table::\n   :header-rows: 1\n\n   * - Variable\n     - Where\n     - What\n")
    for name, text in variables.items():
        where, _colon, what = text.partition(": ")
        parts.append(f"   * - ``{name}``\n     - {where}\n     - {what}")
    return "\n".join(parts) + "\n"


def marked(paragraphs: str | list[str]) -> list[str]:
    """Paragraphs with Ansible's markup, as those of reStructuredText."""
    each = [paragraphs] if isinstance(paragraphs, str) else paragraphs
    return [to_rst_plain(parse(text, Context())) for text in each]


def event_source() -> str:
    assigned = {
        node.targets[0].id: node.value.value
        for node in ast.parse(SOURCE.read_text()).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    page = yaml.safe_load(assigned["DOCUMENTATION"])
    parts = [titled("Event-driven Ansible", "="), titled("The event source powernap.powernap.powerwaked", "-")]
    parts += [f"{text}\n" for text in marked(page["description"])]
    parts.append(".. list-table::\n   :header-rows: 1\n\n   * - Option\n     - Type\n     - What\n")
    for name, option in page["options"].items():
        kind = f"list of {option['elements']}" if option["type"] == "list" else option["type"]
        given = f", default ``{option['default']}``" if "default" in option else ""
        what = "\n\n       ".join(marked(option["description"]))
        parts.append(f"   * - ``{name}``\n     - {kind}{given}\n     - {what}\n")
    parts += [f"{text}\n" for text in marked(page["notes"])]
    example = "\n".join(f"   {line}" for line in assigned["EXAMPLES"].strip().splitlines())
    parts.append(f".. code-block:: yaml\n\n{example}\n")
    for name in ("woken", "alerts"):
        parts += [
            titled(f"The rulebook powernap.powernap.{name}", "-"),
            said(ROOT / f"extensions/eda/rulebooks/{name}.yml"),
        ]
    return "\n".join(parts)


def main() -> None:
    folder = Path(sys.argv[1])
    (folder / "playbooks.rst").write_text(playbooks())
    (folder / "event_source.rst").write_text(event_source())


if __name__ == "__main__":
    main()
