"""Which document is for what: fit, select, report, test or unlabelled.

``fit`` trains; ``select`` chooses epochs and rates; ``report`` is what ablation tables show;
``test`` is sealed. Documents of one group, and near copies of each other, never fall on both
sides of a fold border. One ``split_seed`` decides all; the seeds of runs never move a fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ulmfit.config.sources import Folds
from ulmfit.data import documents
from ulmfit.data.duplicates import clusters
from ulmfit.errors import UserError
from ulmfit.store.tables import text_fields

if TYPE_CHECKING:
    import pandas as pd

EVALUATED = ("select", "report", "test")
"""In the order in which they draw their groups: the smallest fold needs the smallest groups."""


class _TooFew(Exception):
    """Documents that lack for a fold of ``size``, ``sizes`` of the groups that were too large."""

    def __init__(self, message: str, size: int = 0, sizes: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.size, self.sizes = size, sizes


def divide(table: pd.DataFrame, options: Folds, split_seed: int) -> pd.DataFrame:
    """Folds table (id, fold, rank) of a documents table; unused documents are absent.

    ``rank`` orders the fit fold so that its first n documents are class-balanced and nested for
    every n (-1 elsewhere). A text without labels is a corpus: fit and select only differ in
    group. Raises UserError if the documents are wrong or too few.
    """
    import pandas as pd

    documents.check(table)
    rng = np.random.default_rng(split_seed)
    fold = np.full(len(table), "", dtype="U10")
    fold[table["split"] == "test"] = "test"
    train = np.flatnonzero(table["split"] == "train")
    if (fold == "test").any() and options.test:
        raise UserError("this dataset has a test split of its own: set `test` to 0")

    if strange := set(table["label"][fold == "test"].dropna()) - set(table["label"].iloc[train]):
        raise UserError(
            f"class {min(strange)!r} is in split test and not in split train: "
            "add documents of it to train, or take it out of test"
        )
    label, classes = pd.factorize(table["label"].iloc[train].fillna("text"), sort=True)
    group = sides(table.iloc[train], options.near_duplicate)
    try:
        fold[train] = _evaluation_folds(label, list(classes), group, options, rng)
        _fill_fit(fold, train, label, list(classes), options, rng)
    except _TooFew as error:
        reason = _held_together(table.iloc[train], options, error)
        raise UserError(f"{error}{reason}") from error
    _fill_unlabelled(fold, table, options, rng)

    rank = np.full(len(table), -1, dtype=np.int32)
    fit = np.flatnonzero(fold[train] == "fit")
    rank[train[fit]] = nested_ranks(label[fit], rng)
    used = fold != ""
    return pd.DataFrame({"id": table["id"][used], "fold": fold[used], "rank": rank[used]})


def sides(table: pd.DataFrame, near_duplicate: float) -> NDArray[np.intp]:
    """Number of the set of documents that must stay together, (documents,).

    Documents belong together if they share a group or are near copies, directly or in a chain.
    A document without group is a group of its own.
    """
    import pandas as pd
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    group = pd.factorize(table["group"].fillna("\0" + table["id"]))[0]
    if not near_duplicate:
        return np.asarray(group, dtype=np.intp)
    cluster = clusters(documents.texts(table), near_duplicate) + group.max() + 1
    nodes = int(cluster.max()) + 1
    graph = coo_array((np.ones(len(table)), (group, cluster)), shape=(nodes, nodes))
    return np.asarray(connected_components(graph, directed=False)[1][group], dtype=np.intp)


def _held_together(table: pd.DataFrame, options: Folds, error: _TooFew) -> str:
    """What keeps training documents from being divided, and what to do about it; perhaps empty."""
    found = []
    if options.near_duplicate:
        cluster = clusters(documents.texts(table), options.near_duplicate)
        if copies := int((np.bincount(cluster)[cluster] > 1).sum()):
            found.append(
                f"raise `near_duplicate`, or set it to 0: {copies} of {len(table)} documents have "
                "near copies, which stay on one side"
            )
    allowed = sum(size for size in error.sizes if size <= error.size)
    for mend, held, why in (
        ("raise `max_group`", allowed, "larger than it allows"),
        ("enlarge the fold", sum(error.sizes) - allowed, "larger than the fold"),
    ):
        if held:
            found.append(
                f"{mend}: {held} of {len(table)} documents are in groups, or sets of near "
                f"copies, {why}"
            )
    return "".join(f"; or {reason}" for reason in found)


def _evaluation_folds(
    label: NDArray[np.intp],
    classes: list[str],
    group: NDArray[np.intp],
    options: Folds,
    rng: np.random.Generator,
) -> NDArray[np.str_]:
    """Folds of the training documents: evaluation folds, ``fit`` for the rest, "" for surplus.

    Each fold in turn draws groups, then of each class as many documents as it wants.
    """
    fold = np.full(len(label), "fit", dtype="U10")
    counts = np.zeros((group.max() + 1, len(classes)), dtype=np.int64)
    np.add.at(counts, (group, label), 1)
    sizes = counts.sum(axis=1)
    free = sizes > 0
    for name in EVALUATED:
        wanted = _wanted(getattr(options, name), label, len(classes), options.balanced)
        small = sizes <= max(1, options.max_group * wanted.sum())
        taken = _draw_groups(counts, np.flatnonzero(free & small), wanted, rng)
        lacking = wanted - counts[taken].sum(axis=0)
        if lacking.max() > 0:
            worst = int(lacking.argmax())
            raise _TooFew(
                f"fold {name} wants {wanted[worst]} documents of class {classes[worst]!r} and "
                f"finds {wanted[worst] - lacking[worst]} (folds choose in the order "
                f"{', '.join(EVALUATED)}): lower one of them",
                int(wanted.sum()),
                sizes[~small].tolist(),
            )
        free[taken] = False
        inside = np.isin(group, taken)
        fold[inside] = ""
        for number, size in enumerate(wanted):
            members = np.flatnonzero(inside & (label == number))
            fold[rng.choice(members, size, replace=False)] = name
    return fold


def _draw_groups(
    counts: NDArray[np.int64],
    candidates: NDArray[np.intp],
    wanted: NDArray[np.intp],
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Groups that together hold the wanted documents of each class, if the candidates do.

    ``counts`` is (groups, classes). Random groups that bring a class still lacking are taken
    until none lacks; then those go back, last first, without which nothing would lack, so that
    scarce classes are not spent as surplus.
    """
    have = np.zeros_like(wanted)
    taken: list[int] = []
    for number in rng.permutation(candidates):
        if (have >= wanted).all():
            break
        if (counts[number][have < wanted] > 0).any():
            taken.append(int(number))
            have = have + counts[number]
    needed: list[int] = []
    for number in reversed(taken):
        if (have - counts[number] >= wanted).all():
            have = have - counts[number]
        else:
            needed.append(number)
    return np.array(needed, dtype=np.intp)


