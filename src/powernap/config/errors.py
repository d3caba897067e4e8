# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a configuration."""

from powernap.shared.errors import PowernapError


class ConfigError(PowernapError):
    """A configuration that cannot be used; ``problems`` holds one sentence each, with file, key and remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
