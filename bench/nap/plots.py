# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the kept figures as SVG, beside them."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.nap.clients import AUTOSUSPEND, ORIGINAL, OURS, OURS_EVENTS
from bench.results import folder, read

mpl.rcParams.update({"svg.hashsalt": "powernap", "svg.fonttype": "none", "font.size": 9})
COLOURS = {
    ORIGINAL: "#b8b8b8",
    AUTOSUSPEND: "#7d8fa3",
    OURS: "#1f6f54",
    OURS_EVENTS: "#4fa384",
    "proc connector": "#c99a4b",
}


def bars(axes: Axes, rows: dict[str, dict[str, float]], column: str, title: str) -> None:
    """Draw one figure of each client, on a logarithmic axis, with its value beside the bar."""
    names = list(rows)
    values = [max(rows[name][column], 1e-3) for name in names]
    axes.barh(names, values, color=[COLOURS[name] for name in names], height=0.6)
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 3, max(values) * 30)
    axes.invert_yaxis()
    axes.set_title(title, loc="left")
    for row, name in enumerate(names):
        axes.text(values[row] * 1.15, row, _text(rows[name][column]), va="center")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(left=False)


def _text(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def cost() -> None:
    figures = read("nap-cost")
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    grid = figure.subplots(2, 2)
    for row, (name, said) in enumerate((("at rest", "idle"), ("in a storm", "in a storm of processes"))):
        bars(grid[row][0], figures[name], "CPU ms per s", f"CPU ms per s, {said}")
        bars(grid[row][1], figures[name], "wakeups per s", f"wakeups per s, {said}")
        grid[row][1].set_yticklabels([])
    save(figure, "cost")


def days() -> None:
    profiles = read("nap-days")["profiles"]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    shades = {"after 30 s": "#b8b8b8", "after an hour": "#7d8fa3", "powernapd": COLOURS[OURS]}
    for shift, (name, colour) in enumerate(shades.items()):
        values = [100 * rows[name]["share"] for rows in profiles.values()]
        axes.bar([place + 0.27 * (shift - 1) for place in range(len(profiles))], values, 0.25, color=colour, label=name)
    axes.axhline(90, color="black", linewidth=0.6, linestyle=":")
    axes.set_xticks(range(len(profiles)), [name.replace("-", "\n") for name in profiles])
    axes.set_ylabel("% of the oracle's sleep")
    axes.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    save(figure, "days")


def save(figure: Figure, name: str) -> None:
    path: Path = folder() / f"nap-{name}.svg"
    figure.savefig(path, metadata={"Date": None})
    print(path)


if __name__ == "__main__":
    for name, draw in (("nap-cost", cost), ("nap-days", days)):
        if (folder() / f"{name}.json").exists():  # a run may have measured one of them
            draw()
