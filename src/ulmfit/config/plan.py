"""A resolved study: which runs there are, where each lies, and what each stage reads.

The workflow asks a plan for recipes and inputs; it never sees a variant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ulmfit.config import paths
from ulmfit.config.cells import CellPlanner, check_rows, distinct
from ulmfit.config.checks import (
    check_corpus,
    check_experiments,
    check_files,
    check_folds,
    check_labels,
    check_names,
    check_seeds,
    check_stages,
)
from ulmfit.config.experiments import check_datasets, check_targets, check_test_fold
from ulmfit.config.paths import NONE
from ulmfit.config.recipes import Tokenizer, from_json, to_dict
from ulmfit.config.resolve import (
    StageRecipes,
    all_variants,
    preset_of,
    stage_recipes,
    tokenizer_recipes,
)
from ulmfit.config.runs import Fields, PlannedCell, Run
from ulmfit.config.sources import SOURCE_OPTIONS, Folds
from ulmfit.config.study import STAGES, Override, Preset, Registry, Study, Text, Variant
from ulmfit.config.validation import check, check_name, merge
from ulmfit.errors import UserError
from ulmfit.store.files import canonical_json


@dataclass(frozen=True)
class Plan:
    """A study and its registries, resolved."""

    study: Study
    registry: Registry

    def __post_init__(self) -> None:
        for name, used in self.study.datasets.items():
            check_name(name, self.registry.datasets, f"{self._where}: datasets", "dataset")
            check_corpus(f"{self._where}: datasets.{name}.corpus", used.corpus, self.registry)
        check_names(self.study, self.variants)
        check_experiments(self.study, self.preset)
        check_datasets(self.study)
        check_targets(self.study)
        check_seeds(self.study)
        for name, experiment in self.study.experiments.items():
            where = f"{self._where}: experiments.{name}: published"
            for table in experiment.published:
                check_name(table, self.registry.published, where, "table")
        own = [*self.study.datasets, *(used.corpus for used in self.study.datasets.values())]
        for name in own:
            self._check_text(name)
        # Resolve everything now: a mistake must stop before any job starts.
        for name in self.study.experiments:
            check_rows(f"{self._where}: experiments.{name}", self.cells(name))
        checked = set()
        for run in self.runs():
            # Seeds and numbers of labels share the recipes of their stages.
            recipes = (run.dataset, *(run.fields.get(stage) for stage in STAGES))
            if recipes not in checked:
                check_stages(f"{self._where}: variant {run.variant}", run.fields, self.recipe)
                checked.add(recipes)
        for name in self.texts():
            if name not in own:
                self._check_text(name)

    def _check_text(self, name: str) -> None:
        source = self.text(name).source
        check_name(source, SOURCE_OPTIONS, f"datasets.yaml: {name}.source", "source")
        check_files(name, self.text(name))
        options = self.source_options(name)
        if name in self.study.datasets:
            check_labels(name, source, options)
        self.fold_options(name)

    @property
    def _where(self) -> str:
        return f"study {self.study.study}"

    @property
    def preset(self) -> Preset:
        """The reading of the method that the study's recipes differ from."""
        return preset_of(self.study, self.registry)

    @cached_property
    def variants(self) -> dict[str, Variant]:
        """Every known variant by name."""
        return all_variants(self.study, self.registry)

    @cached_property
    def tokenizers(self) -> dict[str, str]:
        """Recipe JSON of each tokenizer."""
        return tokenizer_recipes(self.study, self.registry)

    @cached_property
    def _stages(self) -> dict[str, StageRecipes]:
        return {
            dataset: stage_recipes(self.study, self.registry, dataset)
            for dataset in self.study.datasets
        }

    @cached_property
    def _planner(self) -> CellPlanner:
        return CellPlanner(self.study, self.preset, self.variants, self.tokenizers, self._stages)

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
        used = self.study.datasets.get(name)
        sizes = merge(self.text(name).folds, used.folds if used else {})
        return _options(Folds, sizes, f"{name}.folds")

    def recipe(self, stage: str, fields: Fields) -> str:
        """Canonical JSON of the recipe that a path's wildcards name."""
        if stage == "tokenizer":
            return self.tokenizers[fields["tokenizer"]]
        # Pretraining depends on no dataset: any dataset's resolution knows its recipes.
        dataset = fields.get("dataset", next(iter(self._stages)))
        return self._stages[dataset].recipes[stage][fields[stage]]

    def tokens(self, text: str, fields: Fields) -> str:
        """Token folder of a corpus or dataset, given the wildcards of what reads it.

        ``trained_on`` in its path says where the tokens' kinds come from. Sub-words: from the
        pretraining corpus, or from the text itself. Words: `none`, from the text's own training
        documents; what LM fine-tuning reads, where that is another text; or a corpus, whose
        vocabulary is kept.
        """
        tokenizer = from_json(Tokenizer, self.tokenizers[fields["tokenizer"]])
        n_text = fields.get("n_text", "all")
        if tokenizer.kind == "word" and not n_text.endswith(paths.KEPT):
            trained_on = NONE if n_text == "all" else n_text
        elif tokenizer.kind == "subword" and tokenizer.pieces_from == "dataset":
            trained_on = text
        elif fields.get("corpus", NONE) != NONE:
            trained_on = fields["corpus"]
        else:
            trained_on = self.study.datasets[fields["dataset"]].corpus
        return paths.TOKENS.format(text=text, tokenizer=fields["tokenizer"], trained_on=trained_on)

    def kind(self, tokenizer: str) -> str:
        """Whether a tokenizer makes words or sub-words."""
        return from_json(Tokenizer, self.tokenizers[tokenizer]).kind

    def keeps(self, fields: Fields) -> str | None:
        """Token folder whose vocabulary another, given by its wildcards, keeps; None = none."""
        if self.kind(fields["tokenizer"]) != "word" or fields["trained_on"] not in self.texts():
            return None
        return paths.TOKENS.format(
            text=fields["trained_on"], tokenizer=fields["tokenizer"], trained_on=NONE
        )

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
        """Datasets and corpora of the study: datasets first, their own corpora next."""
        corpora = (used.corpus for used in self.study.datasets.values())
        more = sorted({name for found in self._corpora.values() for name in found})
        return list(dict.fromkeys((*self.study.datasets, *corpora, *more)))

    def corpora(self, dataset: str) -> tuple[str, ...]:
        """A dataset's own corpus, then the others that some run on it was pretrained on, by name.

        The order is that of no YAML, so that another moves nothing.
        """
        return self._corpora[dataset]

    def leakages(self) -> list[tuple[str, str]]:
        """(dataset, corpus) of every pair between which duplicates are counted."""
        return [(name, corpus) for name, found in self._corpora.items() for corpus in found]

    @cached_property
    def _corpora(self) -> dict[str, tuple[str, ...]]:
        return self.corpora_of(self.runs())

    def corpora_of(self, runs: Iterable[Run]) -> dict[str, tuple[str, ...]]:
        """Of each dataset, its own corpus and those that some of these runs read."""
        read: dict[str, set[str]] = {name: set() for name in self.study.datasets}
        for run in runs:
            for model in (run, *run.members):
                read[model.dataset].add(model.fields.get("corpus", NONE))
        return {
            name: (used.corpus, *sorted(read[name] - {NONE, used.corpus}))
            for name, used in self.study.datasets.items()
        }

    def runs(self) -> Iterator[Run]:
        """Every run of every experiment, once, members of ensembles included."""
        yield from self._by_path.values()

    def unsealed(self) -> Iterator[Run]:
        """Runs that some experiment evaluates on the sealed test fold, once."""
        paths_of_test = {run.path for run, fold in self._runs_and_folds if fold == "test"}
        yield from (run for run in self.runs() if run.path in paths_of_test)

    def members(self, ensemble: str) -> tuple[str, ...]:
        """Folders of the classifiers that the ensemble in a folder combines."""
        return tuple(member.path for member in self._by_path[ensemble].members)

    def combination(self, ensemble: str) -> str:
        """How the ensemble of this name combines its members."""
        return self._planner.ensembles[ensemble].combine

    def part(self, experiment: str) -> Plan:
        """The plan of one experiment alone: its table is the same there."""
        only = self.study.experiments[experiment]
        named = only.datasets or self.study.datasets
        datasets = {name: used for name, used in self.study.datasets.items() if name in named}
        study = replace(self.study, datasets=datasets, experiments={experiment: only}, order=())
        return Plan(study, self.registry)

    @cached_property
    def _by_path(self) -> dict[str, Run]:
        # Variants with equal recipes are one run, known by the first of them.
        found: dict[str, Run] = {}
        for run, _ in self._runs_and_folds:
            first = found.setdefault(run.path, run)
            if (first.fields, _members(first)) != (run.fields, _members(run)):
                raise UserError(
                    f"{self._where}: {run.kind} {run.path} would stand for two different ones: "
                    "rename what tells them apart"
                )
        return found

    def cells(self, name: str) -> list[PlannedCell]:
        """Rows of an experiment, cell by cell for each dataset and number of labels."""
        if name not in self._cells:
            self._cells[name] = self._planned_cells(name)
        return self._cells[name]

    @cached_property
    def _cells(self) -> dict[str, list[PlannedCell]]:
        return {}

    def _planned_cells(self, name: str) -> list[PlannedCell]:
        experiment = self.study.experiments[name]
        where = f"{self._where}: experiments.{name}"
        planned = []
        for dataset in experiment.datasets or tuple(self.study.datasets):
            sizes = from_json(Folds, self.fold_options(dataset))
            check_folds(dataset, sizes, experiment.fold)
            if experiment.fold == "test":
                check_test_fold(where, dataset, self.text(dataset), sizes)
            planned += [
                self._planner.cell(where, experiment, cell, dataset, str(n))
                for n in experiment.sizes(dataset)
                for cell in experiment.cells
            ]
        return distinct(planned)

    def references(self, name: str) -> dict[str, str]:
        """For each dataset/number of labels, the cell that an experiment compares with."""
        experiment = self.study.experiments[name]
        if experiment.reference is None:
            return {}
        where = f"{self._where}: experiments.{name}: reference {experiment.reference!r}"
        found: dict[str, str] = {}
        for cell in self.cells(name):
            if not cell.answers_to(experiment):
                continue
            group = f"{cell.dataset}/{cell.n_labelled}"
            if group in found:
                raise UserError(f"{where} is two of the cells ({group}): leave one out")
            found[group] = cell.id
        if not found:
            raise UserError(
                f"{where} is not among the cells: add it, or set reference to one of them or to "
                "null"
            )
        return found

    @cached_property
    def _runs_and_folds(self) -> list[tuple[Run, str]]:
        found: list[tuple[Run, str]] = []
        for name, experiment in self.study.experiments.items():
            self.references(name)
            for cell in self.cells(name):
                for part in cell.among or (cell,):
                    for run in part.runs:
                        for one in (run, *run.members):
                            found.append((one, experiment.fold))
        return found


def _members(run: Run) -> list[str]:
    return [member.path for member in run.members]


def _options(kind: type[Any], values: Override, where: str) -> str:
    return canonical_json(to_dict(check(kind, values, where)))
