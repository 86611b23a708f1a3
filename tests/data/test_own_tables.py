"""Values in the user's own tables: what becomes a text or a class, and what is refused where."""

from __future__ import annotations

import gzip
import io
import json
import shutil

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmfit.config.recipes import to_dict
from ulmfit.config.sources import Table
from ulmfit.data.stages import make_documents
from ulmfit.errors import UserError
from ulmfit.store.files import read_json
from ulmfit.store.tables import DOCUMENT_COLUMNS, read_table


def parquet(**columns: list[object]) -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer)
    return buffer.getvalue()


def lines(*rows: str) -> str:
    """JSONL of these rows after one good row."""
    return "\n".join(['{"text": "good", "label": "a"}', *rows])


# Labels


def test_unlabelled_rows_have_no_label_whatever_their_column_says(read, tmp_path):
    content = "text,label,split\na,x,train\nb,y,train\nc,unknown,unlabelled\n"
    table = read("table", {"train.csv": content}, split="split")
    assert table["label"].isna().to_list() == [False, False, True]
    assert read_json(tmp_path / "source.json")["classes"] == {"x": 1, "y": 1}


@pytest.mark.parametrize("content", ["text,label\na,\nb, \n", "text,label\na,\nb,\n"])
def test_a_dataset_whose_labels_are_all_empty_is_refused(read, content):
    message = r"train\.csv: column 'label' is empty in all rows: mend option `label`, or set it"
    with pytest.raises(UserError, match=message):
        read("table", {"train.csv": content})
    assert len(read("table", {"train.csv": content}, label=None)) == 2


def test_a_table_without_rows_for_training_is_refused(read):
    content = "text,label,split\na,x,test\nb,y,test\n"
    with pytest.raises(UserError, match="no document in split train, so nothing to train on"):
        read("table", {"train.csv": content}, split="split")


def test_whole_numbers_are_one_class_in_every_form(read):
    contents = {
        # A column that lacks a value holds floats.
        "train.parquet": parquet(text=["a", "b", "c"], label=[1.0, 0.0, 2.5], who=[7.0, None, 8.0]),
        "test.jsonl": '{"text": "d", "label": 1}\n{"text": "e", "label": 0.0}\n',
    }
    table = read("table", contents)
    assert table["label"].to_list() == ["1", "0", "2.5", "1", "0"]
    grouped = read("table", {"train.parquet": contents["train.parquet"]}, group="who")
    assert grouped["group"].fillna("").to_list() == ["7", "", "8"]
    text = parquet(text=[1.0, 2.0], label=["x", "y"])
    assert read("table", {"train.parquet": text})["text"].to_list() == ["1.0", "2.0"]


def test_two_spellings_of_a_number_are_refused_as_classes(read):
    contents = {"train.csv": "text,label\na,1\nb,0\n", "test.csv": "text,label\nc,0\nd,1.0\n"}
    message = r"test\.csv, line 3: label '1\.0' is another class than '1', .*train\.csv, line 2: "
    with pytest.raises(UserError, match=message):
        read("table", contents)


def test_blanks_around_a_label_are_none_of_it_and_those_of_a_text_are(read):
    table = read("table", {"train.csv": "text,label\n a ,x\nb, x \nc,y\n"})
    assert table["label"].to_list() == ["x", "x", "y"]
    assert table["text"].to_list() == [" a ", "b", "c"]


def test_rows_of_a_filtered_parquet_keep_their_values(read):
    buffer = io.BytesIO()
    frame = pd.DataFrame({"text": list("abcd"), "label": list("xyxy")})
    frame[frame["text"] > "b"].to_parquet(buffer)
    table = read("table", {"train.parquet": buffer.getvalue()})
    assert table[["id", "label", "text"]].to_numpy().tolist() == [
        ["train-1", "x", "c"],
        ["train-2", "y", "d"],
    ]


# Values that are no text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (r'{"text": "a\ud83d", "label": "b"}', r"line 2, column 'text': half of a character"),
        (r'{"text": "a", "label": "\udc00"}', r"line 2, column 'label': half of a character"),
        (r'{"text": "a\u0000b", "label": "b"}', r"line 2, column 'text': a NUL character"),
        ('{"text": ["a"], "label": "b"}', r"line 2, column 'text': list in place of text: mend"),
        ('{"text": {"a": 1}, "label": "b"}', r"line 2, column 'text': dict in place of text"),
        ('{"text": "a", "label": ["b"]}', r"line 2, column 'label': list in place of text"),
        ('{"x": ' + "[" * 100_000, r"line 2: not valid JSON \(maximum recursion depth"),
        ('{"x": ' + "1" * 5000 + "}", r"line 2: not valid JSON \(Exceeds the limit"),
    ],
    ids=["half", "half label", "NUL", "list", "object", "label", "nesting", "digits"],
)
def test_json_that_is_no_text_is_refused_with_its_line(read, row, message):
    with pytest.raises(UserError, match=r"train\.jsonl, " + message) as caught:
        read("table", {"train.jsonl": lines(row)})
    assert "\n" not in str(caught.value)


