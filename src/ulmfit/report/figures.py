"""Figures of a study, SVG, PDF and PNG, and the list of them with captions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ulmfit.report import wording
from ulmfit.report.palette import Look, looks
from ulmfit.report.results import Experiment, Row, Study, number, read_study
from ulmfit.report.sheets import fold_remark, setting
from ulmfit.store.files import write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Entry:
    """One line of ``figures.json``; the files are ``<name>.svg``, ``.pdf`` and ``.png``."""

    name: str
    kind: str
    experiment: str | None
    title: str
    caption: str


def make_figures(manifest: Path | str, tables: Path | str, output: Path | str) -> list[Path]:
    """Draw every figure into the folder ``output`` and list them in its ``figures.json``.

    Per experiment: errors with intervals (``errors-<experiment>``), reliability of probabilities
    (``calibration-<experiment>``), cost beside error (``cost-<experiment>``) and, where it has
    several numbers of labels, error against labels (``labels-<experiment>``; ``labels`` where only
    all experiments together have several); per data set and number of labels of the models:
    learning curves (``curves-<dataset>-<n>``); perplexity of the language models (``perplexity``),
    blank if there are none. Equal tables give equal bytes. Returns the SVG files; raises UserError
    if a table is missing or damaged.
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
            figures += _labels(study, experiment, found)
            figures.append(_calibration(study, experiment, found))
            figures.append(_cost(study, experiment, found))
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
            f"tell.{' Cross: the error that the paper gives.' if published else ''} "
            f"{fold_remark(experiment)}".rstrip(),
        ),
        dot_plot(study, experiment, found),
    )


def _labels(
    study: Study, experiment: Experiment, found: Mapping[str, Look]
) -> list[tuple[Entry, Figure]]:
    from ulmfit.report.sizes import MOST_CROSSINGS, shown_crossings, size_lines, size_plot

    if not size_lines(experiment, found):
        return []
    crossings = shown_crossings(study, experiment)
    statements = [row["statement"] for row in crossings if row["n_labelled"]]
    marks = (
        "Hollow markers: where a line reaches the error of the reference with its fewest labels, "
        "by interpolation in the logarithm; the bar below is the 95 % interval of that pair alone, "
        "as far as sizes were measured. "
        f"{' '.join(statements[:MOST_CROSSINGS])} "
        if statements
        else ""
    )
    entry = Entry(
        f"labels-{experiment.name}".removesuffix("-"),
        "labels",
        experiment.name or None,
        f"{experiment.title}: error against number of labels",
        f"{experiment.title}: error on the {experiment.fold} fold against the number of labelled "
        f"documents, with 95 % intervals as bands; {_size(experiment.rows)}. {marks}"
        f"{fold_remark(experiment)}".rstrip(),
    )
    return [(entry, size_plot(experiment, found, crossings))]


def _calibration(
    study: Study, experiment: Experiment, found: Mapping[str, Look]
) -> tuple[Entry, Figure]:
    from ulmfit.report.drawing import blank
    from ulmfit.report.reliability import reliability_panels, reliability_plot

    panels = reliability_panels(study, experiment, found)
    entry = Entry(
        f"calibration-{experiment.name}",
        "calibration",
        experiment.name,
        f"{experiment.title}: calibration",
        f"{experiment.title}: share of right predictions against their confidence, the largest "
        f"probability, on the {experiment.fold} fold; {_size(experiment.rows)}, seeds taken "
        "together. Dashed: perfect calibration. In brackets: expected calibration error in per "
        "cent, 15 bins, mean over seeds. Bins with less than 1 % of the predictions are left out."
        f"{_outer(experiment)} {fold_remark(experiment)}".rstrip(),
    )
    if not panels:
        return entry, blank("No probabilities of this experiment are known.")
    return entry, reliability_plot(panels)


def _cost(study: Study, experiment: Experiment, found: Mapping[str, Look]) -> tuple[Entry, Figure]:
    from ulmfit.report.costs import cost_groups, cost_plot
    from ulmfit.report.drawing import blank

    groups = cost_groups(study, experiment, found)
    entry = Entry(
        f"cost-{experiment.name}",
        "cost",
        experiment.name,
        f"{experiment.title}: cost beside error",
        f"{experiment.title}: error on the {experiment.fold} fold with 95 % interval against what "
        f"a row costs with all its stages; {_size(experiment.rows)}. A stage that rows share "
        "counts in full for each; times are of the machines that trained, and hold only if these "
        "were alike and as busy. Parameters: those that training the classifier changed. A cost in "
        "which no rows differ has no panel, and a baseline has seconds only."
        f"{_outer(experiment)} {fold_remark(experiment)}".rstrip(),
    )
    if not groups:
        return entry, blank("No costs of this experiment are known.")
    return entry, cost_plot(groups, experiment.fold)


def _outer(experiment: Experiment) -> str:
    from ulmfit.report.reliability import outer_groups

    if len(outer_groups(experiment)) == len(experiment.groups()):
        return ""
    return " Of several numbers of labels, the first and the last of the table are shown."


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
        figures += _labels(study, whole, found)
    return figures


def _classifier_curves(study: Study, found: Mapping[str, Look]) -> list[tuple[Entry, Figure]]:
    """One figure a data set and number of labels, one panel an experiment."""
    from ulmfit.report.curves import curve_plot
    from ulmfit.report.drawing import blank
    from ulmfit.report.series import classifier_panels

    settings = dict.fromkeys(
        (run["dataset"], str(run["n_labelled"]))
        for run in study.manifest["runs"]
        if run["kind"] == "model"
    )
    figures = []
    for dataset, n_labelled in settings:
        panels = classifier_panels(study, dataset, n_labelled, found)
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


def _perplexity(study: Study, found: Mapping[str, Look]) -> tuple[Entry, Figure]:
    from ulmfit.report.curves import curve_plot
    from ulmfit.report.drawing import blank
    from ulmfit.report.series import perplexity_panels

    panels = perplexity_panels(study, found)
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


def _size(rows: Sequence[Row]) -> str:
    from ulmfit.report.dots import seeds

    n = {value for row in rows if (value := number(row, "n")) is not None}
    return f"{wording.N_IS}{wording.span(n, 'document')}, {seeds(rows)}"


def _with(text: str) -> str:
    return f" ({text})" if text else ""


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name)
