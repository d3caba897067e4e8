# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of the link as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.link.names import ECHO, LINK, POST, POSTS
from bench.wake.tables import Line, number, rows_of, table

PARTS = ("talk", "death")
Results = dict[str, dict[str, Any]]
_FEW, _MANY = "1000", "10000"


def summary(results: Results) -> str:
    return rows_of(lines(results))


def lines(results: Results) -> Iterator[Line]:
    figures, death = results["talk"]["figures"], results["death"]["figures"]
    few, many = figures[_FEW], figures[_MANY]
    echo = few["echo"]
    asleep = [each["asleep"]["seconds"] for each in (few, many)]
    yield Line(
        "1,000 / 10,000 linked hosts say that they sleep, acknowledged",
        f"{number(asleep[0])} / {number(asleep[1])} s",
        "",
        "10,000 in 5 s",
        asleep[1] <= 5,
    )
    yield Line(
        "messages of state a second, 1,000 / 10,000 linked",
        " / ".join(number(rate(each["messages"][LINK])) for each in (few, many)),
        f"by POST {number(rate(few['messages'][POST]))}, with a connection each "
        f"{number(rate(few['messages'][POSTS]))}; aiohttp that only echoes {number(rate(echo['messages'][ECHO]))}",
    )
    yield Line(
        "server's CPU for one of them",
        " / ".join(f"{number(each_ms(each['messages'][LINK]))} ms" for each in (few, many)),
        f"by POST {number(each_ms(few['messages'][POST]))} ms, with a connection each "
        f"{number(each_ms(few['messages'][POSTS]))} ms; echo {number(each_ms(echo['messages'][ECHO]))} ms",
    )
    yield Line(
        "order, 10,000 linked: to the host that gets it, p50 / p99; until it has said that it is done",
        f"{number(many['orders']['p50'])} / {number(many['orders']['p99'])} ms; "
        f"{number(many['orders']['done p50'])} / {number(many['orders']['done p99'])} ms",
        "",
    )
    back = many["back"]["restarted"]
    yield Line(
        "10,000 hosts linked again after a restart",
        f"{number(back['from ready s'])} s; {number(back['from the stop s'])} s from the stop",
        "",
        "30 s",
        back["back"] >= back["hosts"] and back["from ready s"] <= 30,
    )
    yield Line(
        "memory for a link",
        f"{number(many['memory']['kB a link'])} kB",
        f"aiohttp that only echoes {number(echo['kB a link'])} kB",
    )
    yield Line(
        "until a dead host is called unreachable: killed / silent",
        f"{number(death['killed s'][len(death['killed s']) // 2])} / {number(death['silent s'])} s",
        "",
    )


def details(results: Results) -> str:
    figures = results["talk"]["figures"]
    head = ("linked", "", "messages a second", "p50 ms", "p99 ms", "server's CPU ms each", "herd's CPU ms each")
    rows = []
    for size, here in figures.items():
        for name, row in {**here["messages"], **here.get("echo", {}).get("messages", {})}.items():
            mine = row["herd's CPU s"] * 1e3 / row["answered"]
            rows.append((
                f"{int(size):,}",
                name,
                *(number(each) for each in (rate(row), row["p50"], row["p99"], each_ms(row), mine)),
            ))  # fmt: skip
    return "\n".join((
        table(head, rows),
        table(("hosts", "linked in s", "server's CPU ms each", "kB a link", "RSS MB"), _linked(figures)),
        table(("hosts", "asleep, acknowledged s", "p50 s", "server's CPU ms each", "RSS MB"), _asleep(figures)),
        table(
            ("hosts", "order p50 ms", "p99 ms", "done p50 ms", "p99 ms", "one to all: last has it s", "done s"),
            _orders(figures),
        ),
        table(
            ("hosts", "", "down s", "all back from the stop s", "from ready s", "tries", "failures", "CPU s"),
            _back(figures),
        ),
        table(
            ("dead", "until unreachable, s"),
            [
                ("process killed", ", ".join(number(each) for each in results["death"]["figures"]["killed s"])),
                ("silent", number(results["death"]["figures"]["silent s"])),
            ],
        ),
    ))  # fmt: skip


def _linked(figures: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for size, here in figures.items():
        row, memory = here["linked"], here["memory"]
        yield (
            f"{int(size):,}",
            number(row["seconds"]),
            number(each_ms(row)),
            number(memory["kB a link"]),
            number(memory["RSS MB"]),
        )
    echo = figures[_FEW]["echo"]
    yield (
        f"{int(_FEW):,}, aiohttp that only echoes",
        number(echo["linked"]["seconds"]),
        number(each_ms(echo["linked"])),
        number(echo["kB a link"]),
        "",
    )


def _asleep(figures: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for size, here in figures.items():
        row = here["asleep"]
        yield (
            f"{int(size):,}",
            number(row["seconds"]),
            number(row["p50"] / 1e3),
            number(each_ms(row)),
            number(row["RSS MB"]),
        )


def _orders(figures: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for size, here in figures.items():
        row = here["orders"]
        yield (
            f"{int(size):,}",
            *(
                number(row[what])
                for what in ("p50", "p99", "done p50", "done p99", "to all, last has it s", "to all, done s")
            ),
        )


def _back(figures: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for size, here in figures.items():
        for how, row in here["back"].items():
            times = (number(row[what]) for what in ("down s", "from the stop s", "from ready s"))
            yield (f"{int(size):,}", how, *times, f"{row['tries']:,}", f"{row['failures']:,}", number(row["CPU s"]))


def rate(row: dict[str, Any]) -> float:
    """Messages a second."""
    return float(row["answered"] / row["seconds"])


def each_ms(row: dict[str, Any]) -> float:
    """The server's CPU for one of them."""
    return float(row["CPU s"] * 1e3 / row["answered"])


def machine(results: Results) -> str:
    told = results["talk"]["machine"]
    loads = ", ".join(f"{part} {results[part]['machine']['load']}" for part in PARTS)
    where = f"{told['cpus']} CPUs, Linux {told['kernel']}, Python {told['python']}"
    return f"{where}; load average after each part: {loads}.\n"
