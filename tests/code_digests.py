"""Digests of the code behind each stage; run as a script, it writes code_digests.json anew."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import tokenize
from pathlib import Path

import grimp

from ulmfit.config.code_versions import CODE_VERSIONS

FILE = Path(__file__).with_name("code_digests.json")
SOURCE = Path(__file__).parents[1] / "src"
ENTRIES = {
    "documents": ("ulmfit.data.stages",),
    "folds": ("ulmfit.data.stages",),
    "leakage": ("ulmfit.data.leakage",),
    "tokenizer": ("ulmfit.text.stages",),
    "tokens": ("ulmfit.text.stages",),
    "pretrain": ("ulmfit.train.language_model",),
    "finetune": ("ulmfit.train.language_model",),
    "classify": ("ulmfit.train.classifier",),
    "predict": ("ulmfit.train.predict",),
    "score": ("ulmfit.evaluate.score",),
    "baseline": ("ulmfit.evaluate.baselines",),
    "manifest": ("ulmfit.studies", "ulmfit.config.manifest"),
    "before_test": ("ulmfit.evaluate.tables",),
    "tables": ("ulmfit.evaluate.tables",),
    "figures": ("ulmfit.report.figures",),
    "report": ("ulmfit.report.html", "ulmfit.report.tables", "ulmfit.report.provenance"),
    "paper": ("ulmfit.report.paper", "ulmfit.report.tex"),
}
CODE_VERSIONS_MODULE = "ulmfit.config.code_versions"
TEMPLATES = {"report": ("*.html", "*.css", "*.js"), "paper": ("*.typ",)}
"""Files in the folder of templates that a stage reads."""


def digests() -> dict[str, str]:
    """For each stage, a digest of its entry modules and all modules of the package behind them."""
    graph = grimp.build_graph("ulmfit", cache_dir=None)
    return {stage: _digest(graph, stage) for stage in ENTRIES}


def _digest(graph: grimp.ImportGraph, stage: str) -> str:
    entries = ENTRIES[stage]
    modules = {*entries, *(name for one in entries for name in graph.find_upstream_modules(one))}
    # Else the new number of one stage would look like a change of all that write numbers down.
    modules.discard(CODE_VERSIONS_MODULE)
    parts = [name + _code(name) for name in sorted(modules)]
    folder = SOURCE / "ulmfit" / "report" / "templates"
    paths = {path for pattern in TEMPLATES.get(stage, ()) for path in folder.glob(pattern)}
    parts += [path.name + path.read_text() for path in sorted(paths)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _code(module: str) -> str:
    """A module's code without docstrings, comments and white space.

    Cut from the source by position: what ast makes of it differs from one Python to the next.
    """
    path = SOURCE / (module.replace(".", "/") + ".py")
    path = path if path.exists() else path.with_suffix("") / "__init__.py"
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for item in body if isinstance(body, list) else []:
            if _is_docstring(item):
                lines[item.lineno - 1 : item.end_lineno] = [""] * (
                    item.end_lineno - item.lineno + 1
                )
    return "".join("".join(lines).split())


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