def _wanted(size: float, label: NDArray[np.intp], classes: int, balanced: bool) -> NDArray[np.intp]:
    """Documents of each class in a fold of ``size`` documents (a share of all if below 1)."""
    total = round(size * len(label)) if size < 1 else round(size)
    if balanced:
        return np.full(classes, total // classes)
    exact = total * np.bincount(label, minlength=classes) / len(label)
    wanted = np.floor(exact).astype(np.intp)
    # The largest remainders get what rounding down left over.
    wanted[np.argsort(wanted - exact, kind="stable")[: total - wanted.sum()]] += 1
    return wanted


def _fill_fit(
    fold: NDArray[np.str_],
    train: NDArray[np.intp],
    label: NDArray[np.intp],
    classes: list[str],
    options: Folds,
    rng: np.random.Generator,
) -> None:
    """With ``balanced``, leave equal classes in the fit fold; the others become unlabelled."""
    fit = np.flatnonzero(fold[train] == "fit")
    sizes = np.bincount(label[fit], minlength=label.max() + 1)
    if sizes.min() == 0:
        raise _TooFew(
            f"the evaluation folds leave class {classes[int(sizes.argmin())]!r} without documents "
            "for training: lower `select`, `report` or `test`"
        )
    if options.balanced:
        surplus = nested_ranks(label[fit], rng) >= sizes.min() * len(sizes)
        fold[train[fit[surplus]]] = "unlabelled"


def _fill_unlabelled(
    fold: NDArray[np.str_], table: pd.DataFrame, options: Folds, rng: np.random.Generator
) -> None:
    """Add the unlabelled split but for groups that are evaluated on; then apply the limit."""
    evaluated = table["group"][np.isin(fold, ["", *EVALUATED]) & (table["split"] != "unlabelled")]
    fold[(table["split"] == "unlabelled") & ~table["group"].isin(evaluated.dropna())] = "unlabelled"
    unlabelled = np.flatnonzero(fold == "unlabelled")
    if options.max_unlabelled is not None and len(unlabelled) > options.max_unlabelled:
        fold[rng.permutation(unlabelled)[options.max_unlabelled :]] = ""


def nested_ranks(label: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.int32]:
    """Place of each document in a shuffled round robin over the classes, (documents,).

    The first n documents are as class-balanced as can be, and contain the first n - 1.
    """
    order = rng.permutation(len(label))
    by_class = order[np.argsort(label[order], kind="stable")]
    sizes = np.bincount(label)
    round_of = np.empty(len(label), dtype=np.intp)
    round_of[by_class] = np.arange(len(label)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    rank = np.empty(len(label), dtype=np.int32)
    rank[np.lexsort((rng.random(len(label)), round_of))] = np.arange(len(label))
    return rank


def describe(table: pd.DataFrame, division: pd.DataFrame, options: Folds) -> dict[str, Any]:
    """Counts of each fold, what is left out, and what a dataset's own split lets through.

    ``near_copies_elsewhere`` and ``groups_elsewhere`` count a fold's documents that have a near
    copy, or a member of their group, in another fold; fit and unlabelled count as one. Both are
    0 unless the published test or unlabelled split overlaps the training split.
    """
    text = documents.texts(table).set_axis(table["id"]).loc[division["id"]]
    folded = division.merge(table.drop(columns=text_fields(table)), on="id", how="left")
    side = folded["fold"].replace("unlabelled", "fit")
    elsewhere = {"groups_elsewhere": side.groupby(folded["group"]).transform("nunique") > 1}
    if options.near_duplicate:
        cluster = clusters(text, options.near_duplicate)
        elsewhere["near_copies_elsewhere"] = side.groupby(cluster).transform("nunique") > 1
    return {
        "folds": {
            str(name): {
                "documents": len(rows),
                "groups": int(rows["group"].nunique()),
                "classes": documents.count(rows[rows["label"].notna()], "label"),
                "domains": documents.count(rows, "domain") if "domain" in rows else {},
                **{key: int(found[rows.index].sum()) for key, found in elsewhere.items()},
            }
            for name, rows in folded.groupby("fold")
        },
        "left_out": len(table) - len(division),
    }
