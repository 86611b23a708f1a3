"""What stands behind each run: recipes, parents, log, curves, confusion, what it got most wrong.

A run is told once, however many lines of tables rest on it; lines and runs link to one another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulmfit.config import paths
from ulmfit.report import wording
from ulmfit.report.cards import Trained, ancestry, trainings
from ulmfit.report.fact_sheets import confusion_sheet
from ulmfit.report.foreign import log_tail, read_texts, shortened
from ulmfit.report.layout import Sheet
from ulmfit.report.recipes import recipe_anchor
from ulmfit.report.results import Experiment, Row, Study, number
from ulmfit.report.sparks import sparks

MATRIX_UP_TO = 20
"""Classes of a confusion matrix that is shown; of more, only the pairs confused most."""
PAIRS = 5
"""Pairs of classes that are named."""
SEALED = "test"


@dataclass(frozen=True)
class Link:
    """A place on the page and what to call it; ``anchor`` is empty where there is no such place."""

    text: str
    anchor: str


@dataclass(frozen=True)
class Hard:
    """A document with a large loss; ``text`` is None where the texts are not there."""

    document: str
    label: str
    predicted: str
    probability: str
    loss: str
    text: str | None
    left_out: int


@dataclass(frozen=True)
class OnFold:
    """How a run did on one fold."""

    fold: str
    result: str
    confusion: Sheet | None
    pairs: tuple[str, ...]
    documents: tuple[Hard, ...]


@dataclass(frozen=True)
class Dossier:
    """All that is told of one run or one language model; ``chain`` is what it was trained from.

    ``log`` is None where the log is not there.
    """

    anchor: str
    title: str
    result: str
    path: str
    lines: tuple[Link, ...]
    facts: tuple[tuple[str, str], ...]
    chain: tuple[tuple[str, Link, Link], ...]
    members: tuple[Link, ...]
    curves: tuple[Any, ...]
    log_path: str
    log: str | None
    folds: tuple[OnFold, ...]


@dataclass(frozen=True)
class Behind:
    """The runs behind one line of a table."""

    anchor: str
    title: str
    runs: tuple[tuple[Link, str], ...]


def line_anchor(experiment: Experiment, row: Row) -> str:
    """Id of the place that lists the runs behind a line of a table."""
    return f"runs-{experiment.name}-{experiment.rows.index(row)}"


def behind(study: Study, experiment: Experiment) -> list[Behind]:
    """For each line of a table, the runs that it rests on, with what each of them got wrong."""
    anchors = _anchors(study)
    runs = {(run["path"], run["fold"]): run for run in study.runs}
    found = []
    for row, title in zip(experiment.rows, _titles(experiment), strict=True):
        there = [
            run for path in experiment.paths(row) if (run := runs.get((path, experiment.fold)))
        ]
        found.append(
            Behind(
                line_anchor(experiment, row),
                f"{title}: {wording.plural(len(there), 'run')}, "
                f"mean error {wording.percent(number(row, 'error'), 1)} %",
                tuple((Link(_seed(run), anchors[run["path"]]), _result(run)) for run in there),
            )
        )
    return found


def dossiers(study: Study, results: Path) -> list[tuple[str, list[Dossier]]]:
    """Every run, data set by data set and by number of labels, then the language models."""
    every = {item.path: item for item in trainings(study.manifest, results)}
    maker = _Maker(study, results, every)
    groups: dict[str, list[Dossier]] = {}
    for run in study.manifest["runs"]:
        if run["path"] in maker.results_of:
            where = f"{run['dataset']}, {wording.labels(str(run['n_labelled']))}"
            groups.setdefault(where, []).append(maker.run(run))
    for model in study.manifest["language_models"]:
        if model["path"] in every:
            groups.setdefault("Language models", []).append(maker.language_model(model))
    return list(groups.items())


class _Maker:
    def __init__(self, study: Study, results: Path, every: Mapping[str, Trained]) -> None:
        self.study, self.results, self.every = study, results, every
        self.anchors = _anchors(study)
        self.titles = {run["path"]: _run_title(run) for run in study.manifest["runs"]}
        self.titles |= {
            model["path"]: _model_title(model, study.after(model)) for model in _models(study)
        }
        self.results_of = _grouped(study.runs, "path")
        self.pairs = _grouped(study.pairs, "run")
        self.epochs = _grouped(study.epochs, "path")
        self.lines: dict[str, list[Link]] = {}
        for experiment in study.experiments:
            for row, title in zip(experiment.rows, _titles(experiment), strict=True):
                link = Link(f"{experiment.title}: {title}", line_anchor(experiment, row))
                for path in experiment.paths(row):
                    self.lines.setdefault(path, []).append(link)
        self.hardest, self.texts = self._hardest()

    def _hardest(self) -> tuple[dict[tuple[str, str], list[Row]], dict[tuple[str, str], str]]:
        """Rows of hardest.csv by run and fold, once each, and texts by data set and document."""
        dataset = {run["path"]: run["dataset"] for run in self.study.manifest["runs"]}
        unsealed = set(self.study.manifest.get("unsealed") or ())
        first: dict[tuple[str, str], tuple[str, str]] = {}
        rows: dict[tuple[str, str], list[Row]] = {}
        wanted: dict[str, set[str]] = {}
        for row in self.study.hardest:
            key, place = (row["run"], row["fold"]), (row["experiment"], row["cell"])
            if row["run"] not in dataset or first.setdefault(key, place) != place:
                continue
            rows.setdefault(key, []).append(row)
            # Documents of the sealed fold are read only where the study opened it.
            if row["fold"] != SEALED or row["run"] in unsealed:
                wanted.setdefault(dataset[row["run"]], set()).add(row["document"])
        texts = {
            (name, document): text
            for name, ids in wanted.items()
            for document, text in read_texts(
                self.results / paths.DOCUMENTS.format(text=name), ids
            ).items()
        }
        return rows, texts

    def run(self, run: Mapping[str, Any]) -> Dossier:
        path = run["path"]
        shown = [row["fold"] for row in self.pairs.get(path, ())]
        by_fold = {row["fold"]: row for row in self.results_of[path]}
        folds = [fold for fold in by_fold if fold in shown] or list(by_fold)
        return self._dossier(
            path,
            "; ".join(f"{_result(by_fold[fold])} ({fold} fold)" for fold in folds),
            tuple(self._fold(run, fold, by_fold[fold]) for fold in folds if fold in shown),
            tuple(Link(self.titles[name], self.anchors[name]) for name in run["members"]),
        )

    def language_model(self, model: Mapping[str, Any]) -> Dossier:
        rows = [row for row in self.study.language_models if row["path"] == model["path"]]
        value = number(rows[0], "valid_perplexity") if rows else None
        result = "" if value is None else f"validation perplexity {wording.fixed(value, 1)}"
        return self._dossier(model["path"], result, (), ())

    def _dossier(
        self, path: str, result: str, folds: tuple[OnFold, ...], members: tuple[Link, ...]
    ) -> Dossier:
        from markupsafe import Markup

        log = paths.LOG.format(job=path)
        trained = self.every.get(path)
        return Dossier(
            anchor=self.anchors[path],
            title=self.titles[path],
            result=result,
            path=path,
            lines=tuple(self.lines.get(path, ())),
            facts=_facts(trained.card) if trained else (),
            chain=tuple(
                (
                    wording.STAGES.get(item.stage, item.stage),
                    Link(
                        str(item.card.get("recipe_digest", "")),
                        recipe_anchor(item.stage, item.card),
                    ),
                    Link(item.path, "" if item.path == path else self.anchors[item.path]),
                )
                for item in (ancestry(trained, list(self.every.values())) if trained else ())
            ),
            members=members,
            curves=tuple(Markup(drawing) for drawing in sparks(self.epochs.get(path, ()))),
            log_path=log,
            log=log_tail(self.results / log),
            folds=folds,
        )

    def _fold(self, run: Mapping[str, Any], fold: str, row: Row) -> OnFold:
        pairs = [pair for pair in self.pairs.get(run["path"], ()) if pair["fold"] == fold]
        confused = sorted((pair for pair in pairs if pair["rank"]), key=_rank)[:PAIRS]
        classes = {pair[key] for pair in pairs for key in ("label", "predicted")}
        where = f"{self.titles[run['path']]}, {fold} fold"
        return OnFold(
            fold,
            _result(row),
            confusion_sheet(
                pairs,
                f"Confusion of classes: {where}",
                f"Documents of the {fold} fold by label (lines) and predicted class (columns).",
            )
            if len(classes) <= MATRIX_UP_TO
            else None,
            tuple(
                f"{wording.count(pair['count'])} of {pair['label']} taken for {pair['predicted']}"
                for pair in confused
            ),
            tuple(
                self._hard(run["dataset"], hard)
                for hard in self.hardest.get((run["path"], fold), ())
            ),
        )

    def _hard(self, dataset: str, row: Row) -> Hard:
        text, left_out = self.texts.get((dataset, row["document"])), 0
        if text is not None:
            text, left_out = shortened(text)
        return Hard(
            row["document"],
            row["label"],
            row["predicted"],
            wording.percent(number(row, "probability"), 1),
            wording.fixed(number(row, "loss") or 0.0, 2),
            text,
            left_out,
        )


def _anchors(study: Study) -> dict[str, str]:
    """Id on the page of each run and language model."""
    every = [item["path"] for item in (*study.manifest["runs"], *_models(study))]
    return {path: f"run-{index}" for index, path in enumerate(every)}


def _models(study: Study) -> list[Mapping[str, Any]]:
    return list(study.manifest["language_models"])


def _grouped(rows: Sequence[Row], key: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def _rank(pair: Row) -> float:
    return number(pair, "rank") or 0.0


def _titles(experiment: Experiment) -> list[str]:
    """Title of each line with what tells it apart from the others of its table."""
    titles: dict[int, str] = {}
    groups = experiment.groups()
    for group in groups:
        for row, title in zip(group, wording.distinct_titles(group), strict=True):
            where = f"{row['dataset']}, {wording.labels(row['n_labelled'])}"
            titles[id(row)] = f"{title}, {where}" if len(groups) > 1 else title
    return [titles[id(row)] for row in experiment.rows]


def _run_title(run: Mapping[str, Any]) -> str:
    parts = [str(run["title"])]
    if run["kind"] != "baseline":
        parts += [wording.tokenizer(run["tokenizer"]), wording.direction(run["direction"])]
        parts.append(_seed(run))
    return ", ".join(parts)


def _model_title(model: Mapping[str, Any], after: str) -> str:
    text = " ".join(filter(None, (model["dataset"] or model["corpus"], after)))
    stage = wording.STAGES.get(model["stage"], model["stage"])
    names = (wording.tokenizer(model["tokenizer"]), wording.direction(model["direction"]))
    return f"{stage[:1].upper()}{stage[1:]} on {text}, {model['name']}, {', '.join(names)}, " + (
        _seed(model)
    )


def _seed(run: Mapping[str, Any]) -> str:
    return f"seed {run['seed']}"


def _result(run: Row) -> str:
    return (
        f"{wording.count(run['errors'])} of {wording.count(run['n'])} wrong "
        f"({wording.percent(number(run, 'error'), 1)} %)"
    )


def _facts(card: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Time, memory and origin of a training; what a card does not say is left out."""
    memory = card.get("peak_memory_mib")
    commit = card.get("commit")
    lines = (
        ("Wall time", wording.duration(card.get("wall_s"))),
        ("CPU time", wording.duration(card.get("cpu_s"))),
        ("Peak memory", wording.size(None if memory is None else memory * 2**20)),
        ("Device", str(card.get("device_name") or card.get("device") or "")),
        ("Parameters", wording.count(card.get("parameters"))),
        (
            "Commit",
            f"{commit[:12]}{' with changes' if card.get('dirty') else ''}" if commit else "",
        ),
        (
            "Chosen",
            ", ".join(f"{key} {value}" for key, value in (card.get("chosen") or {}).items()),
        ),
    )
    return tuple((name, text) for name, text in lines if text)
