# SPDX-License-Identifier: GPL-3.0-or-later
"""One archive, five programs: which one is told by the name it is called by, or by the first argument."""

import sys
from importlib import import_module

PROGRAMS = ("powernapd", "powernap-hands", "powerwaked", "powernap", "powerwake")


def main() -> int:
    """Run the program that is meant; its exit status is returned."""
    name, arguments = sys.argv[0].rpartition("/")[2], sys.argv[1:]
    if name not in PROGRAMS:
        name, arguments = (arguments[0] if arguments else ""), arguments[1:]
    if name not in PROGRAMS:
        print(f"powernap: which program? Say one of: {', '.join(PROGRAMS)}", file=sys.stderr)
        return 2
    if name in ("powernapd", "powernap-hands"):
        from powernap.machine import lean

        lean.hash_without_openssl()
        lean.leave_tls_for_later()
    status: int = import_module(f"powernap.cli.{name.replace('-', '_')}").main(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
