"""A resolved study: which runs there are, where each lies, and what each stage reads.

The workflow asks a plan for recipes and inputs; it never sees a variant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from ulmfit.config import paths
from ulmfit.config.checks import check_files, check_folds, check_names, check_seeds
from ulmfit.config.paths import NONE
from ulmfit.config.recipes import Tokenizer, from_json, to_dict
from ulmfit.config.resolve import (
    StageRecipes,
    all_variants,
    stage_recipes,
    tokenizer_recipes,
)
from ulmfit.config.sources import SOURCE_OPTIONS, Folds
from ulmfit.config.study import Cell, Experiment, Override, Registry, Study, Text, Variant
from ulmfit.config.validation import check, check_name
from ulmfit.errors import UserError
from ulmfit.store.files import canonical_json

Fields = Mapping[str, str]
"""Wildcards of a path pattern."""


@dataclass(frozen=True)
class Run:
    """One trained and scored model, ensemble or baseline."""

    kind: str
    variant: str
    dataset: str
    tokenizer: str
    direction: str
    n_labelled: str
    seed: int
    pattern: str
    fields: Fields
    members: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Folder of the run, relative to the results of the study."""
        return self.pattern.format(**self.fields)

    @property
    def cell(self) -> str:
        """Name of the table cell: a run without its seed."""
        return "/".join(
            (self.dataset, self.variant, self.tokenizer, self.direction, self.n_labelled)
        )


