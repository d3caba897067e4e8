# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the kept figures of the wake server as one SVG, beside them."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.results import folder, read
from bench.wake.names import CLASSIC, EBPF, HELD, LEFT, SCAPY, C, cpu
from bench.wake.tables import number

mpl.rcParams.update({"svg.hashsalt": "powernap", "svg.fonttype": "none", "font.size": 9})
COLOURS = {SCAPY: "#b8b8b8", C: "#c99a4b", CLASSIC: "#7d8fa3", EBPF: "#1f6f54", LEFT: "#7d8fa3", HELD: "#1f6f54"}
CPU_SIZE = "100000"


def latency(axes: Axes, figures: dict[str, Any]) -> None:
    for name, colour in COLOURS.items():
        rows = figures.get(name, {})
        for what, style in (("p50", "-"), ("p99", ":")):
            sizes = [int(size) for size in rows]
            if sizes:
                label = name.removeprefix("powerwaked, ").split()[0].rstrip(",") if what == "p50" else None
                values = [rows[str(size)]["mix"][what] for size in sizes]
                axes.plot(sizes, values, style, color=colour, marker="o", markersize=3, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("sleeping hosts")
    axes.set_title("Question to magic packet, µs (dotted: p99)", loc="left")
    axes.legend(frameon=False, fontsize=8, loc="center right", bbox_to_anchor=(1.05, 0.55))
    plain(axes)


def cpu_bars(axes: Axes, figures: dict[str, Any]) -> None:
    names = [name for name in (SCAPY, C, CLASSIC, EBPF) if CPU_SIZE in figures.get(name, {})]
    for row, (what, shade) in enumerate((("mix", 1.0), ("chatter", 0.5))):
        values = [max(cpu(figures[name][CPU_SIZE], what), 0.01) for name in names]
        places = [place + 0.36 * row for place in range(len(names))]
        axes.barh(places, values, 0.34, color=[COLOURS[name] for name in names], alpha=shade)
        for place, value in zip(places, values, strict=True):
            axes.text(value * 1.15, place, number(value), va="center", fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(0.5, 20000)
    axes.set_yticks([place + 0.18 for place in range(len(names))], [name.split(" (")[0] for name in names])
    axes.invert_yaxis()
    axes.set_title("CPU ms for 10,000 frames, 100,000 asleep\n(full: 1 % wake somebody; pale: none)", loc="left")
    plain(axes)


def lateness(axes: Axes, figures: dict[str, Any]) -> None:
    for row, name in enumerate((LEFT, HELD)):
        delays = list(figures[name])
        values = [figures[name][delay][len(figures[name][delay]) // 2] for delay in delays]
        places = [place + 0.4 * row for place in range(len(delays))]
        axes.bar(places, values, 0.38, color=COLOURS[name], label=name.partition(" (")[0])
        for place, value in zip(places, values, strict=True):
            axes.text(place, value + 0.1, f"{value:.2g}", ha="center", fontsize=7)
    axes.set_xticks([place + 0.2 for place in range(len(delays))], delays)
    axes.set_ylim(0, 1.3 * max(max(values) for values in figures[LEFT].values()))
    axes.set_xlabel("seconds that the machine takes to resume")
    axes.set_title("Connected after ready, s", loc="left")
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    plain(axes)


def plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def main() -> None:
    path = read("wake-path")["figures"]
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    one, two, three = figure.subplots(1, 3)
    latency(one, path)
    cpu_bars(two, path)
    lateness(three, read("wake-connect")["figures"])
    file = folder() / "wake.svg"
    figure.savefig(file, metadata={"Date": None})
    print(file)


if __name__ == "__main__":
    main()
