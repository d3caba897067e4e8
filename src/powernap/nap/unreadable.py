# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that powernapd reads itself, and its user may not: root, who checks a configuration, may read everything.

What only root may read, such as keys and lock files, powernap-hands reads: of that nothing is told here.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

from powernap.config import NapConfig
from powernap.config.there import file_of
from powernap.nap import monitors, warnings
from powernap.nap.hands.server import USER
from powernap.nap.kinds import Options
from powernap.nap.warnings import by_hands

BROKER = ("broker_password_file", "broker_ca_file")
#: Options of programs, of sockets, and of what powernap-hands reads.
OTHERS = ("sendmail", "socket", "password_file")
#: ProtectHome=yes of powernapd's unit.
HIDDEN = (Path("/home"), Path("/root"), Path("/run/user"))
#: A configuration elsewhere is a draft, which powernapd will not read there.
INSTALLED = Path("/etc")
TEST_SECONDS = 10.0


def unreadable(config: NapConfig, user: str = USER) -> Iterator[str]:
    """Yield one sentence for each file: file, key and remedy. Nothing where it cannot be known: only root can try."""
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        return
    if os.geteuid() != 0:
        return
    for file in sorted({*config.origin.values()}):
        place = Path(file).resolve()
        for sentence in _said(str(place), account) if INSTALLED in place.parents else ():
            yield f"{file}: {sentence}"
    for key, file in _named(config):
        for sentence in _said(file, account):
            yield f"{file_of(config.origin, key)}: {key}: {file} {sentence}"


def _named(config: NapConfig) -> Iterator[tuple[str, str]]:
    if config.server.broker:
        for name in BROKER:
            yield f"server.{name}", getattr(config.server, name)
    for table, sections, kinds in (
        ("monitors", config.monitors, Options(monitors.KINDS)),
        ("warnings", config.warnings, Options(warnings.KINDS)),
    ):
        for section in sections.values():
            if table == "warnings" and by_hands.by_root(section.kind, section.values):
                continue
            for option in kinds[section.kind]:
                if option.type == "path" and option.name not in OTHERS:
                    yield f"{table}.{section.name}.{option.name}", str(section.values[option.name])


def _said(file: str, account: pwd.struct_passwd) -> Iterator[str]:
    path = Path(file)
    if not file or not path.is_absolute() or not path.exists():
        return
    who = f"user {account.pw_name}, as which powernapd runs"
    hidden = [folder for folder in HIDDEN if folder in path.parents]
    if hidden:
        yield f"cannot be read by powernapd, whose unit hides {hidden[0]} (ProtectHome): put it in /etc/powernap"
        return
    try:
        if _may(account, "-r", path):
            return
        shut = [folder for folder in reversed(path.parents) if not _may(account, "-x", folder)]
    except (OSError, subprocess.SubprocessError):
        return
    if shut:
        yield f"cannot be read by {who}: run 'chmod o+x {shut[0]}', or put it in /etc/powernap"
    else:
        yield f"cannot be read by {who}: run 'chgrp {_group(account)} {file}' and 'chmod g+r {file}'"


def _may(account: pwd.struct_passwd, what: str, path: Path) -> bool:
    """Raises OSError, SubprocessError: it cannot be tried."""
    groups = os.getgrouplist(account.pw_name, account.pw_gid)
    done = subprocess.run(
        ["test", what, str(path)],
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=groups,
        cwd="/",
        timeout=TEST_SECONDS,
        check=False,
    )
    return done.returncode == 0


def _group(account: pwd.struct_passwd) -> str:
    import grp

    try:
        return grp.getgrgid(account.pw_gid).gr_name
    except KeyError:
        return str(account.pw_gid)
