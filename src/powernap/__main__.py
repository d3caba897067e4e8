# SPDX-License-Identifier: GPL-3.0-or-later
"""One archive, four programs: which one is told by the name it is called by, or by the first argument."""

import sys
from importlib import import_module
from pathlib import Path

from powernap.machine import lean

PROGRAMS = ("powernapd", "powerwaked", "powernap", "powerwake")


def main() -> int:
    """Run the program that is meant; its exit status is returned."""
    name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    if name not in PROGRAMS:
        name, arguments = (arguments[0] if arguments else ""), arguments[1:]
    if name not in PROGRAMS:
        print(f"powernap: which program? Say one of: {', '.join(PROGRAMS)}", file=sys.stderr)
        return 2
    if name == "powernapd":
        lean.import_asyncio()
    if name == "powernapd":
        _import_asyncio_without_ssl()
    status: int = import_module(f"powernap.cli.{name}").main(arguments)
    return status


def _import_asyncio_without_ssl() -> None:
    """asyncio imports ssl for TLS of its own, which powernapd never does: 4.5 MB. Who needs ssl later still finds it."""
    if "ssl" not in sys.modules:
        sys.modules["ssl"] = None  # type: ignore[assignment]  # import ssl now raises ImportError, which asyncio expects
        import_module("asyncio")
        del sys.modules["ssl"]


if __name__ == "__main__":
    sys.exit(main())
