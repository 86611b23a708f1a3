"""One command for each stage, files in, files out: ``python -m ulmfit STAGE --help``.

Rooms are imported only by the command that needs them, so that every job starts fast and training
runs where no text or table library is installed. Anything the user can mend, the machine included,
ends in one line and exit status 1; exit status 2 is a wrong command line, and 128 and a signal's
number that the signal stopped a training.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ulmfit import __version__, arguments, whole_study
from ulmfit.errors import UserError, explained
from ulmfit.importing import importing_torch


def main(line: Sequence[str] | None = None) -> int:
    """Run one stage; returns the exit status."""
    options = _parser().parse_args(line)
    try:
        options.run(options)
    except UserError as error:
        print(f"ulmfit {options.stage}: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print(f"ulmfit {options.stage}: stopped by Ctrl-C", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Who reads the output has gone, as `head` does; Python would write the rest at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (OSError, ImportError, MemoryError) as error:
        line_of_it = explained(error)
        if line_of_it is None:
            raise
        print(f"ulmfit {options.stage}: {line_of_it}", file=sys.stderr)
        return 1
    return 0


def _fetch(options: argparse.Namespace) -> None:
    from ulmfit.config.study import SourceFile
    from ulmfit.data.fetch import fetch

    versions = [SourceFile(**version) for version in json.loads(options.versions)]
    fetch(versions, options.output, Path(options.mirror) if options.mirror else None)


def _documents(options: argparse.Namespace) -> None:
    from ulmfit.data.stages import make_documents

    files = {key: Path(path) for key, path in json.loads(options.files).items()}
    make_documents(
        options.source,
        options.options,
        files,
        options.output,
        options.provenance,
        options.digests,
    )


def _folds(options: argparse.Namespace) -> None:
    from ulmfit.data.stages import check_tested, make_folds

    make_folds(
        options.documents, options.options, options.split_seed, options.output, options.summary
    )
    if options.output.parent.name in options.tested.split():
        check_tested(options.summary)


def _leakage(options: argparse.Namespace) -> None:
    from ulmfit.data.leakage import make_leakage

    make_leakage(
        options.documents, options.folds, options.corpus, options.output, options.duplicates
    )


def _tokenizer(options: argparse.Namespace) -> None:
    from ulmfit.text.stages import make_tokenizer

    make_tokenizer(
        options.recipe, options.documents, options.folds, options.output, options.threads
    )


def _tokens(options: argparse.Namespace) -> None:
    from ulmfit.text.stages import make_tokens

    make_tokens(
        options.tokenizer,
        options.documents,
        options.folds,
        options.output.parent,
        options.threads,
        options.n_text,
        options.vocabulary,
    )


def _show(options: argparse.Namespace) -> None:
    from ulmfit.text.display import show

    print(*show(options.tokens, options.document), sep="\n")


def _language_model(options: argparse.Namespace) -> None:
    with importing_torch():
        from ulmfit.train.language_model import train_language_model

    train_language_model(
        options.recipe,
        options.tokens.parent,
        initial=options.initial,
        direction=options.direction,
        seed=options.seed,
        output=options.output,
        history=options.history,
        stage=options.stage,
        n_text=options.n_text,
        device=options.device,
        every=options.checkpoint_every,
    )


def _classify(options: argparse.Namespace) -> None:
    with importing_torch():
        from ulmfit.train.classifier import train_classifier

    train_classifier(
        options.recipe,
        options.tokens.parent,
        initial=options.initial,
        direction=options.direction,
        n_labelled=options.n_labelled,
        seed=options.seed,
        output=options.output,
        history=options.history,
        probabilities=options.probabilities,
        device=options.device,
        every=options.checkpoint_every,
    )


def _predict(options: argparse.Namespace) -> None:
    with importing_torch():
        from ulmfit.train.predict import predict

    predict(options.weights, options.tokens.parent, options.fold, options.output, options.device)


def _score(options: argparse.Namespace) -> None:
    from ulmfit.evaluate.score import score

    score(
        options.probabilities,
        options.documents,
        options.predictions,
        options.metrics,
        options.cards,
        ledger=_ledger(options),
        rule=options.combine,
        fitted=options.fitted,
    )


def _baseline(options: argparse.Namespace) -> None:
    from ulmfit.evaluate.baselines import baseline

    baseline(
        options.name,
        options.documents,
        options.folds,
        "all" if options.n_labelled is None else options.n_labelled,
        options.predictions,
        options.metrics,
        test=options.fold == "test",
        ledger=_ledger(options),
    )


def _ledger(options: argparse.Namespace) -> Path | None:
    """Where evaluations of the sealed test fold are counted; no rule of the workflow deletes it."""
    return options.metrics.with_name("evaluations.log") if options.fold == "test" else None


def _manifest(options: argparse.Namespace) -> None:
    from ulmfit.config.manifest import manifest
    from ulmfit.store.files import write_json
    from ulmfit.studies import plan_of

    write_json(options.output, manifest(plan_of(json.loads(options.plan))))


def _before_test(options: argparse.Namespace) -> None:
    from ulmfit.evaluate.tables import write_before_test

    write_before_test(options.manifest, options.output)


def _tables(options: argparse.Namespace) -> None:
    from ulmfit.evaluate.tables import make_tables

    make_tables(options.manifest, options.results or options.manifest.parent, options.output.parent)


def _figures(options: argparse.Namespace) -> None:
    from ulmfit.report.figures import make_figures

    make_figures(options.manifest, options.tables.parent, options.output.parent)


def _markdown(options: argparse.Namespace) -> None:
    from ulmfit.report.tables import make_markdown
    from ulmfit.report.tex import make_tex

    make_markdown(options.manifest, options.tables.parent)
    make_tex(options.manifest, options.tables.parent)


def _report(options: argparse.Namespace) -> None:
    from ulmfit.report.html import make_report
    from ulmfit.report.provenance import make_provenance
    from ulmfit.report.tables import make_markdown

    results = options.manifest.parent
    make_markdown(options.manifest, results / "tables")
    make_provenance(options.manifest, results, options.provenance)
    make_report(options.manifest, results, options.output)


def _paper(options: argparse.Namespace) -> None:
    from ulmfit.report.paper import make_paper
    from ulmfit.report.tex import make_tex

    make_tex(options.manifest, options.manifest.parent / "tables")
    make_paper(options.manifest, options.manifest.parent, options.output)


def _schema(options: argparse.Namespace) -> None:
    from ulmfit.config.documentation import write_documentation

    write_documentation(options.config)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ulmfit", description=__doc__.split("\n")[0])
    parser.add_argument("--version", action="version", version=__version__)
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")

    def stage(
        name: str, run: Callable[[argparse.Namespace], None], summary: str
    ) -> argparse.ArgumentParser:
        added = stages.add_parser(name, help=summary, description=summary)
        added.set_defaults(run=run)
        return added

    add = stage("fetch", _fetch, "Get a published file from a mirror folder or its URLs.")
    add.add_argument("--versions", required=True, help="its published forms, as JSON")
    arguments.paths(add, "output")
    add.add_argument(
        "--mirror",
        default=os.environ.get("ULMFIT_DATA_MIRROR", ""),
        metavar="FOLDER",
        help="default: $ULMFIT_DATA_MIRROR, or none",
    )

    add = stage("documents", _documents, "Read a source into documents.parquet.")
    add.add_argument("--source", required=True, help="name of a registered source")
    add.add_argument("--options", default="{}", help="its options, as JSON")
    add.add_argument("--files", default="{}", help="paths of its files by key, as JSON")
    add.add_argument(
        "--digests", default="{}", help="digests of its published files by key, as JSON"
    )
    arguments.paths(add, "output", "provenance")

    add = stage("folds", _folds, "Divide documents into folds.")
    arguments.paths(add, "documents", "output", "summary")
    add.add_argument("--options", default="{}", help="sizes of the folds, as JSON")
    add.add_argument("--split-seed", type=int, default=0)
    add.add_argument(
        "--tested",
        default=os.environ.get("ULMFIT_TESTED", ""),
        metavar="NAMES",
        help="texts (folders of the output) that need test documents; default: $ULMFIT_TESTED",
    )

    add = stage("leakage", _leakage, "Count duplicates in splits, folds and corpus.")
    arguments.paths(add, "documents", "folds", "output", "duplicates")
    arguments.paths(add, "corpus", help="documents.parquet of the corpus")

    add = stage("tokenizer", _tokenizer, "Make a tokenizer; sub-words are trained on a corpus.")
    add.add_argument("--recipe", required=True, help="recipe as JSON")
    arguments.optional_paths(add, "documents", "folds")
    arguments.paths(add, "output")
    arguments.threads(add)

    add = stage("tokens", _tokens, "Tokenize and numericalise documents.")
    arguments.paths(add, "tokenizer", "documents", "folds")
    arguments.paths(add, "output", help="tokens.json of the folder to write")
    arguments.optional_paths(
        add, "vocabulary", help="keep this vocabulary of words; left out: make one"
    )
    arguments.n_text(add, "text that the vocabulary of words is made of")
    arguments.threads(add)

    add = stage("show", _show, "Print the tokens of documents, and the text they stand for.")
    add.add_argument("--tokens", type=Path, required=True, metavar="FOLDER", help="token folder")
    add.add_argument("--document", nargs="+", required=True, metavar="ID", help="their names")

    for name, summary in (
        ("pretrain", "Pretrain a language model on a corpus."),
        ("finetune", "Fine-tune a language model on the text of a dataset."),
    ):
        add = stage(name, _language_model, summary)
        arguments.training(add)
        arguments.n_text(add, "text to read")

    add = stage("classify", _classify, "Train a classifier and predict select and report folds.")
    arguments.training(add)
    add.add_argument(
        "--n-labelled", type=arguments.count, default=None, help="labelled documents, or 'all'"
    )
    arguments.paths(add, "probabilities")

    add = stage("predict", _predict, "Predict one fold with a trained classifier.")
    arguments.paths(add, "weights", "tokens", "output")
    add.add_argument("--fold", default="test")
    arguments.device(add)

    add = stage("score", _score, "Score the probabilities of a model, or of an ensemble's.")
    add.add_argument("--probabilities", type=Path, nargs="+", required=True, metavar="FILE")
    add.add_argument("--cards", type=Path, nargs="+", required=True, metavar="FILE")
    add.add_argument("--combine", choices=("mean", "logits", "weighted", "vote"), default="mean")
    arguments.optional_paths(
        add, "fitted", help="metrics.json with weights; left out: fit them on select"
    )
    arguments.fold(add)
    arguments.paths(add, "documents", "predictions", "metrics")

    add = stage("baseline", _baseline, "Fit a baseline that is no language model, and score it.")
    add.add_argument("--name", required=True)
    add.add_argument("--n-labelled", type=arguments.count, default=None)
    arguments.fold(add)
    arguments.paths(add, "documents", "folds", "predictions", "metrics")

    add = stage("manifest", _manifest, "Write what a study plans, as plain data.")
    add.add_argument("--plan", required=True, help="study and registries as JSON")
    arguments.paths(add, "output")

    add = stage("before-test", _before_test, "Table of all runs before the test fold is opened.")
    arguments.paths(add, "manifest", "output")

    add = stage("tables", _tables, "Make the tables of a study.")
    arguments.paths(add, "manifest")
    arguments.optional_paths(
        add, "results", help="folder of the study; left out: that of the manifest"
    )
    arguments.paths(add, "output", help="a table of the folder to write")

    add = stage("figures", _figures, "Draw the figures of a study.")
    arguments.paths(add, "manifest")
    arguments.paths(add, "tables", help="a table of the folder to read")
    arguments.paths(add, "output", help="figures.json of the folder to write")

    add = stage("markdown", _markdown, "Write the tables as Markdown and LaTeX, beside them.")
    arguments.paths(add, "manifest")
    arguments.paths(add, "tables", help="a table of the folder to read")

    add = stage("report", _report, "Write the report of a study.")
    arguments.paths(add, "manifest", "provenance", "output")

    add = stage("paper", _paper, "Write the paper of a study as PDF, and its tables as LaTeX.")
    arguments.paths(add, "manifest", "output")

    whole_study.add_commands(stage)

    add = stage("schema", _schema, "Write config/schema.json and config/README.md.")
    add.add_argument("--config", type=Path, default=Path("config"), help="folder to write to")
    return parser
