"""What a row costs beside how often it errs: one panel a measure of cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import Locator, LogLocator, MaxNLocator, NullFormatter, NullLocator

from ulmfit.report import drawing, wording
from ulmfit.report.palette import PAPER, Look
from ulmfit.report.reliability import outer_groups
from ulmfit.report.results import Experiment, Row, Study, number

MEASURES = {
    "parameters_trained": "Parameters trained by the classifier",
    "tokens": "Tokens read in training",
    "wall_s": "Seconds of training",
}
LAST = "wall_s"
"""Every row has it, so lines end there."""
LEFT, BETWEEN, TITLE, FOOTER = 0.52, 0.2, 0.26, 0.42
TALL = 1.9


@dataclass(frozen=True)
class Group:
    """Rows that are compared, with their looks and costs."""

    title: str
    rows: tuple[Row, ...]
    labels: tuple[str, ...]
    looks: tuple[Look, ...]
    costs: tuple[Row, ...]


def cost_groups(study: Study, experiment: Experiment, looks: Mapping[str, Look]) -> list[Group]:
    """Rows with a known wall time; of several sizes of a data set the smallest and the largest."""
    costs = {row["cell"]: row for row in study.costs if row["experiment"] == experiment.name}
    groups = []
    for group in outer_groups(experiment):
        rows = [
            row
            for row in group
            if not experiment.repeats(row)
            and number(costs.get(row["cell"], {}), LAST)
            and number(row, "error") is not None
        ]
        if not rows:
            continue
        variants = [row["variant"] for row in rows]
        groups.append(
            Group(
                f"{group[0]['dataset']}, {wording.labels(group[0]['n_labelled'])}",
                tuple(rows),
                tuple(drawing.wrap(title, 24, lines=3) for title in wording.distinct_titles(rows)),
                tuple(
                    looks[variant].reading(variants[:index].count(variant))
                    for index, variant in enumerate(variants)
                ),
                tuple(costs[row["cell"]] for row in rows),
            )
        )
    return groups


def cost_plot(groups: Sequence[Group], fold: str) -> Figure:
    """One line of panels a group: error with its interval over each cost in which rows differ."""
    measures = [name for name in MEASURES if name == LAST or _tells(groups, name)]
    named = max(
        drawing.text_width(text, drawing.SMALL) for group in groups for text in group.labels
    )
    room = drawing.WIDTH - LEFT - named - drawing.LEADER - drawing.MARGIN
    plot = (room - BETWEEN * (len(measures) - 1)) / len(measures)
    tall = TITLE + TALL + FOOTER + 0.14
    figure = drawing.new_figure(drawing.WIDTH, tall * len(groups))
    for place, group in enumerate(groups):
        top = place * tall
        drawing.add_text(figure, drawing.MARGIN, top + 0.05, group.title, va="top", weight="bold")
        for index, measure in enumerate(measures):
            left = LEFT + index * (plot + BETWEEN)
            axes = drawing.add_axes(figure, left, top + TITLE, plot, TALL)
            _panel(axes, group, measure)
            axes.set_xlabel(drawing.wrap(MEASURES[measure], 20), labelpad=2)
            axes.set_ylabel("" if index else f"Error on the {fold} fold (%)", labelpad=3)
            axes.tick_params(labelleft=index == 0)
        ends = [
            (number(cost, LAST) or 0.0, 100 * (number(row, "error") or 0.0))
            for cost, row in zip(group.costs, group.rows, strict=True)
        ]
        drawing.end_labels(axes, ends, group.labels, [look.colour for look in group.looks])
    return figure


def _tells(groups: Sequence[Group], measure: str) -> bool:
    """Whether rows of some group differ in a cost."""
    values = [{number(row, measure) for row in group.costs} - {None} for group in groups]
    return any(len(found) > 1 for found in values)


def _panel(axes: Axes, group: Group, measure: str) -> None:
    axes.set_xscale("log")
    axes.grid(True)
    values = []
    for row, cost, look in zip(group.rows, group.costs, group.looks, strict=True):
        error = 100 * (number(row, "error") or 0.0)
        low, high = number(row, "error_low"), number(row, "error_high")
        bounds = [100 * value for value in (low, high) if value is not None]
        if (value := number(cost, measure)) is None:
            # Not here, yet the panels of a line have one scale.
            axes.update_datalim([(1.0, bound) for bound in bounds], updatex=False)
            continue
        values.append(value)
        axes.plot([value] * len(bounds), bounds, color=look.colour, linewidth=0.9, zorder=2)
        axes.plot(
            value,
            error,
            look.marker,
            color=look.colour,
            markerfacecolor=PAPER if look.hollow else look.colour,
            markersize=5,
            zorder=3,
        )
    low_end, high_end = min(values, default=1.0), max(values, default=10.0)
    room = max((high_end / low_end) ** 0.08, 1.3)
    axes.set_xlim(low_end / room, high_end * room)
    axes.xaxis.set_major_locator(_locator(high_end / low_end, room))
    axes.xaxis.set_major_formatter(lambda value, _: _short(value))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axes.autoscale(axis="y")


def _locator(spread: float, room: float) -> Locator:
    """Two to five marks; ``spread`` and ``room`` are ratios.

    A locator of logarithms that finds fewer than two marks labels every linear one instead. Of
    1, 2, 5 and 10 neighbours are at most 2.5 apart.
    """
    if spread > 8:
        return LogLocator(numticks=4)
    if spread * room**2 < 2.5**2:
        return MaxNLocator(nbins=4, steps=[1, 2, 5, 10])
    return LogLocator(subs=(1.0, 2.0, 5.0), numticks=8)


def _short(value: float) -> str:
    """``500``, ``20 k``, ``1 M``."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
