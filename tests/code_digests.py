"""Digests of the code behind each stage; run as a script, it writes code_digests.json anew."""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path

import grimp

from ulmfit.config.code_versions import CODE_VERSIONS

FILE = Path(__file__).with_name("code_digests.json")
SOURCE = Path(__file__).parents[1] / "src"
ENTRIES = {
    "documents": "ulmfit.data.stages",
    "folds": "ulmfit.data.folds",
    "tokenizer": "ulmfit.text.stages",
    "tokens": "ulmfit.text.stages",
    "pretrain": "ulmfit.train.language_model",
    "finetune": "ulmfit.train.language_model",
    "classify": "ulmfit.train.classifier",
    "predict": "ulmfit.train.predict",
    "score": "ulmfit.evaluate.score",
    "baseline": "ulmfit.evaluate.baselines",
    "tables": "ulmfit.evaluate.tables",
    "figures": "ulmfit.report.figures",
    "report": "ulmfit.report.html",
}


def digests() -> dict[str, str]:
    """For each stage, a digest of its entry module and all modules of the package behind it."""
    graph = grimp.build_graph("ulmfit", cache_dir=None)
    return {stage: _digest(graph, entry) for stage, entry in ENTRIES.items()}


def _digest(graph: grimp.ImportGraph, entry: str) -> str:
    modules = sorted({entry, *graph.find_upstream_modules(entry)})
    parts = [name + _code(name) for name in modules]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _code(module: str) -> str:
    """A module's code without docstrings, comments and layout."""
    path = SOURCE / (module.replace(".", "/") + ".py")
    path = path if path.exists() else path.with_suffix("") / "__init__.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [item for item in body if not _is_docstring(item)]
    return ast.dump(tree)


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def recorded() -> dict[str, dict[str, object]]:
    return json.loads(FILE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    now = {
        stage: {"version": CODE_VERSIONS[stage], "digest": digest}
        for stage, digest in digests().items()
    }
    FILE.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
