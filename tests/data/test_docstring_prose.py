from __future__ import annotations

from ulmfit.config.sources import DocstringProse
from ulmfit.data import prose


def words(number: int) -> str:
    """Three words that no other number has; digits alone would not tell copies apart."""
    name = chr(97 + number // 26) + chr(97 + number % 26)
    return f"{name}x {name}y {name}z"


def test_google_style_keeps_what_is_said_of_arguments():
    text = """Fill the tensor with values.

Args:
    size (int, optional): how many values there are
        in every row of it
    out: where the values go

Returns:
    Tensor: the tensor that was filled
"""
    assert list(prose.prose(text)) == [
        "Fill the tensor with values.",
        "how many values there are in every row of it",
        "where the values go",
        "the tensor that was filled",
    ]


def test_sphinx_style_keeps_what_is_said_of_arguments():
    text = """Open the session.

:param bind: the engine that it uses
    for its connection
:return: the session itself
"""
    assert list(prose.prose(text)) == [
        "Open the session.",
        "the engine that it uses for its connection",
        "the session itself",
    ]


def test_numpydoc_style_loses_headings_and_entries():
    text = """Add two polynomials.

Parameters
==========
f : Poly
    The first of the two.

Notes
-----
They have one ring.
"""
    assert list(prose.prose(text)) == [
        "Add two polynomials.",
        "The first of the two.",
        "They have one ring.",
    ]


def module(*texts: str) -> str:
    return "".join(f'def f{n}():\n    """{text}\n    """\n' for n, text in enumerate(texts))


def test_a_document_is_a_docstring_and_every_paragraph_is_kept_once(install):
    source = module("one two three\n\n    four five six", "Four five, six!", "seven eight nine")
    install("demo", {"demo.py": source})
    table, facts = prose.documents(DocstringProse(distributions=("demo",), min_tokens=3))
    assert table["text"].tolist() == ["one two three four five six", "seven eight nine"]
    assert table["id"].is_unique
    assert table["label"].isna().all()
    assert set(table["split"]) == {"train"}
    assert facts["removed"]["copied paragraphs"] == 1


def test_the_limit_leaves_out_whole_modules(install):
    files = {f"demo/m{n}.py": module(*(words(10 * n + k) for k in range(10))) for n in range(8)}
    install("demo", files)
    table, facts = prose.documents(
        DocstringProse(distributions=("demo",), min_tokens=3, max_tokens=70)
    )
    assert table.groupby("group").size().tolist() == [10, 10, 10]
    assert facts["removed"]["modules over the limit"] == 5
