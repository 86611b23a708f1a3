"""What every job takes: seconds, cores, memory, and the bytes it leaves on disk."""

from __future__ import annotations

from dataclasses import dataclass

from ulmfit.forecast.jobs import TRAININGS, Job
from ulmfit.forecast.speeds import Speed
from ulmfit.forecast.texts import Sizes
from ulmfit.forecast.work import MIB, Work, Works

PROCESS_MIB = 290.0
"""Memory of a process that has imported torch."""
START_S = 1.7
"""Seconds until such a process begins, and from its result to its end."""


@dataclass(frozen=True)
class Rule:
    """Seconds of a job without a model: some always, and some for a million tokens it reads; the
    same of memory in MiB; processes it may have.
    """

    seconds: float
    per_million: float
    mib: float
    mib_per_million: float = 0.0
    cores: int = 1


# Measured on the built-in study and the texts of docs/data.md on one machine, assumed on others:
# small beside trainings, but on large texts not nothing.
RULES = {
    "fetch": Rule(1.0, 0.0, 60),
    "documents": Rule(0.5, 0.4, 150, 20),
    "folds": Rule(0.8, 0.9, 180, 25),
    "leakage": Rule(0.8, 0.5, 200, 10),
    "tokenizer": Rule(0.3, 4.0, 240, 70),
    "tokens": Rule(1.6, 2.0, 270, 12, cores=4),
    "score": Rule(0.55, 0.0, 160),
    "score_test": Rule(0.5, 0.0, 160),
    "ensemble": Rule(0.6, 0.0, 165),
    "ensemble_test": Rule(0.5, 0.0, 165),
    "baseline": Rule(2.0, 35.0, 310, 25),
    "baseline_test": Rule(2.2, 35.0, 310, 25),
    "manifest": Rule(0.25, 0.0, 60),
    "before_test": Rule(0.2, 0.0, 60),
    "tables": Rule(1.8, 0.0, 300),
    "figures": Rule(6.3, 0.0, 170),
    "report": Rule(1.0, 0.0, 175),
    "paper": Rule(1.9, 0.0, 435),
    "all": Rule(0.0, 0.0, 0),
}
READING_PACKAGES_S = 8.5
"""Of the sources that read docstrings, beside what `documents` takes."""
PIECES_FROM = 10e6
"""Tokens from which learning sub-words takes no longer."""
SUBWORD_TOKENS = 0.3
"""Seconds of sub-word tokenization over those of words."""

# Disk. Beside an id: a fold of 8 letters, 4 bytes each, and fp32 probabilities. Parquet packs both.
PROBABILITY, CLASS_PROBABILITY = 32, 4
PREDICTION, CLASS_PREDICTION = 20, 5
RECORD = 8_500
"""metrics.json, card.json and history.csv of a model: about so much."""
TOKEN_BYTES, WORD_BYTES = 2, 9
"""Of an id, of a line of a vocabulary."""
TOKENS_OF_A_DOCUMENT = 66
"""In a token folder: offset, fold, label and rank; its id comes on top."""
DOCUMENT_BYTES_A_TOKEN, DOCUMENT_BYTES = 2.2, 40
"""Parquet packs text by about half; an id, a fold and a rank of each document."""
LOG = 2_000
"""A log and a benchmark."""
REPORT = 6_500_000
"""Tables, figures, report and paper: about so much."""
KEPT_CHECKPOINTS, CHECKPOINT = 2, 4
"""Checkpoints kept while a job trains, and the size of one in weights: with both moments of Adam,
and the best weights so far."""


@dataclass(frozen=True)
class Need:
    """Of a job: CPU-seconds (on a GPU those that wait for it too), cores, memory and disk in bytes;
    ``passing`` bytes are gone when it is done.
    """

    cpu_s: float
    cores: int
    gpu: bool
    memory: float
    disk: float
    passing: float = 0.0

    def wall_s(self, cores: int) -> float:
        """Seconds on so many cores."""
        return self.cpu_s / max(1, min(self.cores, cores))


