"""Readers of published and own files: what they read, and what they refuse."""

from __future__ import annotations

import io
import json
import lzma
import tarfile
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from ulmfit.config.recipes import to_dict
from ulmfit.config.sources import Folds
from ulmfit.data.stages import make_documents, make_folds
from ulmfit.errors import UserError
from ulmfit.store.files import read_json
from ulmfit.store.tables import DOCUMENT_COLUMNS


def rows(table: pd.DataFrame, *columns: str) -> list[tuple]:
    chosen = table[list(columns)].astype(object)
    return list(chosen.where(chosen.notna(), None).itertuples(index=False, name=None))


def tar(contents: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in contents.items():
            content = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zipped(contents: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return buffer.getvalue()


# TREC

TREC = {
    "train.label": "NUM:date When was it ?\nHUM:ind Who was Sister\xf0 ?\n".encode("latin-1"),
    "test.label": "NUM:count How many ?\n",
}


def test_trec_reads_latin_1_and_coarse_or_fine_classes(read, tmp_path):
    table = read("trec", TREC)
    assert rows(table, *DOCUMENT_COLUMNS, "text") == [
        ("train-1", "train", "NUM", None, "When was it ?"),
        ("train-2", "train", "HUM", None, "Who was Sister\xf0 ?"),
        ("test-1", "test", "NUM", None, "How many ?"),
    ]
    assert list(read("trec", TREC, labels="fine")["label"]) == ["NUM:date", "HUM:ind", "NUM:count"]
    facts = read_json(tmp_path / "source.json")
    assert facts["files"]["test"]["bytes"] == 21
    assert len(facts["files"]["test"]["sha256"]) == 64


@pytest.mark.parametrize("line", ["no class\n", "NUM:date \n", "\n"])
def test_a_line_that_is_no_question_is_named(read, line):
    with pytest.raises(UserError, match=r"test\.label, line 2: not `COARSE:fine question`"):
        read("trec", TREC | {"test.label": "NUM:count How many ?\n" + line})


def test_a_missing_file_is_named(tmp_path):
    files = {"train": tmp_path / "absent", "test": tmp_path / "absent"}
    with pytest.raises(UserError, match=r"absent: no such file \(files\.train of source 'trec'\)"):
        make_documents("trec", "{}", files, tmp_path / "d.parquet", tmp_path / "s.json")


# IMDb

REVIEWS = {
    "aclImdb/imdb.vocab": "the",
    "aclImdb/test/neg/0_2.txt": "bad<br />bad",
    "aclImdb/train/pos/1_9.txt": "fine",
    "aclImdb/train/pos/0_7.txt": "good",
    "aclImdb/train/neg/0_1.txt": "poor",
    "aclImdb/train/unsup/0_0.txt": "unknown",
    "aclImdb/train/urls_pos.txt": "http://imdb/title/tt1/usercomments\nhttp://imdb/title/tt2/uc\n",
    "aclImdb/train/urls_unsup.txt": "http://imdb/title/tt1/usercomments\n",
}


def test_imdb_reads_splits_classes_and_films(read):
    table = read("imdb", {"archive.tar.gz": tar(REVIEWS)})
    assert rows(table, *DOCUMENT_COLUMNS, "text") == [
        ("test-neg-0", "test", "neg", None, "bad<br />bad"),
        ("train-neg-0", "train", "neg", None, "poor"),
        ("train-pos-0", "train", "pos", "tt1", "good"),
        ("train-pos-1", "train", "pos", "tt2", "fine"),
        ("train-unsup-0", "unlabelled", None, "tt1", "unknown"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("1_3", " ", r"without text; the first is .*train/neg/1_3\.txt, id 'train-neg-1': fill"),
        (
            "0_4",
            "x",
            r"is .*neg/0_4\.txt, id 'train-neg-0', after .*neg/0_1\.txt, id 'train-neg-0'",
        ),
    ],
)
def test_wrong_reviews_are_named_by_their_member(read, name, text, message):
    with pytest.raises(UserError, match=message):
        read("imdb", {"archive.tar.gz": tar(REVIEWS | {f"aclImdb/train/neg/{name}.txt": text})})


def test_an_archive_without_reviews_is_refused(read):
    with pytest.raises(UserError, match="not the IMDb archive"):
        read("imdb", {"archive.tar.gz": tar({"a.txt": "x"})})


@pytest.mark.parametrize(
    ("source", "archive", "message"),
    [
        (
            "imdb",
            lambda bad: tar(REVIEWS | {"aclImdb/train/pos/2_8.txt": bad}),
            r"archive, aclImdb/train/pos/2_8\.txt",
        ),
        (
            "zhang-csv",
            lambda bad: tar({"train.csv": b'1,"a"\n2,"' + bad + b'"\n'}),
            r"archive, train\.csv, line 2",
        ),
        (
            "wikitext",
            lambda bad: zipped({"wiki.train.tokens": b" = A = \n" + bad}),
            r"archive, wiki\.train\.tokens, line 2",
        ),
    ],
)
@pytest.mark.parametrize(
    ("bad", "what"),
    [(b"a\0", "a NUL byte: not a text file"), (b"\xe9t\xe9", "byte 0xe9 is not valid utf-8")],
)
def test_bytes_that_are_no_text_are_named_within_an_archive(
    read, source, archive, message, bad, what
):
    with pytest.raises(UserError, match=f"{message}: {what}"):
        read(source, {"archive": archive(bad)})


@pytest.mark.parametrize("source", ["imdb", "zhang-csv", "wikitext"])
def test_a_truncated_archive_is_refused_by_every_reader(read, source):
    with pytest.raises(UserError, match=r"archive is damaged or cut off .*: put a whole"):
        read(source, {"archive": tar({"train.csv": "1,a\n2,b\n" * 999} | REVIEWS)[:-40]})


# CSV of Zhang et al.


def test_zhang_csv_reads_text_fields_quotes_and_names_of_classes(read):
    contents = {
        "x_csv/test.csv": '2,"C","d, ""e"""\n',
        "x_csv/train.csv": '"1","A","b\\nc"\r\n"2","B","two\r\nlines"\n',
        "x_csv/classes.txt": "World\nSports\n",
    }
    table = read("zhang-csv", {"archive.tgz": tar(contents)})
    assert rows(table, "id", "label", "text_1", "text_2") == [
        ("train-1", "World", "A", "b\\nc"),
        ("train-2", "Sports", "B", "two\nlines"),
        ("test-1", "Sports", "C", 'd, "e"'),
    ]
    one_field = read("zhang-csv", {"archive.tgz": tar({"train.csv": "1,a\n2,b\n"})})
    assert rows(one_field, "label", "text") == [("1", "a"), ("2", "b")]


def test_zhang_csv_reads_the_published_layout_of_yelp_and_dbpedia(read):
    yelp = {
        "yelp_review_polarity_csv/train.csv": (
            '"1","Bad.\\n\\nShe said ""no"", twice."\n"2","Fine, I"\n'
        ),
        "yelp_review_polarity_csv/readme.txt": "Yelp Review Polarity Dataset\n",
        "yelp_review_polarity_csv/test.csv": '"2","""Best"" \\""ever\\"""\n',
    }
    assert rows(read("zhang-csv", {"archive.tgz": tar(yelp)}), "id", "split", "label", "text") == [
        ("train-1", "train", "1", 'Bad.\\n\\nShe said "no", twice.'),
        ("train-2", "train", "2", "Fine, I"),
        ("test-1", "test", "2", '"Best" \\"ever\\"'),
    ]
    dbpedia = {
        "dbpedia_csv/classes.txt": "Company\nArtist\n",
        "dbpedia_csv/test.csv": '1,"TY KU"," TY KU is a ""company""."\n',
        "dbpedia_csv/train.csv": '2,"A"," B, \u00e9"\n1,"C"," D"\n',
    }
    table = read("zhang-csv", {"archive.tgz": tar(dbpedia)})
    assert rows(table, "split", "label", "text_1", "text_2") == [
        ("train", "Artist", "A", " B, \u00e9"),
        ("train", "Company", "C", " D"),
        ("test", "Company", "TY KU", ' TY KU is a "company".'),
    ]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("", r"no rows in a member train\.csv"),
        ("1,a\n2,b,c\n", r"train\.csv, line 2: 3 columns, not a class and text as above it"),
        ('1,a\n2,"b\n', r"train\.csv, line 2: unexpected end of data: mend the quotes"),
        ("1,a\n3,b\n", r"train\.csv, line 2: class '3' is not one of the 2 in classes.txt"),
        ("1,a\n2, \n", r"text; the first is .*archive\.tgz, train\.csv, line 2, id 'train-2'"),
    ],
)
def test_bad_zhang_csv_is_named(read, train, message):
    archive = tar({"train.csv": train, "classes.txt": "A\nB\n"})
    with pytest.raises(UserError, match=message):
        read("zhang-csv", {"archive.tgz": archive})


