"""Error of each line of a table with its 95 % interval: dots, one panel a group of lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ulmfit.report import drawing, wording
from ulmfit.report.palette import INK, MUTED, PAPER, Look
from ulmfit.report.results import Experiment, Row, Study, number

ROW, LONG_ROW, HEADER, FOOTER, GAP = 0.25, 0.33, 0.28, 0.42, 0.14
"""Inches: a line, a line with a long name, a panel's heading, the axis below, space between."""
NARROWEST = 2.2
"""Inches that the axes keep when labels are long."""


def dot_plot(study: Study, experiment: Experiment, looks: Mapping[str, Look]) -> Figure:
    """Dots with intervals, the numbers beside them, and the verdict against the reference."""
    groups = experiment.groups()
    labels = [
        [drawing.wrap(title, 34) for title in wording.distinct_titles(group)] for group in groups
    ]
    numbers = [[_numbers(experiment, row) for row in group] for group in groups]
    verdicts = [[_verdict(experiment, row) for row in group] for group in groups]
    left = drawing.MARGIN + _widest(labels) + GAP
    middle = _widest([*numbers, ["Error % [95 % interval]"]]) + GAP
    right = _widest([*verdicts, ["Verdict"]]) + drawing.MARGIN if experiment.references else 0.0
    width = max(drawing.WIDTH, left + NARROWEST + GAP + middle + right)
    plot = width - left - GAP - middle - right
    broken = any("\n" in label for group in labels for label in group)
    row_height = LONG_ROW if broken else ROW
    ticks = 0.1 * (len({group[0]["dataset"] for group in groups}) - 1)
    height = sum(HEADER + row_height * len(group) for group in groups) + ticks + FOOTER
    figure = drawing.new_figure(width, height)
    shared: dict[str, Axes] = {}
    top = 0.0
    for index, group in enumerate(groups):
        _header(figure, group, top, len(groups) > 1)
        if index == 0:
            for place, heading in ((0.0, "Error % [95 % interval]"), (middle, "Verdict")):
                if place == 0.0 or right:
                    _column(figure, left + plot + GAP + place, top, heading)
        top += HEADER
        axes = drawing.add_axes(figure, left, top, plot, row_height * len(group))
        _panel(axes, study, experiment, group, looks)
        axes.set_yticks(range(len(group)), labels[index])
        for line, (text, verdict) in enumerate(zip(numbers[index], verdicts[index], strict=True)):
            centre = top + row_height * (line + 0.5)
            start = left + plot + GAP
            drawing.add_text(figure, start, centre, text, va="center", fontsize=drawing.SMALL)
            drawing.add_text(
                figure, start + middle, centre, verdict, va="center", fontsize=drawing.SMALL
            )
        top += row_height * len(group)
        if (above := shared.setdefault(group[0]["dataset"], axes)) is not axes:
            axes.sharex(above)
        last = index + 1 == len(groups) or groups[index + 1][0]["dataset"] != group[0]["dataset"]
        axes.tick_params(labelbottom=last)
        top += 0.1 if last else 0.0
    shared_limits(shared, groups)
    axes.set_xlabel(_axis_label(experiment), fontsize=drawing.BODY, labelpad=3)
    return figure


def shared_limits(shared: Mapping[str, Axes], groups: Sequence[Sequence[Row]]) -> None:
    """One scale for all panels of a data set, from the intervals, never below zero."""
    for dataset, axes in shared.items():
        rows = [row for group in groups for row in group if row["dataset"] == dataset]
        bounds = [
            100 * value
            for row in rows
            for column in ("error", "error_low", "error_high")
            if (value := number(row, column)) is not None
        ]
        if bounds:
            low, high = min(bounds), max(bounds)
            margin = 0.05 * (high - low) or 1.0
            axes.set_xlim(max(0.0, low - margin), high + margin)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]))


def _panel(
    axes: Axes,
    study: Study,
    experiment: Experiment,
    group: Sequence[Row],
    looks: Mapping[str, Look],
) -> None:
    axes.set_ylim(len(group) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, labelsize=drawing.BODY)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    reference = experiment.reference(group[0])
    error = number(reference, "error") if reference else None
    if error is not None:
        axes.axvline(100 * error, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    for place, row in enumerate(group):
        look = looks[row["variant"]]
        values = [100 * error for error in study.errors(experiment, row)]
        if len(values) > 1:
            axes.plot(
                values, [place + 0.27] * len(values), ".", color=MUTED, markersize=2.4, zorder=2
            )
        low, high = number(row, "error_low"), number(row, "error_high")
        if low is not None and high is not None:
            axes.plot(
                [100 * low, 100 * high],
                [place, place],
                color=look.colour,
                linewidth=1.6,
                solid_capstyle="butt",
                zorder=3,
            )
        middle = number(row, "error")
        if middle is not None:
            clear = experiment.is_reference(row) or row["verdict"] in ("better", "worse", "")
            axes.plot(
                100 * middle,
                place,
                look.marker,
                color=look.colour,
                markerfacecolor=look.colour if clear else PAPER,
                markersize=5.5,
                zorder=4,
            )
        known = number(row, "published")
        if known is not None:
            axes.plot(100 * known, place, "x", color=INK, markersize=4, zorder=5)


def _header(figure: Figure, group: Sequence[Row], top: float, several: bool) -> None:
    n = wording.span({number(row, "n") or 0.0 for row in group}, "document")
    text = f"{group[0]['dataset']}, {wording.labels(group[0]['n_labelled'])} ({wording.N_IS}{n})"
    if several:
        drawing.add_text(
            figure,
            drawing.MARGIN,
            top + HEADER - 0.07,
            text,
            va="bottom",
            weight="bold",
            size=drawing.SMALL,
        )


def _column(figure: Figure, left: float, top: float, heading: str) -> None:
    drawing.add_text(
        figure, left, top + HEADER - 0.07, heading, va="bottom", size=drawing.SMALL, color=MUTED
    )


def _numbers(experiment: Experiment, row: Row) -> str:
    places = wording.decimals(experiment.rows)
    bounds = wording.interval(number(row, "error_low"), number(row, "error_high"), places)
    return f"{wording.percent(number(row, 'error'), places)} {bounds}".strip()


def _verdict(experiment: Experiment, row: Row) -> str:
    return "reference" if experiment.is_reference(row) else row["verdict"]


def _axis_label(experiment: Experiment) -> str:
    documents = {value for row in experiment.rows if (value := number(row, "n")) is not None}
    return (
        f"Error on the {experiment.fold} fold (%), "
        f"{wording.N_IS}{wording.span(documents, 'document')}, {seeds(experiment.rows)}"
    )


def seeds(rows: Sequence[Row]) -> str:
    """``3 seeds``: how many models stand behind each line, baselines aside."""
    counts = [
        value for row in rows if (value := number(row, "seeds")) and row["kind"] != "baseline"
    ]
    return wording.span(counts, "seed") or "no seeds"


def _widest(texts: Sequence[Sequence[str]]) -> float:
    size = drawing.BODY
    return max((drawing.text_width(text, size) for group in texts for text in group), default=0.0)