class Needs:
    """Of the jobs of a study, at some speed."""

    def __init__(self, sizes: Sizes, speed: Speed) -> None:
        self.sizes, self.speed = sizes, speed
        self.works = Works(sizes)

    def of(self, job: Job) -> Need:
        """What a job takes."""
        work = self.works.of(job)
        if work is not None:
            return self._model(job, work)
        rule = RULES[job.rule]
        tokens = self._tokens(job) / 1e6
        seconds = rule.seconds + rule.per_million * tokens
        if job.rule == "documents":
            source = self.sizes.plan.text(job.fields["text"]).source
            seconds += READING_PACKAGES_S * source.startswith("docstrings-")
        elif job.rule in ("tokenizer", "tokens"):
            words = self.sizes.plan.kind(job.fields["tokenizer"]) == "word"
            if job.rule == "tokenizer" and words:
                seconds = rule.seconds
            elif job.rule == "tokens" and not words:
                seconds = rule.seconds + rule.per_million * SUBWORD_TOKENS * tokens
        memory = (rule.mib + rule.mib_per_million * tokens) * MIB
        return Need(seconds, rule.cores, False, memory, self._disk(job) + LOG)

    def training_s(self, work: Work) -> float:
        """CPU-seconds of the training itself, as its card counts them."""
        return self.speed.seconds(work)

    def _model(self, job: Job, work: Work) -> Need:
        weights = 4.0 * work.parameters
        memory = PROCESS_MIB * MIB + work.memory
        disk = (weights + RECORD if job.rule in TRAININGS else 0.0) + LOG
        if job.rule in ("classify", "predict_test"):
            shown = ("select", "report") if job.rule == "classify" else ("test",)
            folds = self.sizes.documents(job.fields["dataset"])
            one = PROBABILITY + CLASS_PROBABILITY * work.shape.classes
            one += self.sizes.id_bytes(job.fields["dataset"])
            disk += sum(folds[fold] for fold in shown) * one
        passing = KEPT_CHECKPOINTS * CHECKPOINT * weights if work.trains else 0.0
        seconds = START_S + self.training_s(work)
        threads = work.shape.recipe.compute_threads
        return Need(seconds, threads, self.speed.gpu, memory, disk, passing)

    def _tokens(self, job: Job) -> float:
        """Tokens that a job without a model reads."""
        fields, sizes = job.fields, self.sizes
        if job.rule in ("documents", "folds", "tokens"):
            return sizes.tokens(fields["text"])
        if job.rule == "leakage":
            return sizes.tokens(fields["dataset"]) + sizes.tokens(fields["corpus"])
        if job.rule == "tokenizer" and fields["trained_on"] in sizes.plan.texts():
            return min(sizes.tokens(fields["trained_on"]), PIECES_FROM)
        if job.rule in ("baseline", "baseline_test"):
            documents = sizes.documents(fields["dataset"])
            n = documents["fit"] if fields["n_labelled"] == "all" else int(fields["n_labelled"])
            return n * sizes.tokens(fields["dataset"]) / max(1, sum(documents.values()))
        return 0

    def _disk(self, job: Job) -> float:
        sizes, fields = self.sizes, job.fields
        if job.rule == "fetch":
            file = sizes.plan.text(fields["text"]).versions(fields["file"])[0]
            return float(file.bytes)
        if job.rule == "documents":
            documents = sum(sizes.documents(fields["text"]).values())
            text = DOCUMENT_BYTES_A_TOKEN * sizes.tokens(fields["text"])
            return text + DOCUMENT_BYTES * documents
        if job.rule == "folds":
            return DOCUMENT_BYTES * float(sum(sizes.documents(fields["text"]).values()))
        if job.rule == "tokens":
            folds = sizes.folds(fields["text"], fields).values()
            words = sizes.vocabulary(fields["text"], fields)
            documents = sum(fold.documents for fold in folds)
            ids = TOKEN_BYTES * sum(fold.tokens for fold in folds)
            one = TOKENS_OF_A_DOCUMENT + sizes.id_bytes(fields["text"])
            return ids + WORD_BYTES * words + one * documents
        if job.rule in ("score", "ensemble", "baseline"):
            return self._predictions(fields["dataset"], ("select", "report"))
        if job.rule in ("score_test", "ensemble_test", "baseline_test"):
            return self._predictions(fields["dataset"], ("test",))
        return REPORT if job.rule == "report" else 0.0

    def _predictions(self, dataset: str, shown: tuple[str, ...]) -> float:
        folds = self.sizes.documents(dataset)
        one = PREDICTION + CLASS_PREDICTION * self.sizes.classes(dataset)
        return sum(folds[fold] for fold in shown) * float(one)
