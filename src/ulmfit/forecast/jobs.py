"""The jobs of a plan and what each waits for, as the rules of the workflow make them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ulmfit.config import paths
from ulmfit.config.chains import MODELS
from ulmfit.config.files import places
from ulmfit.config.paths import NONE, TOKEN_FILES, WEIGHTS
from ulmfit.config.plan import Plan
from ulmfit.config.runs import Fields, Run

TRAININGS = tuple(stage for stage, _ in MODELS)
OUTPUTS = ("predictions.parquet", "metrics.json")
BEFORE_TEST = "tables/before_test.csv"
SEAL = f"before_test:{BEFORE_TEST}"
TESTS = {"model": "score_test", "ensemble": "ensemble_test", "baseline": "baseline_test"}


@dataclass(frozen=True)
class Job:
    """A job of the workflow.

    ``inputs`` are keys of other jobs, ``outputs`` files below the folder of the study, or below the
    working folder where ``fetched``. ``fields`` has what the path's wildcards stand for.
    """

    rule: str
    path: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    fields: Fields = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Names the job."""
        return f"{self.rule}:{self.path}"

    @property
    def fetched(self) -> bool:
        """Whether all studies share the output."""
        return self.rule == "fetch"


class Jobs:
    """Every job of a plan once, after those it waits for: :attr:`found`, by key."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.found: dict[str, Job] = {}
        for name in plan.texts():
            self._folds(name)
        leakages = [
            self._add(
                "leakage",
                paths.LEAKAGE.format(dataset=name, corpus=corpus),
                (self._folds(name), self._documents(name), self._documents(corpus)),
                ("",),
                {"dataset": name, "corpus": corpus},
            )
            for name, corpus in plan.leakages()
        ]
        scores = [self._score(run) for run in plan.runs()]
        manifest = self._add("manifest", "manifest.json", (), ("",))
        unsealed = list(plan.unsealed())
        if unsealed:
            self._add("before_test", BEFORE_TEST, (*scores, manifest), ("",))
        tests = [self._test(run) for run in unsealed]
        inputs = (*scores, *tests, *leakages, manifest)
        tables = self._add("tables", "tables/runs.csv", inputs, ("",))
        figures = self._add("figures", "figures/figures.json", (tables, manifest), ("",))
        folds = (self._folds(name) for name in plan.texts())
        report = (tables, figures, manifest, *folds)
        page = self._add("report", "report/report.html", report, ("",))
        paper = self._add("paper", paths.PAPER, (*report, page), ("",))
        self._add("all", "", (page, paper), ())

    def _add(
        self,
        rule: str,
        path: str,
        inputs: tuple[str, ...],
        files: tuple[str, ...],
        fields: Fields | None = None,
    ) -> str:
        """A job, unless it is known; ``files`` below ``path``, or empty for the path itself."""
        job = Job(
            rule, path, inputs, tuple(f"{path}/{one}" if one else path for one in files),
            fields or {},
        )  # fmt: skip
        return self.found.setdefault(job.key, job).key

    def _documents(self, text: str) -> str:
        registered = self.plan.text(text)
        fetched = tuple(
            self._add("fetch", place, (), ("",), {"text": text, "file": key})
            for key, place in places(text, registered).items()
            if not registered.versions(key)[0].path
        )
        path = paths.DOCUMENTS.format(text=text)
        return self._add("documents", path, fetched, ("",), {"text": text})

    def _folds(self, text: str) -> str:
        path = paths.FOLDS.format(text=text)
        return self._add("folds", path, (self._documents(text),), ("",), {"text": text})

    def _tokenizer(self, tokenizer: str, trained_on: str) -> str:
        word = self.plan.kind(tokenizer) == "word"
        trained_on = NONE if word else trained_on
        fields = {"tokenizer": tokenizer, "trained_on": trained_on}
        inputs = () if word else (self._documents(trained_on), self._folds(trained_on))
        return self._add("tokenizer", paths.TOKENIZER.format(**fields), inputs, ("",), fields)

    def _tokens(self, text: str, fields: Fields) -> str:
        path = self.plan.tokens(text, fields)
        *_, tokenizer, trained_on = path.split("/")
        own = {"text": text, "tokenizer": tokenizer, "trained_on": trained_on}
        kept = self.plan.keeps(own)
        inputs = (
            *(self._tokenizer(tokenizer, trained_on), self._documents(text), self._folds(text)),
            *([self._tokens(trained_on, {"tokenizer": tokenizer})] if kept else []),
        )
        return self._add("tokens", path, inputs, TOKEN_FILES, {**fields, **own})

    def _model(self, run: Run) -> str:
        fields = run.fields
        parent: tuple[str, ...] = ()
        key = ""
        for stage, pattern in MODELS:
            if fields[stage] == NONE:
                continue
            if stage == "pretrain":
                read = {name: fields[name] for name in ("corpus", "tokenizer")}
                tokens = self._tokens(fields["corpus"], read)
            else:
                tokens = self._tokens(run.dataset, fields)
            more = ("probabilities.npz",) if stage == "classify" else ()
            files = (WEIGHTS, "card.json", "history.csv", *more)
            key = self._add(stage, pattern.format(**fields), (tokens, *parent), files, fields)
            parent = (key,)
        return key

    def _score(self, run: Run) -> str:
        documents, folds = self._documents(run.dataset), self._folds(run.dataset)
        if run.kind == "baseline":
            return self._add("baseline", run.path, (documents, folds), OUTPUTS, run.fields)
        if run.kind == "ensemble":
            members = tuple(self._model(member) for member in run.members)
            return self._add("ensemble", run.path, (*members, documents), OUTPUTS, run.fields)
        return self._add("score", run.path, (self._model(run), documents), OUTPUTS, run.fields)

    def _test(self, run: Run) -> str:
        documents, path = self._documents(run.dataset), f"{run.path}/test"
        if run.kind == "baseline":
            inputs: tuple[str, ...] = (documents, self._folds(run.dataset), SEAL)
        elif run.kind == "ensemble":
            inputs = (*map(self._predicted, run.members), documents, f"ensemble:{run.path}")
        else:
            inputs = (self._predicted(run), documents)
        return self._add(TESTS[run.kind], path, inputs, OUTPUTS, run.fields)

    def _predicted(self, run: Run) -> str:
        inputs = (self._model(run), SEAL)
        files = ("probabilities.npz",)
        return self._add("predict_test", f"{run.path}/test", inputs, files, run.fields)


def alone(plan: Plan) -> Iterator[str]:
    """Keys of the trainings if each row of each table trained its own models from the beginning,
    those of its ensembles too.
    """
    for name in plan.experiments():
        for cell in plan.cells(name):
            for one in cell.among or (cell,):
                for run in one.runs:
                    for model in run.members or (run,):
                        if model.kind == "model":
                            for stage, pattern in MODELS:
                                if model.fields[stage] != NONE:
                                    yield f"{stage}:{pattern.format(**model.fields)}"
