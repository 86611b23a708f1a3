"""From the rows that an experiment names to cells, and from cells to runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ulmfit.config import paths
from ulmfit.config.paths import NONE
from ulmfit.config.recipes import Tokenizer, from_json
from ulmfit.config.resolve import StageRecipes
from ulmfit.config.runs import PlannedCell, Run
from ulmfit.config.study import ENSEMBLES, Cell, Ensemble, Experiment, Preset, Study, Variant
from ulmfit.config.validation import check_name
from ulmfit.errors import UserError

COMBINATIONS = {
    "mean": "",
    "logits": "mean of logits",
    "weighted": "weighted mean",
    "vote": "majority vote",
}
"""How titles call the ways to combine an ensemble's members; the usual one is not named."""


def distinct(cells: Sequence[PlannedCell]) -> list[PlannedCell]:
    """The same rows; of those that share their title, ensembles also say which they are."""
    titles = Counter((cell.dataset, cell.n_labelled, cell.title) for cell in cells)
    return [
        replace(cell, title=f"{cell.title}, {cell.runs[0].fields['ensemble']}")
        if cell.kind == "ensemble" and titles[cell.dataset, cell.n_labelled, cell.title] > 1
        else cell
        for cell in cells
    ]


def check_rows(where: str, cells: Iterable[PlannedCell]) -> None:
    """Two rows of a table, or two candidates of one row, must not be the same run (UserError)."""
    rows: dict[str, str] = {}
    for cell in cells:
        check_rows(where, cell.among)
        for path in {run.path for run in cell.runs}:
            if path in rows:
                raise UserError(
                    f"{where}: {rows[path]!r} and {cell.title!r} are the same run: what tells them "
                    "apart changes nothing with this preset and these recipes; leave one out"
                )
            rows[path] = cell.title