# Wikipedia

WIKITEXT = (
    " \n = First = \n \n The <unk> text . \n More : \n = W ; L = \n \n = = Part = = \n \n End . \n"
    " \n = Second @-@ one = \n \n Text . \n"
)


def test_wikitext_parts_articles_at_headings_between_blank_lines(read):
    archive = zipped(
        {"w/wiki.train.tokens": WIKITEXT, "w/wiki.valid.tokens": " \n = V = \n \n v \n"}
    )
    table = read("wikitext", {"archive.zip": archive})
    assert rows(table, "id", "split", "label", "text") == [
        ("train-1", "train", None, "First\nThe <unk> text .\nMore :\n= W ; L =\nPart\nEnd ."),
        ("train-2", "train", None, "Second @-@ one\nText ."),
    ]
    both = read("wikitext", {"archive.zip": archive}, parts=("train", "valid"))
    assert list(both["id"]) == ["train-1", "train-2", "valid-1"]
    with pytest.raises(UserError, match=r"no member wiki\.test\.tokens"):
        read("wikitext", {"archive.zip": archive}, parts=("test",))


SHARD = '<doc id="{0}" url="u" title="T">\nT\n\nOne {0}.\n\n</doc>\n'


def test_shards_are_read_in_the_order_of_their_keys(read, tmp_path):
    contents = {
        "b.txt.xz": lzma.compress((SHARD.format(3) + "\n").encode()),
        "a.txt": SHARD.format(1) + '<doc id="2" url="u" title="T">\nT\n\n</doc>\n',
    }
    table = read("wiki-shards", contents, min_words=2)
    assert rows(table, "id", "text") == [("1", "T\nOne 1."), ("3", "T\nOne 3.")]
    assert read_json(tmp_path / "source.json")["articles"] == 3


