"""The examples of docs/own-data.md, run: a table and a folder of text files."""

import re
import shutil

import pytest
import yaml

from running import ROOT, job_counts, snakemake
from ulmfit.store.files import read_json

EXAMPLES = [
    yaml.safe_load(block)
    for block in re.findall(r"```yaml\n(.+?)```", (ROOT / "docs/own-data.md").read_text(), re.S)
]
WORDS = [chr(97 + n // 26) + chr(97 + n % 26) for n in range(100)]


@pytest.fixture
def checkout(tmp_path):
    """A copy of this checkout with the documented entries and study, and such files."""
    for name in ("config", "envs", "workflow"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "Snakefile", tmp_path)
    (tmp_path / "src").symlink_to(ROOT / "src")
    table, folder, study = EXAMPLES
    entries = table["datasets"] | folder["datasets"]
    registry = yaml.safe_load((ROOT / "config/datasets.yaml").read_text())
    registry["datasets"] |= entries
    (tmp_path / "config/datasets.yaml").write_text(yaml.safe_dump(registry))
    study["datasets"] |= {"reviews": {"corpus": "library-docs"}}
    (tmp_path / "config/studies/mine.yaml").write_text(yaml.safe_dump(study))
    rows = [f"{w}x {w}y,{w}z more,{'ab'[n % 2]}" for n, w in enumerate(WORDS)]
    (tmp_path / "my").mkdir()
    (tmp_path / "my/tickets.csv").write_text("\n".join(["subject,body,queue", *rows]))
    for n, word in enumerate(WORDS):
        split = "test" if n >= 80 else "train"
        path = tmp_path / f"my/reviews/{split}/{('good', 'bad')[n % 2]}/{n}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{word}x {word}y {word}z\n")
    return tmp_path


def test_a_folder_without_test_files_is_refused_before_anything_trains(checkout):
    shutil.rmtree(checkout / "my/reviews/test")
    path = checkout / "config/studies/mine.yaml"
    study = yaml.safe_load(path.read_text())
    final = {"title": "Final", "fold": "test", "cells": ["tfidf"], "reference": None}
    study |= {"datasets": {"reviews": {"corpus": "library-docs"}}, "experiments": {"final": final}}
    path.write_text(yaml.safe_dump(study))
    target = "results/mine/data/reviews/folds.json"
    arguments = (target, "--configfile", path, "--show-failed-logs")
    done = snakemake(checkout, *arguments, snakefile=checkout / "Snakefile")
    assert done.returncode != 0
    assert "reviews: an experiment shows the fold test" in done.stdout + done.stderr
    assert not (checkout / target).exists()


def test_the_documented_examples_are_read_and_divided(checkout):
    study = ("--configfile", checkout / "config/studies/mine.yaml")
    targets = [f"results/mine/data/{name}/folds.json" for name in ("tickets", "reviews")]
    done = snakemake(checkout, *targets, *study, snakefile=checkout / "Snakefile")
    assert done.returncode == 0, done.stdout + done.stderr
    sizes = [
        {name: fold["documents"] for name, fold in read_json(checkout / target)["folds"].items()}
        for target in targets
    ]
    assert sizes == [
        {"fit": 60, "select": 10, "report": 10, "test": 20},
        {"fit": 64, "select": 8, "report": 8, "test": 20},
    ]

    def planned():
        return job_counts(checkout, *targets, *study, snakefile=checkout / "Snakefile")

    assert planned() == {}
    # Not even the time of the folder itself tells this change.
    (checkout / "my/reviews/train/good/0.txt").write_text("another text\n")
    assert planned() == {"documents": 1, "folds": 1}
