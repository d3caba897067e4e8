# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's configuration of the documentation site; scripts/docs builds it."""

import re

from docutils import nodes

project = "PowerNap"
copyright = "The PowerNap authors"
html_title = html_short_title = "PowerNap"
html_theme = "sphinx_ansible_theme"
html_theme_options = {"collapse_navigation": False, "navigation_depth": 3}
html_show_sphinx = html_copy_source = html_use_modindex = html_use_index = False
extensions = ["sphinx_antsibull_ext", "myst_parser"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["README.md"]
myst_heading_anchors = 4
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"
nitpicky = True
suppress_warnings = ["misc.highlighting_failure"]

#: Labels of Ansible's own documentation, found without asking the network. The first that fits says the page.
ANSIBLE = "https://docs.ansible.com/ansible/latest/"
PAGES = (
    (r"ansible_collections\.(\w+)\.(\w+)\.(\w+)_(\w+)", r"collections/\1/\2/\3_\4.html"),
    (r"common_return_values", "reference_appendices/common_return_values.html"),
    (r"ansible_configuration_settings", "reference_appendices/config.html"),
    (r"(\w+)_plugins", r"plugins/\1.html"),
    (r"ANSIBLE_\w+", r"reference_appendices/config.html#envvar-\g<0>"),
)


def link_to_ansible(app, environment, node, content):
    """A reference to a label that only Ansible's documentation has."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "std" or target.startswith("ansible_collections.powernap."):
        return None
    for pattern, page in PAGES:
        if re.fullmatch(pattern, target):
            return nodes.reference("", "", content, internal=False, refuri=ANSIBLE + re.sub(pattern, page, target))
    return None


def setup(app):
    app.connect("missing-reference", link_to_ansible)
