# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a run as Markdown: what the README shows, and all of them for docs/benchmarks.md. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from bench.wake.names import CLASSIC, EBPF, HELD, LEFT, ONCE, SCAPY, UNPINNED, C, cpu

PARTS = ("path", "connect", "loss", "chatter", "registering", "recovery")
SMALL, MIDDLE, LARGE = "1000", "100000", "1000000"
#: What must cost the same whatever the number of sleepers.
FLAT = ("mix", "chatter at full speed")
Results = dict[str, dict[str, Any]]


class Line(NamedTuple):
    """One row of the README. `met`: None where there is no goal."""

    what: str
    ours: str
    baseline: str
    goal: str = ""
    met: bool | None = None


def summary(results: Results) -> str:
    return rows_of(lines(results))


def rows_of(lines: Iterable[Line]) -> str:
    rows = ["| | powerwaked | in the same run | goal |", "|---|---|---|---|"]
    for line in lines:
        goal = line.goal if line.met is None else f"{line.goal}: {'met' if line.met else '**missed**'}"
        rows.append(f"| {line.what} | {line.ours} | {line.baseline} | {goal} |")
    return "\n".join(rows) + "\n"


def lines(results: Results) -> Iterator[Line]:
    yield from _path(results["path"]["figures"])
    yield from _people(results)
    yield from _server(results)


def _path(path: dict[str, Any]) -> Iterator[Line]:
    ours, scapy, floor = path[EBPF], path[SCAPY][MIDDLE], path[C][MIDDLE]
    here = ours[MIDDLE]
    mix = here["mix"]
    yield Line(
        "question to magic packet, 100,000 asleep, p50 / p99",
        f"{number(mix['p50'])} / {number(mix['p99'])} µs",
        f"scapy {number(scapy['mix']['p50'])} / {number(scapy['mix']['p99'])} µs, "
        f"C {number(floor['mix']['p50'])} / {number(floor['mix']['p99'])} µs",
        "100 µs / 1 ms",
        mix["p50"] <= 100 and mix["p99"] <= 1000,
    )
    spreads = [
        _spread(row["mix"]["p50"] for row in ours.values()),
        *(_spread(cpu(row, what) for row in ours.values()) for what in FLAT),
    ]
    yield Line(
        "from 1,000 to 1,000,000 asleep, most by least: that p50 / CPU, 1 % wake / CPU at full speed, none wakes",
        " / ".join(map(number, spreads)),
        "",
        "1.3",
        max(spreads) <= 1.3,
    )
    floods = [row["mix at full speed"] for row in ours.values()]
    yield Line(
        f"wakes lost at full speed ({_range(floods, 'frames/s')} frames/s)",
        f"{sum(each['lost'] for each in floods):.0f} of {sum(each['asked'] for each in floods):,.0f}",
        f"scapy {_lost(scapy['mix at full speed'])}, C {_lost(floor['mix at full speed'])}",
        "0",
        not any(each["lost"] for each in floods),
    )
    for what, said in (("chatter", "no frame names a sleeper"), ("mix", "1 % wake somebody")):
        mine, theirs, least = (cpu(row, what) for row in (here, scapy, floor))
        beside = f"scapy {number(theirs)} ms, C {number(least)} ms"
        yield Line(f"CPU for 10,000 frames, {said}", f"{number(mine)} ms", beside, "5 times C", mine <= 5 * least)
        yield Line(
            "the same as a share of scapy's",
            _share(mine, theirs),
            f"C {_share(least, theirs)}",
            "1/50",
            mine <= theirs / 50,
        )
    answers = [row["answer"]["p50"] for row in ours.values()]
    yield Line(
        "ARP answer from the kernel, p50",
        " / ".join(f"{number(each)}" for each in answers) + " µs at 1,000 / 100,000 / 1,000,000",
        "",
        "15 µs",
        max(answers) <= 15,
    )
    rss, loaded = ([row[what] for row in ours.values()] for what in ("RSS MB", "RSS MB at the end"))
    each = (rss[-1] - rss[0]) * 1e6 / (int(LARGE) - int(SMALL))
    yield Line(
        "memory with 1,000 / 1,000,000 asleep; after the wakes of this run",
        f"{number(rss[0])} / {number(rss[-1])} MB: {number(each)} bytes a host; "
        f"{number(loaded[0])} / {number(loaded[-1])} MB",
        f"scapy {number(path[SCAPY][SMALL]['RSS MB'])} MB with 1,000, {number(scapy['RSS MB'])} MB with 100,000",
        "60 MB at rest",
        rss[-1] <= 60,
    )
    armed, ready = here["armed after s"], here["ready after s"]
    yield Line(
        "100,000 sleepers stood in for, none in doubt: from the process's start / after ready",
        f"{number(armed)} / {number(armed - ready)} s",
        "",
        "0.3 s after ready",
        armed - ready <= 0.3,
    )


