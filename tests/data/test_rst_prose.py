from __future__ import annotations

import textwrap

import pytest

from ulmfit.data import rst


def read(text: str, deepest: int | None = None) -> list[str]:
    return list(rst.paragraphs(textwrap.dedent(text).strip("\n").splitlines(), deepest))


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("See :func:`~numpy.linalg.norm` for it.", "See numpy.linalg.norm for it."),
        ("See :ref:`the guide <user_guide>` now.", "See the guide now."),
        ("Of `x`, ``y`` and `.Axes`.", "Of x, y and Axes."),
        ("A `link <https://x.org/a>`_ here.", "A link here."),
        ("An *emphasised word* and **strong**.", "An emphasised word and strong."),
        ("Takes *args and **kwargs as they are.", "Takes *args and **kwargs as they are."),
        ("As in [1]_ and [Knu97]_.", "As in [1] and [Knu97]."),
        ("If :math:`c < 0`, it falls.", "If c < 0, it falls."),
        ("The |today| of 2 * 3 * 4.", "The today of 2 * 3 * 4."),
        ("  Spaces \n  collapse.", "Spaces collapse."),
    ],
)
def test_inline_mark_up_goes_and_words_stay(marked, expected):
    assert rst.plain(marked) == expected


def test_case_digits_and_punctuation_stay():
    assert read("The FFT of 3 Arrays, if ``None``: (see below)!") == [
        "The FFT of 3 Arrays, if None: (see below)!"
    ]


def test_doctests_and_their_output_go_but_the_text_before_them_stays():
    found = read(
        """
        Sum the numbers first:
        >>> sum([1, 2])
        3

        Then count them.

        >>> len([1, 2])
        2
        ... no more
        """
    )
    assert found == ["Sum the numbers first:", "Then count them."]


def test_literal_blocks_and_directive_bodies_go():
    found = read(
        """
        Call it like this::

            for one in many:
                call the one of many

            and again in the same block

        It then returns.

        .. versionadded:: 1.2
            It was not there before.

        .. note::

            A note in a box.

        The end of it.
        """
    )
    assert found == ["Call it like this:", "It then returns.", "The end of it."]


def test_list_points_are_paragraphs():
    found = read("- the first of them\n  goes on\n- the second of them\n\n1. one more of them\n")
    assert found == ["the first of them goes on", "the second of them", "one more of them"]


def test_a_letter_with_a_full_stop_is_no_list_point():
    assert read("It is N.\nB. is a person.") == ["It is N. B. is a person."]


@pytest.mark.parametrize(
    "text",
    [
        "=====  =====\nleft   right\n=====  =====",
        "x = f(a[0], b)[1:] + 2",
        ":param x: the thing",
        "name : the type of it",
        "%(before_notes)s",
        "Returns {klass} with everything.",
        "___ --- ***",
    ],
)
def test_what_is_not_prose_is_left_out(text):
    assert read(text) == []


def test_deeper_text_can_be_left_out():
    text = "A term of the list\n\n    its definition goes here"
    assert read(text) == ["A term of the list", "its definition goes here"]
    assert read(text, deepest=0) == ["A term of the list"]


def test_tokens_are_words_and_punctuation_marks():
    assert rst.count_tokens("Don't panic, x_1!") == 7
