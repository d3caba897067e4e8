# SPDX-License-Identifier: GPL-3.0-or-later
"""Print figures side by side, each as a ratio to the baseline of the same run."""

from collections.abc import Mapping


def table(title: str, figures: Mapping[str, Mapping[str, float]], baseline: str) -> str:
    """Return a Markdown table: a row for each candidate, a column for each figure, with ratios to the baseline."""
    columns = list(figures[baseline])
    lines = [f"## {title}", "", "| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in figures.items():
        cells = [_cell(row[column], figures[baseline][column], name == baseline) for column in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: float, base: float, is_baseline: bool) -> str:
    text = f"{value:,.3g}" if value < 100 else f"{value:,.0f}"
    if is_baseline or not value or not base:
        return text
    return f"{text} ({base / value:,.1f} times less)" if value < base else f"{text} ({value / base:,.1f} times more)"
