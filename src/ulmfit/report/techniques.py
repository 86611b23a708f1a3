"""What each technique was worth in several studies: the front table of the repository.

A technique is worth the errors that ULMFiT makes fewer with it than without: the difference, its
interval and its verdict stand in a table of a study; nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ulmfit.report import wording
from ulmfit.report.results import Experiment, Row, Study, number

ULMFIT = "ulmfit"
Compared = tuple[Experiment, Row, Row]
"""An experiment, a row of it, and the row of ULMFiT that it is compared with."""


@dataclass(frozen=True)
class Technique:
    """An idea, and the line of a table that lacks it, or, for an ensemble, that has it.

    ``variant`` is a variant's name; a line that stands for the better of several rates of it goes
    before the line at the paper's rate alone.
    """

    title: str
    variant: str = ""
    ensemble: str = ""

    def is_shown_by(self, experiment: Experiment, row: Row) -> bool:
        """Whether the difference of ``row`` to the reference is what the technique is worth."""
        if self.ensemble:
            return _parts(row["cell"])[1::4] == [ULMFIT, self.ensemble]
        cells = (row["cell"], *experiment.candidates(row))
        return row["kind"] != "ensemble" and self.variant in (_parts(cell)[1] for cell in cells)


TECHNIQUES = (
    Technique("All of ULMFiT, against training from scratch", "from-scratch"),
    Technique("Pretraining", "no-pretraining"),
    Technique("Fine-tuning the language model", "no-finetuning"),
    Technique("Dropout in the language model", "vanilla-lm"),
    Technique("Discriminative rates and slanted triangles in LM fine-tuning", "lm-full"),
    Technique("All techniques of classifier fine-tuning", "full"),
    Technique("Gradual unfreezing", "full-discr-stlr"),
    Technique("Discriminative rates", "freez-stlr"),
    Technique("Slanted triangles", "freez-discr"),
    Technique("A second direction", ensemble="fwd+bwd"),
    Technique("A sub-word model beside the word model", ensemble="word+subword"),
    Technique("Both, four models", ensemble="four-way"),
    Technique("All of ULMFiT, against TF-IDF", "tfidf"),
)


@dataclass(frozen=True)
class Worth:
    """Points of error that a technique takes off, with its interval, as fractions."""

    points: float
    low: float
    high: float
    verdict: str
    """``worth it``, ``harmful``, ``not distinguished`` or ``too few seeds``."""
    title: str = ""
    """Of the line that says so."""


@dataclass(frozen=True)
class Column:
    """A data set of a study, with what it says of the techniques."""

    title: str
    lead: str
    """Size, seeds and ULMFiT's own error."""
    worths: tuple[Worth | None, ...]


def columns(studies: Sequence[Study]) -> list[Column]:
    """One for each data set of each study, in their order."""
    found = []
    for study in studies:
        for dataset in dict.fromkeys(run["dataset"] for run in study.runs):
            lines = compared(study, dataset)
            # Errors of other folds or sizes would stand under a heading that is not theirs.
            lines = [line for line in lines if _place(*line[:2]) == _place(*lines[0][:2])]
            if lines:
                title = str(study.manifest["texts"][dataset]["title"])
                worths = tuple(worth(lines, technique) for technique in TECHNIQUES)
                found.append(Column(title, _lead(lines), worths))
    return found


def techniques_table(studies: Sequence[Study]) -> str:
    """Markdown: a line for each technique that some study has, the last column in words."""
    shown = columns(studies)
    heads = [f"{column.title}<br>{column.lead}" for column in shown]
    lines = [["Technique", *heads, "In a sentence"], ["---", *("---:" for _ in heads), "---"]]
    for place, technique in enumerate(TECHNIQUES):
        worths = [column.worths[place] for column in shown]
        if any(worths):
            said = sentence([(column.title, column.worths[place]) for column in shown])
            lines.append([technique.title, *map(_cell, worths), said])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def sentence(worths: Sequence[tuple[str, Worth | None]]) -> str:
    """``Worth 4.4 points on TREC-6; undecided on IMDb.``, by (data set, worth)."""
    clauses = []
    for verdict, begin in (("worth it", "worth"), ("harmful", "costs")):
        told = [
            f"{wording.percent(abs(worth.points))} points on {name}"
            for name, worth in worths
            if worth and worth.verdict == verdict
        ]
        if told:
            clauses.append(f"{begin} {wording.listing(told)}")
    rest = [name for name, worth in worths if worth and worth.verdict == "not distinguished"]
    few = [name for name, worth in worths if worth and worth.verdict == "too few seeds"]
    if rest:
        clauses.append(f"undecided on {wording.listing(rest)}")
    if few:
        clauses.append(f"too few seeds on {wording.listing(few)}")
    text = "; ".join(clauses)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def compared(study: Study, dataset: str) -> list[Compared]:
    """Every line of a data set that is compared with ULMFiT, best for a front first.

    That is the report fold before the test fold, and more labels before fewer.
    """
    found = [
        (experiment, row, reference)
        for experiment in study.experiments
        for row in experiment.rows
        if row["dataset"] == dataset
        and (reference := experiment.reference(row)) is not None
        and reference["variant"] == ULMFIT
        and reference["kind"] == "model"
    ]
    return sorted(found, key=lambda line: (line[0].fold == "test", -_labels(line[1])))


def _parts(cell: str) -> list[str]:
    """Data set, variant, tokenizer, direction, labels, and the ensemble if the cell is one."""
    return cell.split("/")[:6]


def _labels(row: Row) -> float:
    return number(row, "labelled") or 0.0


def worth(lines: Sequence[Compared], technique: Technique) -> Worth | None:
    """What the first line that shows it says of a technique; None if no line does.

    A line that had the choice of rates is the fairer one and goes first, in whatever table of the
    same fold and labels. Where tables differ in Holm's correction, ``not distinguished`` counts.
    """
    shown = [
        (experiment, row)
        for experiment, row, _ in lines
        if row["difference"] and technique.is_shown_by(experiment, row)
    ]
    if not shown:
        return None
    alike = [line for line in shown if _place(*line) == _place(*shown[0])]
    experiment, row = next((line for line in alike if line[0].candidates(line[1])), alike[0])
    same = [
        other["verdict"] for table, other in alike if table.paths(other) == experiment.paths(row)
    ]
    verdict = row["verdict"] if len(set(same)) == 1 else "not distinguished"
    difference, low, high = (
        number(row, name) or 0.0 for name in ("difference", "difference_low", "difference_high")
    )
    helps = "better" if technique.ensemble else "worse"
    if verdict in ("better", "worse"):
        verdict = "worth it" if verdict == helps else "harmful"
    if technique.ensemble:
        difference, low, high = -difference, -high, -low
    return Worth(difference, low, high, verdict, row["title"])


def _place(experiment: Experiment, row: Row) -> tuple[str, str]:
    return experiment.fold, row["n_labelled"]


def _lead(lines: Sequence[Compared]) -> str:
    reference = lines[0][2]
    return (
        f"{wording.count(reference['n'])} documents, "
        f"{wording.plural(number(reference, 'seeds') or 0, 'seed')}, ULMFiT "
        f"{wording.percent(number(reference, 'error'))} %"
    )


def _cell(worth: Worth | None) -> str:
    if worth is None:
        return ""
    text = wording.points(worth.points)
    if worth.verdict in ("worth it", "harmful"):
        text = f"**{text}**"
    return f"{text} {wording.interval(worth.low, worth.high, sign=True)}"