@pytest.mark.parametrize(
    ("most", "ids", "words", "seen"),
    [
        (6, ["1", "2", "4"], 6, 5),
        (5, ["1", "2"], 4, 4),
        (4, ["1", "2"], 4, 4),
        (3, ["1"], 2, 2),
        (None, ["1", "2", "4", "5"], 8, 5),
    ],
)
def test_articles_are_taken_until_they_hold_so_many_words(read, tmp_path, most, ids, words, seen):
    """Two words each, one of the third; the last that would go beyond ends the reading."""
    short = '<doc id="3" url="u" title="T">\nT\n\n</doc>\n'
    articles = [f'<doc id="{n}" url="u" title="T">\nOne {n}.\n</doc>\n' for n in (1, 2, 4, 5)]
    contents = {"a.txt": articles[0] + articles[1], "b.txt": short + "".join(articles[2:])}
    table = read("wiki-shards", contents, min_words=2, max_words=most)
    assert list(table["id"]) == ids
    facts = read_json(tmp_path / "source.json")
    assert (facts["words"], facts["articles"]) == (words, seen)


def test_a_shard_after_the_last_article_is_not_read(read):
    contents = {"a.txt": SHARD.format(1) + SHARD.format(2), "b.txt.xz": b"no archive"}
    assert list(read("wiki-shards", contents, max_words=5)["id"]) == ["1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("stray\n" + SHARD, r"a\.txt, line 1: text outside of a <doc> element"),
        (SHARD.removesuffix("</doc>\n"), r"a\.txt: ends within article"),
    ],
)
def test_a_broken_shard_is_named(read, content, message):
    with pytest.raises(UserError, match=message):
        read("wiki-shards", {"a.txt": content})


