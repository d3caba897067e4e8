# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: the shipped profiles, and other templates that know of a machine its facts only."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import PowernapError
from ansible_collections.powernap.powernap.plugins.plugin_utils._once import once

FOLDER = Path(__file__).resolve().parents[2] / "src" / "powernap" / "profiles"
SUFFIX = ".toml.j2"
_FACT = re.compile(r"\bfacts\.(\w+)")


def shipped():
    """Return the names of the profiles, sorted."""
    return sorted(path.name[: -len(SUFFIX)] for path in FOLDER.glob(f"*{SUFFIX}"))


def render(texts, facts):
    """Return {name: text} of templates {name: text}, as ansible.builtin.template would. Raises PowernapError."""
    import jinja2

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    done = {}
    for name, text in texts.items():
        try:
            done[name] = environment.from_string(text).render(facts=facts)
        except jinja2.TemplateError as error:
            raise PowernapError(f"{name} cannot be rendered: {error}") from None
    return done


def rendered(templates, facts, folder):
    """Return {name: text} of {name: template's path}, once for all hosts of the run ``folder`` that are alike in it.

    A template is given the facts that it names as facts.NAME, and no others. Raises PowernapError.
    """
    texts = {name: Path(path).read_text(encoding="utf-8") for name, path in templates.items()}
    named = sorted({name for text in texts.values() for name in _FACT.findall(text)})
    given = {name: facts[name] for name in named if name in facts}
    about = json.dumps([given, list(texts)], sort_keys=True)
    name = "powernap-" + hashlib.sha256(about.encode()).hexdigest()[:24]
    return json.loads(once(folder, name, lambda: json.dumps(render(texts, given)).encode()))
