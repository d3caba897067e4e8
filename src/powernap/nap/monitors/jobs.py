# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while a batch job runs here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar

from powernap.machine import cgroups
from powernap.nap.monitors.groups import Found, GroupMonitor
from powernap.shared.schema import Option

#: What is there while a job of each system runs on this machine.
SPOOLS = {
    # slurmd's folders of batch jobs, and the sockets of slurmstepd: NODE_JOB.STEP; groups of version 1
    "slurm": (
        "var/spool/slurm*/job[0-9]*",
        "var/spool/slurm*/*_[0-9]*.[0-9]*",
        "var/lib/slurm/slurmd/job[0-9]*",
        "var/lib/slurm/slurmd/*_[0-9]*.[0-9]*",
        "sys/fs/cgroup/freezer/slurm*/uid_*/job_*",
    ),
    # atd renames a job that it runs: its first letter, the queue, becomes "=" (at's atd.c)
    "at": ("var/spool/cron/atjobs/=*", "var/spool/at/=*", "var/spool/atjobs/=*"),
    # pbs_mom of OpenPBS and TORQUE: the job's file is on the machines where it runs
    "pbs": ("var/spool/pbs/mom_priv/jobs/*.JB", "var/spool/torque/mom_priv/jobs/*.JB"),
    # HTCondor's startd: the sandbox of a job
    "condor": ("var/lib/condor/execute/dir_*",),
    "gridengine": ("var/spool/gridengine/execd/*/active_jobs/*", "opt/sge/*/spool/*/active_jobs/*"),
}
#: Slurm's groups of version 2: .../slurmstepd.scope/job_N, with the node's name before it where there are several.
STEPD = re.compile(r".*slurmstepd\.scope")
JOB = re.compile(r"job_(\d+)")


class JobsMonitor(GroupMonitor):
    """Read from what each system keeps on the machine where the job runs; none of them is asked."""

    kind = "jobs"
    summary = "a batch job runs here (Slurm, at and batch, PBS, HTCondor, Grid Engine)"
    source: ClassVar[str] = "spool folders and control groups"
    options = (
        Option(
            "systems",
            "strs",
            tuple(SPOOLS),
            "the batch systems to look for",
            choices=tuple(SPOOLS),
            example=["slurm"],
        ),
        Option(
            "files",
            "strs",
            (),
            "of another system: files or folders that exist while a job runs; * stands for many",
            example=["/var/spool/lsf/exec/*"],
        ),
        Option(
            "groups",
            "strs",
            (),
            "of another system: names of control groups with processes in them while a job runs; * stands for many",
            example=["gitlab-job-*.scope"],
        ),
    )

    def __init__(self, name: str, values: Mapping[str, Any], root: Path = Path("/")) -> None:
        super().__init__(name, {option.name: option.default for option in self.options} | dict(values), root)
        self._patterns = [(system, pattern) for system in self.values["systems"] for pattern in SPOOLS[system]]
        self._patterns += [("job", pattern.lstrip("/")) for pattern in self.values["files"]]
        self._slurm = "slurm" in self.values["systems"]

    def places(self) -> tuple[str, ...]:
        return tuple(f"/{pattern}" for _system, pattern in self._patterns)

    def find(self) -> Found:
        files = {
            path: f"{system} {path.name}" for system, pattern in self._patterns for path in self.root.glob(pattern)
        }
        parents = {str(Path(pattern).parent) for _system, pattern in self._patterns}
        folders = {folder for parent in parents for folder in self.root.glob(parent) if folder.is_dir()}
        groups, places = self._groups()
        return Found(groups, places, files, tuple(sorted(folders)))

    def _groups(self) -> tuple[dict[Path, str], tuple[Path, ...]]:
        wanted = self.values["groups"]
        try:
            top = cgroups.top(self.root)
        except FileNotFoundError:
            if wanted:
                raise
            return {}, ()
        groups, places = {}, [top]
        for group, entered in cgroups.below(
            top, lambda name: name.endswith(".slice") or STEPD.fullmatch(name) is not None
        ):
            if entered:
                places.append(group)
            job = JOB.fullmatch(group.name) if self._slurm and STEPD.fullmatch(group.parent.name) else None
            if job is not None:
                groups[group] = f"slurm job {job[1]}"
            elif any(fnmatchcase(group.name, pattern) for pattern in wanted):
                groups[group] = group.name
        return groups, tuple(places)

    def none(self, found: Found) -> str:
        return "no job runs"