def test_columns_that_nobody_reads_may_hold_anything(read):
    row = r'{"text": "a\ud83d\ude00", "label": "b", "tags": ["\ud83d", {"n": null}]}'
    assert read("table", {"train.jsonl": lines(row)})["text"][1] == "a\U0001f600"


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=3))
def test_any_json_value_is_read_or_refused_in_one_line(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("values")
    path = folder / "train.jsonl"
    path.write_text(lines(json.dumps({"text": value, "label": "b"})), encoding="utf-8")
    output = folder / "documents.parquet"
    refused = ""
    try:
        make_documents(
            "table", json.dumps(to_dict(Table())), {"train": path}, output, folder / "source.json"
        )
    except UserError as error:
        refused = str(error)
    if refused:
        assert f"{path}, line 2" in refused
        assert "\n" not in refused
    else:
        assert read_table(output, DOCUMENT_COLUMNS)["text"][1] == str(value)
    shutil.rmtree(folder)


@pytest.mark.parametrize("value", [b"bytes", ["a"], {"a": 1}], ids=["bytes", "list", "object"])
def test_parquet_values_that_are_no_text_are_refused_with_their_row(read, value):
    content = parquet(text=[value], label=["a"])
    with pytest.raises(UserError, match=r"train\.parquet, row 1, column 'text': \w+ in place of"):
        read("table", {"train.parquet": content})


def test_two_columns_of_one_name_in_parquet_are_refused(read):
    buffer = io.BytesIO()
    columns = [pa.array(["a"])] * 3
    pq.write_table(pa.Table.from_arrays(columns, names=["text", "text", "label"]), buffer)
    with pytest.raises(UserError, match=r"train\.parquet.*(two columns|cannot be read)"):
        read("table", {"train.parquet": buffer.getvalue()})


@pytest.mark.parametrize("error", [pa.ArrowNotImplementedError, pa.ArrowKeyError, pa.ArrowInvalid])
def test_parquet_that_cannot_be_read_is_named_in_one_line(read, monkeypatch, error):
    def fail(_):
        raise error("no such\ncodec")

    monkeypatch.setattr(pd, "read_parquet", fail)
    with pytest.raises(UserError, match=r"train\.parquet cannot be read \(.*no such codec.*\)"):
        read("table", {"train.parquet": b""})


def test_an_own_table_that_was_cut_off_is_to_be_replaced_and_not_fetched(read):
    content = gzip.compress(b"text,label\na,x\nb,y\n")
    assert len(read("table", {"train.csv": content})) == 2
    message = r"train\.csv is damaged or cut off .*: put a whole copy in its place"
    with pytest.raises(UserError, match=message) as caught:
        read("table", {"train.csv": content[:-4]})
    assert "fetch" not in str(caught.value)


# Places and quotation marks


def test_a_row_is_named_by_the_line_in_which_it_begins(read):
    content = 'text,label\n"a\nb",x\n\n"c\nd",\n'
    with pytest.raises(UserError, match=r"the first is .*train\.csv, line 5, id 'train-2': give"):
        read("table", {"train.csv": content})


def test_two_rows_with_one_id_are_both_named(read):
    content = "text,label,id\na,x,n\nb,y,m\nc,y,n\n"
    message = r"is .*csv, line 4, id 'n', after .*csv, line 2, id 'n': give each an id of its own"
    with pytest.raises(UserError, match=message):
        read("table", {"train.csv": content}, id="id")


PLAIN = 'text\tlabel\n"Best" film\tb\n"Worst film\ta\n12" record\ta\n'


def test_quotation_marks_may_be_characters_like_others(read):
    message = r"train\.tsv, line 2: .*: mend its quotes, or set `quotes: false`"
    with pytest.raises(UserError, match=message):
        read("table", {"train.tsv": PLAIN})
    table = read("table", {"train.tsv": PLAIN}, quotes=False)
    assert table["text"].to_list() == ['"Best" film', '"Worst film', '12" record']
    assert table["label"].to_list() == ["b", "a", "a"]


def test_a_mark_that_swallows_lines_is_told_from_a_missing_column(read):
    swallowed = 'text\tlabel\n"a\tx\nb"\n'
    with pytest.raises(UserError, match=r"line 2: 1 columns, .* header: mend its quotes, or set"):
        read("table", {"train.tsv": swallowed})
    with pytest.raises(
        UserError, match=r"line 2: 1 columns, not the 2 of the header: mend the row"
    ):
        read("table", {"train.tsv": "text\tlabel\na\n"})
