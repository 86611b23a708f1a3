"""Learning curves as panels of lines that can be compared, out of ``epochs.csv``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from ulmfit.report import wording
from ulmfit.report.curves import Panel, Series
from ulmfit.report.palette import Look
from ulmfit.report.results import Row, Study, number

CROWDED = 5
"""Lines that one panel can name without confusion."""


def classifier_panels(
    study: Study, dataset: str, n_labelled: str, found: Mapping[str, Look]
) -> list[Panel]:
    """Lines of one data set and number of labels, one panel an experiment; perhaps none."""
    panels: list[Panel] = []
    drawn: list[set[tuple[str, ...]]] = []
    for title, rows in _curve_groups(study, dataset, n_labelled):
        runs = {paths for _, paths in rows}
        if any(runs <= other for other in drawn):
            continue
        drawn.append(runs)
        parts = chunks(_classifier_series(study, rows, found))
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
            reading = (
                f"{wording.tokenizer(run['tokenizer'])}, {wording.direction(run['direction'])}"
            )
            row = {**run, "n_labelled": n_labelled, "title": f"{run['title']} ({reading})"}
            others.setdefault(key, []).append((row, (run["path"],)))
    rest = [
        (lines[0][0], tuple(path for _, paths in lines for path in paths))
        for lines in others.values()
        if not shown >= {path for _, paths in lines for path in paths}
    ]
    return [*groups, ("Members and candidates", rest)] if rest else groups


def _classifier_series(study: Study, rows: Lines, found: Mapping[str, Look]) -> list[Series]:
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


def perplexity_panels(study: Study, found: Mapping[str, Look]) -> list[Panel]:
    """One panel a stage, text and tokenizer: only these perplexities can be compared."""
    lines = [line for line in study.epochs if line["kind"] == "lm"]
    # An LM's text is its data set; pretraining has none, and its corpus stands in another table.
    models = {row["path"]: row for row in study.language_models}
    texts = {path: row["dataset"] or row["corpus"] for path, row in models.items()}
    keys = [(line["training"], texts.get(line["path"], ""), line["tokenizer"]) for line in lines]
    panels = []
    for stage, text, tokenizer in dict.fromkeys(keys):
        here = [
            line for line, key in zip(lines, keys, strict=True) if key == (stage, text, tokenizer)
        ]
        readings: dict[tuple[str, str, str, str], list[Row]] = {}
        for line in here:
            model = models.get(line["path"])
            size, after = (model["n_text"], study.after(model)) if model else ("", "")
            reading = (line["variant"], line["direction"], size, after)
            readings.setdefault(reading, []).append(line)
        series = []
        for index, ((name, direction, size, after), members) in enumerate(readings.items()):
            earlier = [other for other, *_ in readings][:index].count(name)
            parts = [name]
            if len({other for _, other, _, _ in readings}) > 1:
                parts.append(wording.direction(direction))
            if len({other for _, _, other, _ in readings}) > 1:
                parts.append(f"{wording.count(size)} texts")
            if after:
                parts.append(after)
            curves = _curves(members, "valid_perplexity", 1.0)
            if curves:
                series.append(Series(", ".join(parts), found[name].reading(earlier), curves))
        where = f"{wording.STAGES.get(stage, stage)}: {text}, {wording.tokenizer(tokenizer)} tokens"
        panels += [Panel(where[:1].upper() + where[1:], part) for part in chunks(series)]
    return panels


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


Item = TypeVar("Item")


def chunks(series: Sequence[Item]) -> list[tuple[Item, ...]]:
    """Panels of at most :data:`CROWDED` lines; the first line (the reference) is in each."""
    if len(series) <= CROWDED:
        return [tuple(series)] if series else []
    first, rest = series[0], series[1:]
    count = -(-len(rest) // (CROWDED - 1))
    length = -(-len(rest) // count)
    return [(first, *rest[start : start + length]) for start in range(0, len(rest), length)]