# The user's own tables

CSV = "text,label,who\ngood,pos,ann\nbad,neg,bob\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.csv", CSV),
        ("train.tsv", CSV.replace(",", "\t")),
        ("train.csv", "\ufeff" + CSV),
        ("train.csv", "text,label,who\r\ngood,pos,ann\nbad,neg,bob\r"),
        ("train.csv", 'text,label,who\n"good","pos",ann\n\n"bad",neg,bob'),
        (
            "train.jsonl",
            '{"text": "good", "label": "pos", "who": "ann"}\n\n'
            '{"who": "bob", "text": "bad", "label": "neg"}\n',
        ),
    ],
    ids=["csv", "tsv", "byte-order mark", "mixed line ends", "quotes", "jsonl"],
)
def test_equal_tables_give_equal_documents_whatever_their_form(read, name, content):
    table = read("table", {name: content}, group="who")
    assert rows(table, *DOCUMENT_COLUMNS, "text") == [
        ("train-1", "train", "pos", "ann", "good"),
        ("train-2", "train", "neg", "bob", "bad"),
    ]


def test_parquet_with_numbers_as_labels_is_read(read):
    buffer = io.BytesIO()
    pd.DataFrame({"text": ["good", "bad"], "label": [1, 0]}).to_parquet(buffer)
    assert rows(read("table", {"train.parquet": buffer.getvalue()}), "label", "text") == [
        ("1", "good"),
        ("0", "bad"),
    ]


def test_files_or_a_split_column_divide_a_table(read):
    contents = {"train.csv": CSV, "test.csv": CSV, "unlabelled.csv": "text\nmore\n"}
    by_file = read("table", contents)
    assert rows(by_file, "split", "label")[3:] == [("test", "neg"), ("unlabelled", None)]
    column = read(
        "table",
        {"train.csv": "part,a,b,class\ntrain,x,y,1\ntrain,x,z,2\ntest,x,,1\nunlabelled,u,v,\n"},
        split="part",
        text=("a", "b"),
        label="class",
    )
    assert rows(column, "split", "label", "text_1", "text_2") == [
        ("train", "1", "x", "y"),
        ("train", "2", "x", "z"),
        ("test", "1", "x", None),
        ("unlabelled", None, "u", "v"),
    ]


def test_quoted_newlines_stay_in_the_text(read):
    table = read("table", {"train.csv": 'text,label\n"a\r\nb\nc",x\nd,y\n'})
    assert list(table["text"]) == ["a\nb\nc", "d"]