@dataclass(frozen=True)
class CellPlanner:
    """What decides which runs a row of a table has.

    ``stages`` has the resolved recipes of each dataset, ``tokenizers`` recipe JSON by name.
    """

    study: Study
    preset: Preset
    variants: Mapping[str, Variant]
    tokenizers: Mapping[str, str]
    stages: Mapping[str, StageRecipes]

    @property
    def ensembles(self) -> dict[str, Ensemble]:
        """Every ensemble that a row may name."""
        return ENSEMBLES | self.study.ensembles

    def cell(
        self, where: str, experiment: Experiment, cell: str | Cell, dataset: str, n: str
    ) -> PlannedCell:
        """A row of an experiment on one dataset and number of labels; raises UserError."""
        cell = Cell(variant=cell) if isinstance(cell, str) else cell
        if cell.among:
            return self._choice(where, experiment, cell, dataset, n)
        if cell.variant is None:
            raise UserError(f"{where}: a cell needs `variant` or `among`")
        check_name(cell.variant, self.variants, f"{where}: cells", "variant")
        runs = self._runs(where, experiment, cell, cell.variant, dataset, n)
        return PlannedCell(
            id=runs[0].cell,
            title=cell.title or self._title(experiment, runs[0]),
            variant=cell.variant,
            dataset=dataset,
            tokenizer=runs[0].tokenizer,
            direction=runs[0].direction,
            n_labelled=n,
            runs=runs,
        )

    def _choice(
        self, where: str, experiment: Experiment, cell: Cell, dataset: str, n: str
    ) -> PlannedCell:
        if cell.variant or cell.ensemble:
            raise UserError(f"{where}: a cell with `among` has neither variant nor ensemble")
        parts = tuple(
            self.cell(
                where,
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

    def _runs(
        self, where: str, experiment: Experiment, cell: Cell, variant: str, dataset: str, n: str
    ) -> tuple[Run, ...]:
        baseline = self.variants[variant].baseline
        if baseline is not None:
            if cell.ensemble is not None:
                raise UserError(f"{where}: the baseline {variant!r} has no ensemble")
            fields = {"dataset": dataset, "baseline": baseline, "n_labelled": n}
            return (Run("baseline", variant, dataset, "-", "-", n, 0, paths.BASELINE, fields),)
        tokenizer = cell.tokenizer or experiment.tokenizer
        check_name(tokenizer, self.tokenizers, f"{where}: cells", "tokenizer")
        direction = cell.direction or experiment.direction
        seeds = self.study.seeds.runs
        if cell.ensemble is not None:
            check_name(cell.ensemble, self.ensembles, f"{where}: cells", "ensemble")
            ensembles = [
                self._ensemble(cell.ensemble, variant, dataset, tokenizer, direction, n, seed)
                for seed in seeds
            ]
            # Where no member varies with the seed there is one ensemble, not one for each seed.
            by_members = {
                tuple(member.path for member in run.members): run for run in reversed(ensembles)
            }
            return tuple(by_members.values())[::-1]
        models = (self._model(variant, dataset, tokenizer, direction, n, seed) for seed in seeds)
        return tuple({run.path: run for run in models}.values())

    def _ensemble(
        self,
        name: str,
        variant: str,
        dataset: str,
        tokenizer: str,
        direction: str,
        n: str,
        seed: int,
    ) -> Run:
        where = f"ensemble {name}"
        members = []
        definition = self.ensembles[name].members
        for member in definition:
            own = member.variant or variant
            check_name(own, self.variants, where, "variant")
            check_name(member.tokenizer or tokenizer, self.tokenizers, where, "tokenizer")
            if self.variants[own].baseline is not None:
                raise UserError(f"{where}: the baseline {own!r} cannot be a member")
            members.append(
                self._model(
                    own,
                    dataset,
                    member.tokenizer or tokenizer,
                    member.direction or direction,
                    n,
                    seed,
                )
            )
        if len({member.path for member in members}) < len(members):
            raise UserError(f"{where}: two members of {variant!r} are the same classifier")
        fields = {
            "dataset": dataset,
            "ensemble": name,
            "variant": variant,
            "tokenizer": NONE if all(one.tokenizer for one in definition) else tokenizer,
            "direction": NONE if all(one.direction for one in definition) else direction,
            "n_labelled": n,
            "seed": str(seed),
        }
        return Run(
            "ensemble",
            variant,
            dataset,
            "+".join(dict.fromkeys(member.tokenizer for member in members)),
            "+".join(dict.fromkeys(member.direction for member in members)),
            n,
            seed,
            paths.ENSEMBLE,
            fields,
            tuple(members),
        )

    def _model(
        self, variant: str, dataset: str, tokenizer: str, direction: str, n: str, seed: int
    ) -> Run:
        names = self.stages[dataset].names[variant]
        pretrained, finetuned = names["pretrain"] != NONE, names["finetune"] != NONE
        fields = {
            **names,
            "dataset": dataset,
            "corpus": self._corpus(variant, dataset) if pretrained else NONE,
            "tokenizer": tokenizer,
            "direction": direction,
            "n_text": self._text(variant, tokenizer, pretrained, finetuned, n),
            "n_labelled": n,
            "pretrain_seed": str(self._seed("pretrain", seed) if pretrained else 0),
            "finetune_seed": str(self._seed("finetune", seed) if finetuned else 0),
            "classify_seed": str(self._seed("classify", seed)),
        }
        return Run(
            "model", variant, dataset, tokenizer, direction, n, seed, paths.CLASSIFIER, fields
        )

    def _corpus(self, variant: str, dataset: str) -> str:
        return self.variants[variant].corpus or self.study.datasets[dataset].corpus

    def _text(self, name: str, tokenizer: str, pretrained: bool, finetuned: bool, n: str) -> str:
        """The wildcard `n_text`: what LM fine-tuning reads, and whether the vocabulary is kept."""
        variant = self.variants[name]
        text: str = variant.finetune_text or self.preset.finetune_text if finetuned else "all"
        if text == "labelled" and n != "all":
            text = n
        # Sub-words are always those of the corpus.
        words = from_json(Tokenizer, self.tokenizers[tokenizer]).kind == "word"
        if variant.vocabulary == "pretrained" and words:
            if not pretrained:
                raise UserError(
                    f"study {self.study.study}: variant {name}: it has no pretraining whose "
                    "vocabulary could be kept"
                )
            return text + paths.KEPT
        return text

    def _seed(self, stage: str, seed: int) -> int:
        return seed if stage in self.study.seeds.vary else min(self.study.seeds.runs)

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
        if run.kind == "ensemble":
            name = run.fields["ensemble"]
            details.append(COMBINATIONS[self.ensembles[name].combine])
            if not any(details):
                details.append(name)
        return ", ".join(filter(None, [title, *details]))