def _people(results: Results) -> Iterator[Line]:
    held, left = results["connect"]["figures"][HELD], results["connect"]["figures"][LEFT]
    most = max(max(values) for values in held.values())
    yield Line(
        f"connected after ready, s; resumed in {' / '.join(held)} s",
        " / ".join(number(_median(values)) for values in held.values()),
        "nothing held: " + " / ".join(number(_median(values)) for values in left.values()),
        "0.15 s",
        most <= 0.15,
    )
    real, played = results["loss"]["real"], results["loss"]["played"]
    ours, scapy = real[EBPF], real[SCAPY]
    yield Line(
        "connections that open, 5 % of frames and 20 % of magic packets lost",
        f"{ours['connected']} of {ours['wanted']}",
        f"scapy {scapy['connected']} of {scapy['wanted']} ({scapy['woken']} machines woke)",
        "99.9 %, which so few cannot show",
    )
    missed = [sum(row["missed"] for row in played[name].values()) for name in (EBPF, ONCE)]
    wanted = sum(row["wanted"] for row in played[EBPF].values())
    yield Line(
        "wakes missed so, played with the state machine",
        f"{missed[0]} of {wanted:,}",
        f"one volley only: {missed[1]:,} of {wanted:,}",
        "0.1 %",
        missed[0] <= 0.001 * wanted,
    )
    chatter = results["chatter"]["figures"]
    yield Line(
        f"machines woken for nothing by {chatter[EBPF]['frames']:,} frames of chatter",
        f"{chatter[EBPF]['machines woken for nothing']} of {chatter[EBPF]['of machines']}; "
        f"{chatter[EBPF]['reached user space']:,} frames reach it",
        f"scapy {chatter[SCAPY]['machines woken for nothing']} of {chatter[SCAPY]['of machines']}; "
        f"{chatter[SCAPY]['reached user space']:,} frames",
        "0",
        not chatter[EBPF]["machines woken for nothing"],
    )


def _server(results: Results) -> Iterator[Line]:
    registering = results["registering"]["figures"]
    yield Line(
        f"{registering['hosts']:,} hosts registered by one request, on disk",
        f"{number(registering['registered s'])} s",
        "",
        "5 s",
        registering["registered s"] <= 5,
    )
    yield Line(
        f"{registering['hosts']:,} hosts said by POST that they sleep",
        f"{number(registering['asleep by POST, acknowledged s'])} s",
        "",
    )
    recovery = results["recovery"]["figures"]
    yield Line(
        f"nobody answers after kill -9, {results['recovery']['hosts']:,} asleep",
        f"{number(recovery[EBPF]['gap s'])} s",
        f"not pinned: {number(recovery[UNPINNED]['gap s'])} s, classic: {number(recovery[CLASSIC]['gap s'])} s",
        "2 s",
        recovery[EBPF]["gap s"] <= 2,
    )


# All of them


def details(results: Results) -> str:
    parts = (path_table(results), connect_table(results), loss_table(results), others_table(results))
    return "\n".join(parts)


def machine(results: Results) -> str:
    told = results["path"]["machine"]
    loads = ", ".join(f"{part} {results[part]['machine']['load']}" for part in PARTS)
    where = f"{told['cpus']} CPUs, Linux {told['kernel']}, Python {told['python']}"
    return f"{where}; load average after each part: {loads}.\n"