def test_another_encoding_is_a_key(read):
    content = "text,label\ncaf\xe9,x\nth\xe9,y\n".encode("latin-1")
    table = read("table", {"train.csv": content}, encoding="latin-1")
    assert list(table["text"]) == ["caf\xe9", "th\xe9"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"train\.csv: empty: the first line names the columns"),
        (b"text,class\na,b\n", r"train\.csv: no column 'label'; it has text, class"),
        (b"text,text\na,b\n", r"two columns have one name: text, text"),
        (b"text,label\na,b\nc\n", r"train\.csv, line 3: 1 columns, not the 2 of the header"),
        (b"text,label\na,x\nb\0,y\n", r"train\.csv, line 3: a NUL byte: not a text file"),
        (b"text,label\na,x\ncaf\xe9,y\n", r"line 3: byte 0xe9 is not valid utf-8: set `encoding`"),
        (b'text,label\na,x\n"b,y\n', r"train\.csv, line 3: unexpected end of data: mend"),
        (
            b"text,label\na,x\n ,y\n",
            r"1 of 2 documents without text; the first is .*train\.csv, line 3, id",
        ),
        (b"text,label\na,x\nb,\n", r"documents without a label in split train or test"),
        (b"text,label\na,x\nb,x\n", r"one class only, 'x': a classifier needs two or more"),
        (b"text,label\n", "no documents at all"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(read, content, message):
    with pytest.raises(UserError, match=message):
        read("table", {"train.csv": content})


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("train.xls", "x", {}, r"unknown suffix '\.xls'; known: \.csv, \.tsv, \.jsonl, \.parquet"),
        ("train.parquet", "x", {}, r"train\.parquet cannot be read"),
        ("train.jsonl", "{\n", {}, r"train\.jsonl, line 1: not valid JSON"),
        ("train.jsonl", "[]\n", {}, r"train\.jsonl, line 1: not a JSON object"),
        ("valid.csv", CSV, {}, r"files\.valid: source 'table' knows train, test, unlabelled"),
        ("train.csv", CSV, {"encoding": "utf-16"}, "no superset of ASCII: use utf-8"),
        ("train.csv", CSV, {"encoding": "latin-0"}, "encoding 'latin-0': unknown"),
        (
            "train.csv",
            CSV,
            {"split": "who"},
            r"not train / test / unlabelled; .*csv, line 2, id 'train-1', split 'ann'",
        ),
    ],
)
def test_other_mistakes_with_tables_are_named(read, name, content, options, message):
    with pytest.raises(UserError, match=message):
        read("table", {name: content}, **options)


def test_a_split_column_and_several_files_contradict_each_other(read):
    with pytest.raises(UserError, match="contradict each other"):
        read("table", {"train.csv": CSV, "test.csv": CSV}, split="who")


def test_a_class_that_only_the_test_split_has_is_refused(read, tmp_path):
    read("table", {"train.csv": CSV, "test.csv": CSV + "odd,new,cy\n"})
    with pytest.raises(UserError, match="class 'new' is in split test and not in split train"):
        make_folds(
            tmp_path / "documents.parquet",
            json.dumps(to_dict(Folds())),
            0,
            tmp_path / "folds.parquet",
            tmp_path / "folds.json",
        )


def test_a_share_of_a_table_is_set_aside_for_testing(read, tmp_path):
    numbers = [chr(97 + n // 26) + chr(97 + n % 26) for n in range(100)]
    lines = [f"{m}x {m}y {m}z,{'ab'[n % 2]}" for n, m in enumerate(numbers)]
    read(
        "table", {"train.csv": "\n".join(["text,label", *lines]), "unlabelled.csv": "text\nmore\n"}
    )
    make_folds(
        tmp_path / "documents.parquet",
        json.dumps(to_dict(Folds(select=0.1, report=0.1, test=0.2))),
        0,
        tmp_path / "folds.parquet",
        tmp_path / "folds.json",
    )
    counts = read_json(tmp_path / "folds.json")["folds"]
    assert {name: fold["documents"] for name, fold in counts.items()} == {
        "fit": 60,
        "select": 10,
        "report": 10,
        "test": 20,
        "unlabelled": 1,
    }


def test_an_unreadable_path_needs_no_traceback(tmp_path: Path):
    (tmp_path / "train.csv").mkdir()
    with pytest.raises(UserError, match=r"train\.csv: no such file"):
        make_documents("table", "{}", {"train": tmp_path / "train.csv"}, tmp_path, tmp_path)