@dataclass(frozen=True)
class PlannedCell:
    """A row of a table: its runs, or the cells among which the select fold decides."""

    id: str
    title: str
    variant: str
    dataset: str
    tokenizer: str
    direction: str
    n_labelled: str
    runs: tuple[Run, ...]
    among: tuple[PlannedCell, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A study and its registries, resolved."""

    study: Study
    registry: Registry

    def __post_init__(self) -> None:
        for name, used in self.study.datasets.items():
            check_name(name, self.registry.datasets, f"{self._where}: datasets", "dataset")
            check_name(
                used.corpus,
                self.registry.corpora,
                f"{self._where}: datasets.{name}.corpus",
                "corpus",
            )
            if used.corpus in self.registry.datasets:
                raise UserError(f"{self._where}: {used.corpus!r} is both a corpus and a dataset")
        check_names(self.study, self.variants)
        check_seeds(self.study)
        for name in self.texts():
            source = self.text(name).source
            check_name(source, SOURCE_OPTIONS, f"datasets.yaml: {name}.source", "source")
            check_files(name, self.text(name))
            self.source_options(name)
            self.fold_options(name)
        # Resolve everything now: a mistake must stop before any job starts.
        list(self.runs())

    @property
    def _where(self) -> str:
        return f"study {self.study.study}"

    @cached_property
    def variants(self) -> dict[str, Variant]:
        """Every known variant by name."""
        return all_variants(self.study, self.registry)

    @cached_property
    def tokenizers(self) -> dict[str, str]:
        """Recipe JSON of each tokenizer."""
        return tokenizer_recipes(self.study)

    @cached_property
    def _stages(self) -> dict[str, StageRecipes]:
        return {
            dataset: stage_recipes(self.study, self.registry, dataset)
            for dataset in self.study.datasets
        }

    # What the workflow asks for

    def text(self, name: str) -> Text:
        """Registry entry of a corpus or dataset."""
        return self.registry.datasets.get(name) or self.registry.corpora[name]

    def source_options(self, name: str) -> str:
        """Canonical JSON of the options of a text's source, defaults filled in."""
        text = self.text(name)
        return _options(SOURCE_OPTIONS[text.source], text.options, f"datasets.yaml: {name}.options")

    def fold_options(self, name: str) -> str:
        """Canonical JSON of the sizes of a text's folds, defaults filled in."""
        return _options(Folds, self.text(name).folds, f"datasets.yaml: {name}.folds")

    def recipe(self, stage: str, fields: Fields) -> str:
        """Canonical JSON of the recipe that a path's wildcards name."""
        if stage == "tokenizer":
            return self.tokenizers[fields["tokenizer"]]
        # Pretraining depends on no dataset: any dataset's resolution knows its recipes.
        dataset = fields.get("dataset", next(iter(self._stages)))
        return self._stages[dataset].recipes[stage][fields[stage]]

    def tokens(self, text: str, fields: Fields) -> str:
        """Token folder of a corpus or dataset, given the wildcards of what reads it."""
        tokenizer = from_json(Tokenizer, self.tokenizers[fields["tokenizer"]])
        if tokenizer.kind == "word":
            trained_on = NONE
        elif tokenizer.pieces_from == "dataset":
            trained_on = text
        elif fields.get("corpus", NONE) != NONE:
            trained_on = fields["corpus"]
        else:
            trained_on = self.study.datasets[fields["dataset"]].corpus
        return paths.TOKENS.format(text=text, tokenizer=fields["tokenizer"], trained_on=trained_on)

    def parent(self, fields: Fields, finetuned: bool) -> str | None:
        """Folder of the LM that a stage starts from; None for random weights.

        ``finetuned``: whether the stage may start from a fine-tuned LM, as a classifier does, or
        only from a pretrained one, as LM fine-tuning does.
        """
        if finetuned and fields["finetune"] != NONE:
            return paths.FINETUNED.format(**fields)
        return paths.PRETRAINED.format(**fields) if fields["pretrain"] != NONE else None

    # What there is

    def experiments(self) -> list[str]:
        """Names of the experiments in the order of the report, whatever the order of the YAML."""
        return list(dict.fromkeys((*self.study.order, *sorted(self.study.experiments))))

    def texts(self) -> list[str]:
        """Datasets and corpora of the study, datasets first."""
        corpora = (used.corpus for used in self.study.datasets.values())
        return list(dict.fromkeys((*self.study.datasets, *corpora)))

    def runs(self) -> Iterator[Run]:
        """Every run of every experiment, once, members of ensembles included."""
        yield from self._by_path.values()

    def unsealed(self) -> Iterator[Run]:
        """Runs that some experiment evaluates on the sealed test fold, once."""
        paths_of_test = {run.path for run, fold in self._runs_and_folds() if fold == "test"}
        yield from (run for run in self.runs() if run.path in paths_of_test)

    def members(self, ensemble: str) -> tuple[str, ...]:
        """Folders of the classifiers that the ensemble in a folder averages."""
        return self._by_path[ensemble].members

    @cached_property
    def _by_path(self) -> dict[str, Run]:
        # Variants with equal recipes are one run, known by the first of them.
        found: dict[str, Run] = {}
        for run, _ in self._runs_and_folds():
            found.setdefault(run.path, run)
        return found

    def cells(self, name: str) -> list[PlannedCell]:
        """Rows of an experiment, cell by cell for each dataset and number of labels."""
        experiment = self.study.experiments[name]
        datasets = experiment.datasets or tuple(self.study.datasets)
        return [
            self._cell(name, experiment, cell, dataset, str(n))
            for dataset, n, cell in product(datasets, experiment.n_labelled, experiment.cells)
        ]

    def references(self, name: str) -> dict[str, str]:
        """For each dataset/number of labels, the cell that an experiment compares with."""
        experiment = self.study.experiments[name]
        if experiment.reference is None:
            return {}
        wanted = (experiment.reference, experiment.tokenizer, experiment.direction)
        found = {
            f"{cell.dataset}/{cell.n_labelled}": cell.id
            for cell in self.cells(name)
            if (cell.variant, cell.tokenizer, cell.direction) == wanted
        }
        if not found:
            raise UserError(
                f"{self._where}: experiments.{name}: reference {experiment.reference!r} is not "
                "among the cells: add it, or set reference to one of them or to null"
            )
        return found

    # How runs come about

    def _runs_and_folds(self) -> Iterator[tuple[Run, str]]:
        for name, experiment in self.study.experiments.items():
            self.references(name)
            for cell in self.cells(name):
                for part in cell.among or (cell,):
                    for run in part.runs:
                        yield run, experiment.fold
                        for member in self._members_of(run):
                            yield member, experiment.fold

    def _members_of(self, run: Run) -> list[Run]:
        if run.kind != "ensemble":
            return []
        return [
            self._model(run.variant, run.dataset, tokenizer, direction, run.n_labelled, run.seed)
            for tokenizer, direction in self._member_kinds(run.fields["ensemble"])
        ]

    def _member_kinds(self, ensemble: str) -> list[tuple[str, str]]:
        return [
            (cell.tokenizer or "word", cell.direction or "fwd")
            for cell in self.study.ensembles[ensemble]
        ]

    def _cell(
        self, name: str, experiment: Experiment, cell: str | Cell, dataset: str, n: str
    ) -> PlannedCell:
        where = f"{self._where}: experiments.{name}"
        check_name(dataset, self.study.datasets, f"{where}: datasets", "dataset")
        if n != "all" and int(n) < 2:
            raise UserError(f"{where}: n_labelled must be at least 2, not {n}")
        check_folds(dataset, from_json(Folds, self.fold_options(dataset)), experiment.fold)
        cell = Cell(variant=cell) if isinstance(cell, str) else cell
        if cell.among:
            if cell.variant or cell.ensemble:
                raise UserError(f"{where}: a cell with `among` has neither variant nor ensemble")
            parts = tuple(
                self._cell(
                    name,
                    experiment,
                    Cell(variant=one, tokenizer=cell.tokenizer, direction=cell.direction),
                    dataset,
                    n,
                )
                for one in cell.among
            )
            first = parts[0]
            variant = "best-of-" + "+".join(cell.among)
            return PlannedCell(
                id="/".join((dataset, variant, first.tokenizer, first.direction, n)),
                title=cell.title or "Best of " + ", ".join(part.title for part in parts),
                variant=variant,
                dataset=dataset,
                tokenizer=first.tokenizer,
                direction=first.direction,
                n_labelled=n,
                runs=(),
                among=parts,
            )
        if cell.variant is None:
            raise UserError(f"{where}: a cell needs `variant` or `among`")
        check_name(cell.variant, self.variants, f"{where}: cells", "variant")
        runs = self._runs_of(where, experiment, cell, dataset, n)
        return PlannedCell(
            id=runs[0].cell,
            title=cell.title or self._title(experiment, runs[0]),
            variant=cell.variant,
            dataset=dataset,
            tokenizer=runs[0].tokenizer,
            direction=runs[0].direction,
            n_labelled=n,
            runs=tuple(runs),
        )

    def _runs_of(
        self, where: str, experiment: Experiment, cell: Cell, dataset: str, n: str
    ) -> list[Run]:
        assert cell.variant is not None
        baseline = self.variants[cell.variant].baseline
        if baseline is not None:
            fields = {"dataset": dataset, "baseline": baseline, "n_labelled": n}
            return [Run("baseline", cell.variant, dataset, "-", "-", n, 0, paths.BASELINE, fields)]
        seeds = self.study.seeds.runs
        if cell.ensemble is not None:
            check_name(cell.ensemble, self.study.ensembles, f"{where}: cells", "ensemble")
            kinds = self._member_kinds(cell.ensemble)
            for tokenizer, _ in kinds:
                check_name(tokenizer, self.tokenizers, f"ensemble {cell.ensemble}", "tokenizer")
            ensembles = [
                Run(
                    "ensemble",
                    cell.variant,
                    dataset,
                    "+".join(dict.fromkeys(tokenizer for tokenizer, _ in kinds)),
                    "+".join(dict.fromkeys(direction for _, direction in kinds)),
                    n,
                    seed,
                    paths.ENSEMBLE,
                    {
                        "dataset": dataset,
                        "ensemble": cell.ensemble,
                        "variant": cell.variant,
                        "n_labelled": n,
                        "seed": str(seed),
                    },
                    tuple(
                        self._model(cell.variant, dataset, tokenizer, direction, n, seed).path
                        for tokenizer, direction in kinds
                    ),
                )
                for seed in seeds
            ]
            # Where no member varies with the seed there is one ensemble, not one for each seed.
            return list({run.members: run for run in reversed(ensembles)}.values())[::-1]
        tokenizer = cell.tokenizer or experiment.tokenizer
        check_name(tokenizer, self.tokenizers, f"{where}: cells", "tokenizer")
        direction = cell.direction or experiment.direction
        models = (
            self._model(cell.variant, dataset, tokenizer, direction, n, seed) for seed in seeds
        )
        return list({run.path: run for run in models}.values())

    def _model(
        self, variant: str, dataset: str, tokenizer: str, direction: str, n: str, seed: int
    ) -> Run:
        names = self._stages[dataset].names[variant]
        pretrained, finetuned = names["pretrain"] != NONE, names["finetune"] != NONE
        labelled_only = finetuned and self.variants[variant].finetune_text == "labelled"
        fields = {
            **names,
            "dataset": dataset,
            "corpus": self.study.datasets[dataset].corpus if pretrained else NONE,
            "tokenizer": tokenizer,
            "direction": direction,
            "n_text": ("labelled" if n == "all" else n) if labelled_only else "all",
            "n_labelled": n,
            "pretrain_seed": str(self._seed("pretrain", seed) if pretrained else 0),
            "finetune_seed": str(self._seed("finetune", seed) if finetuned else 0),
            "classify_seed": str(self._seed("classify", seed)),
        }
        return Run(
            "model", variant, dataset, tokenizer, direction, n, seed, paths.CLASSIFIER, fields
        )

    def _seed(self, stage: str, seed: int) -> int:
        return seed if stage in self.study.seeds.vary else self.study.seeds.runs[0]

    def _title(self, experiment: Experiment, run: Run) -> str:
        title = self.variants[run.variant].title or run.variant
        if run.kind == "baseline":
            return title
        details = [
            what
            for what, usual in (
                (run.tokenizer, experiment.tokenizer),
                (run.direction, experiment.direction),
            )
            if what != usual
        ]
        return ", ".join([title, *details])


def _options(kind: type[Any], values: Override, where: str) -> str:
    return canonical_json(to_dict(check(kind, values, where)))
