from __future__ import annotations

from ulmfit.config.sources import DocstringSections
from ulmfit.data import sections

DOCSTRING = """Fit the model to the data.

It goes over them once and keeps nothing.

Parameters
----------
X : array_like of shape (n, m), optional
    The data that the model is fitted to.

    A second paragraph that is not read.
y, w : {None, float}
    Targets and weights, in this order:

    - 'a' : not read either
*args
    Whatever else the method needs.

Other Parameters
----------------
verbose : bool
    Whether to print what goes on.

Returns
-------
result : OptimizeResult
    What came out of it:

    x : ndarray
        The solution of the problem.
    success : bool
        Whether the method has ended well.
unindented text without a type

Raises
------
ValueError
    If the data are wrong.

See Also
--------
predict : Use the model.

Notes
-----
The method is from [1]_, see :func:`predict`.

.. math::

    a = b + c

References
----------
.. [1] Someone, "A paper".

Examples
--------
Fit the model twice with other data:

>>> model.fit(X)
the output of it is here
"""


def test_paragraphs_take_the_label_of_their_section():
    found = list(sections.labelled_paragraphs(DOCSTRING))
    assert found == [
        ("summary", "Fit the model to the data."),
        ("summary", "It goes over them once and keeps nothing."),
        ("parameter", "The data that the model is fitted to."),
        ("parameter", "Targets and weights, in this order:"),
        ("parameter", "Whatever else the method needs."),
        ("parameter", "Whether to print what goes on."),
        ("return", "What came out of it:"),
        ("return", "The solution of the problem."),
        ("return", "Whether the method has ended well."),
        ("note", "The method is from [1], see predict."),
        ("example", "Fit the model twice with other data:"),
    ]


def test_a_docstring_without_numpydoc_sections_has_no_labels():
    text = "Fit the model.\n\nHistory\n-------\nIt was not always there.\n"
    assert list(sections.labelled_paragraphs(text)) == []


WORDS = [
    "alpha beta gamma delta epsilon zeta",
    "one two three four five six",
    "red green blue white black brown",
    "north south east west up down",
    "iron gold silver copper tin lead",
    "oak elm ash pine birch beech",
]


def function(name: str, summary: str, parameter: str) -> str:
    return f'''
def {name}():
    """{summary}

    Parameters
    ----------
    x : int
        {parameter}
    """
'''


def words(number: int) -> str:
    """Three words that no other number has; digits alone would not tell copies apart."""
    name = chr(97 + number // 26) + chr(97 + number % 26)
    return f"{name}x {name}y {name}z"


def make(install, files: dict[str, str], name: str = "demo", **options):
    install(name, files)
    return sections.documents(
        DocstringSections(distributions=(name,), min_tokens=3, library_share=1.0, **options)
    )


def test_documents_carry_module_distribution_and_label(install):
    table, facts = make(install, {"demo/a.py": function("f", WORDS[0], WORDS[1])})
    assert table.to_dict("records") == [
        {
            "id": "demo.a:f:1",
            "split": "train",
            "label": "summary",
            "group": "demo.a",
            "domain": "demo",
            "text": WORDS[0],
        },
        {
            "id": "demo.a:f:2",
            "split": "train",
            "label": "parameter",
            "group": "demo.a",
            "domain": "demo",
            "text": WORDS[1],
        },
    ]
    assert facts["distributions"] == {"demo": "1.2"}
    assert not any(facts["removed"].values())


def test_of_copies_and_near_copies_one_is_kept(install):
    near = WORDS[0] + " " + WORDS[1] + " " + WORDS[2]
    files = {
        "demo/a.py": function("f", near, WORDS[3]),
        "demo/b.py": function("f", near.upper() + "!", WORDS[4]),
        "demo/c.py": function("f", near + " more", WORDS[5]),
    }
    table, facts = make(install, files)
    assert (table["label"] == "summary").sum() == 1
    assert facts["removed"]["copies and near copies"] == 2


def test_a_text_under_two_labels_is_left_out(install):
    table, facts = make(
        install, {"demo.py": function("f", WORDS[0], WORDS[0]) + function("g", WORDS[1], WORDS[2])}
    )
    assert sorted(table["text"]) == sorted(WORDS[1:3])
    assert facts["removed"]["of several labels"] == 2


def test_definitions_of_one_name_have_different_ids(install):
    source = function("f", WORDS[0], WORDS[1]) + function("f", WORDS[2], WORDS[3])
    table, _ = make(install, {"demo.py": source})
    assert len(table) == table["id"].nunique() == 4


def test_short_paragraphs_go_and_long_ones_are_cut(install):
    files = {"demo.py": function("f", "Too short", " ".join(WORDS))}
    table, _ = make(install, files, max_words=8)
    assert table["text"].tolist() == ["alpha beta gamma delta epsilon zeta one two"]


def test_no_distribution_exceeds_its_share_of_a_class(install):
    number = iter(range(500))
    for name, count in [("big", 50), ("mid", 20), ("small", 10)]:
        texts = [(words(next(number)), words(next(number))) for _ in range(count)]
        install(name, {f"{name}.py": "".join(function("f", *pair) for pair in texts)})
    options = DocstringSections(
        distributions=("big", "mid", "small"), min_tokens=3, library_share=0.5
    )
    table, facts = sections.documents(options)
    counts = table.groupby(["label", "domain"]).size()
    assert counts["summary"].to_dict() == {"big": 30, "mid": 20, "small": 10}
    assert facts["removed"]["over the library share"] == 40


def test_what_is_installed_decides_the_text():
    """On the real libraries: no entry line, prompt or heading gives a label away."""
    table, _ = sections.documents(DocstringSections(distributions=("networkx",), library_share=1.0))
    assert table["label"].nunique() == 5
    assert table["id"].is_unique
    assert not table["text"].str.contains(">>>", regex=False).any()
    assert not table["text"].str.contains(r"^\s*[\w, ]+ : ", regex=True).any()
    assert not table["text"].str.contains("----", regex=False).any()