def path_table(results: Results) -> str:
    path = results["path"]["figures"]
    head = (
        "asleep",
        "",
        "p50 µs",
        "p99 µs",
        "frames/s sent at full speed",
        "p99 µs there",
        "lost there",
        "CPU ms: chatter",
        "mix",
        "of it the process",
        "chatter at full speed",
        "mix at full speed",
        "RSS MB",
        "at the end",
        "ready s",
        "armed s",
        "after ready s",
        "CPU s of the start",
    )
    rows = []
    for size in (SMALL, MIDDLE, LARGE):
        for name in (SCAPY, C, CLASSIC, EBPF):
            row = path[name].get(size)
            if row is None:
                continue
            mix, flood = row["mix"], row["mix at full speed"]
            measured_at = ("chatter", "mix", "chatter at full speed", "mix at full speed")
            chatter, mixed, *flooded = (number(cpu(row, what)) for what in measured_at)
            armed = row.get("armed after s")
            since = [_maybe(armed), _maybe(None if armed is None else armed - row["ready after s"])]
            since.append(_maybe(row.get("CPU s of the start")))
            measured = (mix["p50"], mix["p99"], flood["frames/s"], flood["p99"])
            server = (row["RSS MB"], row["RSS MB at the end"], row["ready after s"])
            costs = (chatter, mixed, number(mix["process CPU"]), *flooded)
            row = (f"{int(size):,}", name, *map(number, measured), _lost(flood), *costs, *map(number, server), *since)
            rows.append(row)
    answers = [
        (f"{int(size):,}", *(number(row["answer"][what]) for what in ("p50", "p99", "most")))
        for size, row in path[EBPF].items()
    ]
    return table(head, rows) + "\n" + table(("asleep", "kernel's ARP answer, p50 µs", "p99 µs", "most µs"), answers)


def connect_table(results: Results) -> str:
    figures = results["connect"]["figures"]
    head = ("connected after ready, s: median (most); resumed in", *(f"{delay} s" for delay in figures[HELD]))
    rows = [
        (name, *(f"{number(_median(values))} ({number(max(values))})" for values in row.values()))
        for name, row in figures.items()
    ]
    return table(head, rows)


def loss_table(results: Results) -> str:
    real = [
        (name, *(_maybe(row[what]) for what in ("wanted", "woken", "connected", "late s, median", "late s, most")))
        for name, row in results["loss"]["real"].items()
    ]
    played = [
        (name, who, f"{row['wanted']:,}", f"{row['missed']:,}", f"{row['connected']:,}")
        for name, asked in results["loss"]["played"].items()
        for who, row in asked.items()
    ]
    first = table(("real kernels", "wanted", "woken", "connected", "after ready, median s", "most s"), real)
    return first + "\n" + table(("played", "client asks", "wanted", "missed", "connected"), played)


def others_table(results: Results) -> str:
    chatter = [(name, *(f"{value:,}" for value in row.values())) for name, row in results["chatter"]["figures"].items()]
    head = ("chatter", *next(iter(results["chatter"]["figures"].values())))
    registering = results["registering"]["figures"]
    recovery = results["recovery"]["figures"]
    return "\n".join((
        table(head, chatter),
        table(tuple(registering), [tuple(number(value) for value in registering.values())]),
        table(
            ("after kill -9", *next(iter(recovery.values()))),
            [(name, *(number(value) for value in row.values())) for name, row in recovery.items()],
        ),
    ))  # fmt: skip


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    said = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join([*said, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def number(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _share(part: float, whole: float) -> str:
    return f"1/{whole / part:,.0f}"


def _maybe(value: float | None) -> str:
    return "" if value is None else number(value)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _lost(flood: dict[str, Any]) -> str:
    return f"{flood['lost']:,.0f} of {flood['asked']:,.0f}"


def _spread(values: Iterable[float]) -> float:
    values = tuple(values)
    return max(values) / min(values)


def _range(rows: list[dict[str, Any]], what: str) -> str:
    values = [row[what] for row in rows]
    return f"{min(values):,.0f} to {max(values):,.0f}"
