"""Figures of a study, SVG and PNG, and the list of them with captions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ulmfit.report import wording
from ulmfit.report.palette import Look, looks
from ulmfit.report.results import Experiment, Row, Study, number, read_study
from ulmfit.report.sheets import setting
from ulmfit.store.files import write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ulmfit.report.curves import Panel, Series

CROWDED = 5
"""Lines that one panel can name without confusion."""


@dataclass(frozen=True)
class Entry:
    """One line of ``figures.json``; the files are ``<name>.svg`` and ``<name>.png``."""

    name: str
    kind: str
    experiment: str | None
    title: str
    caption: str


def make_figures(manifest: Path | str, tables: Path | str, output: Path | str) -> list[Path]:
    """Draw every figure into the folder ``output`` and list them in its ``figures.json``.

    Per experiment: errors with intervals (``errors-<experiment>``) and, where it has several
    numbers of labels, error against labels (``labels-<experiment>``; ``labels`` where only all
    experiments together have several); per data set and number of labels of the models: learning
    curves (``curves-<dataset>-<n>``); perplexity of the language models (``perplexity``), blank
    if there are none. Equal tables give equal bytes. Returns the SVG files; raises UserError if a
    table is missing or damaged.
    """
    from ulmfit.report import drawing

    study, output = read_study(manifest, tables), Path(output)
    entries = []
    with drawing.settings():
        for entry, figure in draw_figures(study):
            drawing.save(figure, output, entry.name)
            entries.append(entry)
    write_json(output / "figures.json", [asdict(entry) for entry in entries])
    return [output / f"{entry.name}.svg" for entry in entries]


def draw_figures(study: Study) -> list[tuple[Entry, Figure]]:
    """Every figure with its entry, in the order of the report; see :func:`make_figures`.

    To be called within :func:`ulmfit.report.drawing.settings`.
    """
    found = looks(study.variants())
    figures = []
    for experiment in study.experiments:
        if experiment.rows:
            figures.append(_errors(study, experiment, found))
            figures += _labels(experiment, found)
    figures += _labels_of_study(study, found) + _classifier_curves(study, found)
    return [*figures, _perplexity(study, found)]


def _errors(
    study: Study, experiment: Experiment, found: Mapping[str, Look]
) -> tuple[Entry, Figure]:
    from ulmfit.report.dots import dot_plot

    published = any(row["published"] for row in experiment.rows)
    return (
        Entry(
            f"errors-{experiment.name}",
            "errors",
            experiment.name,
            experiment.title,
            f"{experiment.title}: error on the {experiment.fold} fold with 95 % interval"
            f"{_with(setting(experiment))}; {_size(experiment.rows)}. Small dots: single seeds. "
            "Dashed line: the reference. Hollow: not distinguished from it, or too few seeds to "
            f"tell.{' Cross: the error that the paper gives.' if published else ''}",
        ),
        dot_plot(study, experiment, found),
    )


def _labels(experiment: Experiment, found: Mapping[str, Look]) -> list[tuple[Entry, Figure]]:
    from ulmfit.report.sizes import size_lines, size_plot

    if not size_lines(experiment, found):
        return []
    entry = Entry(
        f"labels-{experiment.name}".removesuffix("-"),
        "labels",
        experiment.name or None,
        f"{experiment.title}: error against number of labels",
        f"{experiment.title}: error on the {experiment.fold} fold against the number of labelled "
        f"documents, with 95 % intervals; {_size(experiment.rows)}. Lines are moved apart sideways "
        "so that their bars can be told apart.",
    )
    return [(entry, size_plot(experiment, found))]


def _labels_of_study(study: Study, found: Mapping[str, Look]) -> list[tuple[Entry, Figure]]:
    """Lines that reach several numbers of labels only where all experiments are seen together."""
    from ulmfit.report.sizes import size_lines

    figures = []
    for fold in dict.fromkeys(experiment.fold for experiment in study.experiments):
        parts = [experiment for experiment in study.experiments if experiment.fold == fold]
        if any(size_lines(experiment, found) for experiment in parts):
            continue
        rows = {row["cell"]: row for experiment in parts for row in experiment.rows}
        cells = {name: cell for experiment in parts for name, cell in experiment.cells.items()}
        name = "" if fold == "report" else f"{fold}-fold"
        whole = Experiment(name, "All experiments", "", fold, tuple(rows.values()), cells, {})
        figures += _labels(whole, found)
    return figures


def _classifier_curves(study: Study, found: Mapping[str, Look]) -> list[tuple[Entry, Figure]]:
    """One figure a data set and number of labels, one panel an experiment."""
    from ulmfit.report.curves import curve_plot
    from ulmfit.report.drawing import blank

    settings = dict.fromkeys(
        (run["dataset"], str(run["n_labelled"]))
        for run in study.manifest["runs"]
        if run["kind"] == "model"
    )
    figures = []
    for dataset, n_labelled in settings:
        panels = _curve_panels(study, dataset, n_labelled, found)
        seeds = {len(series.seeds) for panel in panels for series in panel.series}
        n = {
            value
            for run in study.runs
            if (run["dataset"], run["fold"]) == (dataset, "select")
            and (value := number(run, "n")) is not None
        }
        parts = [
            f"{dataset}, {wording.labels(n_labelled)}",
            f"{wording.N_IS}{wording.span(n, 'document')}" if n else "",
            wording.span(seeds, "seed"),
        ]
        entry = Entry(
            _slug(f"curves-{dataset}-{n_labelled}"),
            "curves",
            None,
            f"Learning curves: {dataset}, {wording.labels(n_labelled)}",
            f"Error on the select fold by epoch; {', '.join(part for part in parts if part)}. "
            "Thin: single seeds. Thick: their mean, over the epochs that all of them have.",
        )
        figure = (
            curve_plot(panels, "Error on the select fold (%)")
            if panels
            else blank("No classifier of this setting was validated during training.")
        )
        figures.append((entry, figure))
    return figures


def _curve_panels(
    study: Study, dataset: str, n_labelled: str, found: Mapping[str, Look]
) -> list[Panel]:
    from ulmfit.report.curves import Panel

    panels: list[Panel] = []
    drawn: list[set[tuple[str, ...]]] = []
    for title, rows in _curve_groups(study, dataset, n_labelled):
        runs = {paths for _, paths in rows}
        if any(runs <= other for other in drawn):
            continue
        drawn.append(runs)
        parts = _chunks(_classifier_series(study, rows, found))
        for index, part in enumerate(parts):
            of = f" ({index + 1} of {len(parts)})" if len(parts) > 1 else ""
            panels.append(Panel(f"{title}{of}", part))
    return panels


Lines = list[tuple[Row, tuple[str, ...]]]
"""Lines of a panel, each with the folders of its runs."""


def _curve_groups(study: Study, dataset: str, n_labelled: str) -> list[tuple[str, Lines]]:
    """Title and lines of each experiment, then models that no experiment shows by themselves."""
    groups: list[tuple[str, Lines]] = []
    for experiment in study.experiments:
        rows = [
            (row, experiment.paths(row))
            for row in experiment.rows
            if (row["dataset"], row["n_labelled"], row["kind"]) == (dataset, n_labelled, "model")
            and not experiment.repeats(row)
        ]
        if rows:
            groups.append((experiment.title, rows))
    shown = {path for _, rows in groups for _, paths in rows for path in paths}
    others: dict[tuple[str, ...], Lines] = {}
    for run in study.manifest["runs"]:
        if (run["dataset"], str(run["n_labelled"]), run["kind"]) == (dataset, n_labelled, "model"):
            key = (run["variant"], run["tokenizer"], run["direction"])
            others.setdefault(key, []).append(
                ({name: str(value) for name, value in run.items()}, (run["path"],))
            )
    rest = [
        (lines[0][0], tuple(path for _, paths in lines for path in paths))
        for lines in others.values()
        if not shown >= {path for _, paths in lines for path in paths}
    ]
    return [*groups, ("Members and candidates", rest)] if rest else groups


def _classifier_series(study: Study, rows: Lines, found: Mapping[str, Look]) -> list[Series]:
    from ulmfit.report.curves import Series

    variants = [row["variant"] for row, _ in rows]
    titles = wording.distinct_titles([row for row, _ in rows])
    result = []
    for index, ((row, paths), title) in enumerate(zip(rows, titles, strict=True)):
        lines = [line for line in study.epochs if line["path"] in paths]
        curves = _curves(lines, "select_error", 100.0)
        if curves:
            look = found[row["variant"]].reading(variants[:index].count(row["variant"]))
            result.append(Series(title, look, curves))
    return result


def _perplexity(study: Study, found: Mapping[str, Look]) -> tuple[Entry, Figure]:
    """One panel a stage, text and tokenizer: only these perplexities can be compared."""
    from ulmfit.report.curves import Panel, Series, curve_plot
    from ulmfit.report.drawing import blank

    lines = [line for line in study.epochs if line["kind"] == "lm"]
    # An LM's text is its data set; pretraining has none, and its corpus stands in another table.
    corpus = {row["path"]: row["dataset"] or row["corpus"] for row in study.language_models}
    keys = [(line["training"], corpus.get(line["path"], ""), line["tokenizer"]) for line in lines]
    panels = []
    for stage, text, tokenizer in dict.fromkeys(keys):
        here = [
            line for line, key in zip(lines, keys, strict=True) if key == (stage, text, tokenizer)
        ]
        several = len({line["direction"] for line in here}) > 1
        readings = list(dict.fromkeys((line["variant"], line["direction"]) for line in here))
        series = []
        for index, (name, direction) in enumerate(readings):
            earlier = [other for other, _ in readings[:index]].count(name)
            curves = _curves(
                [
                    line
                    for line in here
                    if (line["variant"], line["direction"]) == (name, direction)
                ],
                "valid_perplexity",
                1.0,
            )
            label = f"{name}, {wording.direction(direction)}" if several else name
            if curves:
                series.append(Series(label, found[name].reading(earlier), curves))
        where = f"{wording.STAGES.get(stage, stage)}: {text}, {wording.tokenizer(tokenizer)} tokens"
        panels += [Panel(where[:1].upper() + where[1:], part) for part in _chunks(series)]
    seeds = wording.span({len(item.seeds) for panel in panels for item in panel.series}, "seed")
    entry = Entry(
        "perplexity",
        "perplexity",
        None,
        "Perplexity of the language models",
        f"Validation perplexity by epoch{_with(seeds)}. Epoch 0 is before training; where a model "
        "starts far above the others (random weights), its line enters from above. Panels have "
        "their own scales: perplexities of different tokenizers or texts are not comparable.",
    )
    if not panels:
        return entry, blank("This study trained no language model.")
    return entry, curve_plot(panels, "Perplexity", log=True)


def _curves(
    lines: Sequence[Row], column: str, factor: float
) -> tuple[tuple[tuple[float, float], ...], ...]:
    """One curve a run; epochs without validation have no point, runs without points no curve."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        epoch, value = number(line, "epoch"), number(line, column)
        if epoch is not None and value is not None:
            curves.setdefault(line["path"], []).append((epoch, factor * value))
    return tuple(tuple(sorted(curve)) for curve in curves.values())


def _chunks(series: Sequence[Series]) -> list[tuple[Series, ...]]:
    """Panels of at most :data:`CROWDED` lines; the first line (the reference) is in each."""
    if len(series) <= CROWDED:
        return [tuple(series)] if series else []
    first, rest = series[0], series[1:]
    count = -(-len(rest) // (CROWDED - 1))
    length = -(-len(rest) // count)
    return [(first, *rest[start : start + length]) for start in range(0, len(rest), length)]


def _size(rows: Sequence[Row]) -> str:
    from ulmfit.report.dots import seeds

    n = {value for row in rows if (value := number(row, "n")) is not None}
    return f"{wording.N_IS}{wording.span(n, 'document')}, {seeds(rows)}"


def _with(text: str) -> str:
    return f" ({text})" if text else ""


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name)
