"""The main figures of a run as one picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.benchmarks.report import Part

_OURS, _PEER, _OTHER, _BAD = "#3b6ea5", "#f2a33a", "#2f8f5b", "#b5403b"
#: A figure that took more than this many times what is allowed is drawn no longer than this.
_LONGEST = 3.0


def draw(path: Path, title: str, parts: list[Part]) -> None:
    """Rates of recording, answers, lag, and how much of what is allowed each figure took: what there is of it."""
    figure = Figure(figsize=(13, 9), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    axes = figure.subplots(2, 2)
    drawn = {part.name: part.drawn for part in parts if part.drawn}
    places: list[tuple[Axes, str, Callable[[Axes, dict[str, Any]], None]]] = [
        (axes[0, 0], "Recording", _recording),
        (axes[0, 1], "Answers", _answers),
        (axes[1, 0], "Recording while fifty replay", _lag),
    ]
    for place, name, work in places:
        if name in drawn:
            place.set_title(name, fontsize="small")
            work(place, drawn[name])
        else:
            place.set_axis_off()
    _shares(axes[1, 1], parts)
    figure.savefig(path, dpi=110)


def _recording(axes: Axes, rates: dict[str, float]) -> None:
    colours = [_OURS, _OURS, _PEER, _OTHER]
    bars = axes.bar(list(rates), list(rates.values()), color=colours[: len(rates)])
    axes.bar_label(bars, fmt="{:,.0f}", fontsize="small")
    axes.tick_params(axis="x", labelsize="small")
    axes.set_ylabel("rows a second")


def _answers(axes: Axes, found: dict[str, Any]) -> None:
    numbers = range(1, len(found["answers"]) + 1)
    axes.bar(numbers, found["answers"], color=_OURS, label="state over HTTP")
    axes.plot(numbers, found["first"], "o", color=_PEER, label="its first byte")
    axes.axhline(found["copy"], color=_OTHER, label="plain COPY of the same rows")
    axes.axhline(found["today"], color=_BAD, linestyle="--", label="today's way")
    axes.set_yscale("log")
    axes.set_ylim(top=6 * found["today"])
    axes.set_xticks(numbers)
    axes.tick_params(axis="x", labelsize="small")
    axes.set_xlabel("random instant, early to late")
    axes.set_ylabel("seconds")
    axes.legend(fontsize="small", ncols=2, loc="upper center")


def _lag(axes: Axes, found: dict[str, Any]) -> None:
    axes.plot(found["at"], found["lag"], color=_OURS, label="settled time behind")
    axes.axvline(found["from"], color=_PEER, linestyle=":", label="fifty users begin")
    axes.axhline(found["limit"], color=_BAD, linestyle="--", label="allowed")
    axes.set_ylim(bottom=0, top=1.3 * max([found["limit"], *found["lag"]]))
    axes.set_xlabel("seconds")
    axes.set_ylabel("seconds behind")
    axes.legend(fontsize="small", ncols=3, loc="upper center")


def _shares(axes: Axes, parts: list[Part]) -> None:
    """One bar a figure: shorter than 1 is reached."""
    found = [(row.what, row.share) for part in parts for row in part.rows if row.share is not None][::-1]
    names = [what if len(what) <= 58 else f"{what[:57]}…" for what, _ in found]
    shares = [min(share, _LONGEST) for _, share in found]
    axes.barh(range(len(found)), shares, color=[_OURS if share <= 1 else _BAD for share in shares])
    axes.set_yticks(range(len(found)), names, fontsize=6)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_title("share of what is allowed; left of the line is reached", fontsize="small")
