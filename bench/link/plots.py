# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the kept figures of the link as one SVG, beside them."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.link.names import ECHO, ECHO_POST, ECHO_POSTS, LINK, POST, POSTS
from bench.link.tables import each_ms, rate
from bench.results import folder, read
from bench.wake.plots import plain
from bench.wake.tables import number

mpl.rcParams.update({"svg.hashsalt": "powernap", "svg.fonttype": "none", "font.size": 9})
COLOURS = {
    LINK: "#1f6f54",
    POST: "#7d8fa3",
    POSTS: "#7d8fa3",
    ECHO: "#b8b8b8",
    ECHO_POST: "#b8b8b8",
    ECHO_POSTS: "#b8b8b8",
}


def bars(axes: Axes, values: dict[str, float], title: str) -> None:
    names = list(values)
    axes.barh(range(len(names)), list(values.values()), 0.6, color=[COLOURS.get(name, "#1f6f54") for name in names])
    for place, value in enumerate(values.values()):
        axes.text(value * 1.1, place, number(value), va="center", fontsize=7)
    axes.set_yticks(range(len(names)), [name.replace(", ", "\n", 1) for name in names], fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(min(values.values()) / 3, max(values.values()) * 4)
    axes.invert_yaxis()
    axes.set_title(title, loc="left")
    plain(axes)


def main() -> None:
    figures = read("link-talk")["figures"]
    few = figures["1000"]
    messages = {**few["messages"], **few["echo"]["messages"]}
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    one, two = figure.subplots(1, 2)
    bars(one, {name: rate(row) for name, row in messages.items()}, "Messages of state a second, 1,000 linked")
    bars(two, {name: each_ms(row) for name, row in messages.items()}, "The server's CPU for each, ms")
    file = folder() / "link.svg"
    figure.savefig(file, metadata={"Date": None})
    print(file)


if __name__ == "__main__":
    main()
