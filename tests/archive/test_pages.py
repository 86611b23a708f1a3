"""Pages of the repository get their tables from the archives."""

from __future__ import annotations

from pathlib import Path

import pytest

from ulmfit.errors import UserError
from ulmfit.pages import fill_pages
from ulmfit.report.results import read_study
from ulmfit.report.tables import markdown, standing_alone

PAGE = """# A page

Before.

<!-- table synthetic main -->
| what | stood here |
<!-- end -->

Between, 12.5 %.

<!-- techniques synthetic -->
<!-- end -->

After.
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


@pytest.fixture(scope="session")
def kept(light_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of archives, one of them of the invented study."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "synthetic").symlink_to(light_files[1])
    return folder


def test_blocks_hold_the_tables_of_the_study_and_the_text_stays(
    page: Path, kept: Path, light_files: tuple[Path, Path]
) -> None:
    assert fill_pages([page], kept) == [page]
    text = page.read_text()
    results = light_files[0]
    sheets = standing_alone(read_study(results / "manifest.json", results / "tables"))
    (table,) = [markdown(sheet) for sheet in sheets if sheet.name == "main"]
    assert f"<!-- table synthetic main -->\n{table}<!-- end -->" in text
    assert "stood here" not in text
    assert "| Pretraining | " in text
    for kept_text in ("# A page\n\nBefore.\n", "\nBetween, 12.5 %.\n", "\nAfter.\n"):
        assert kept_text in text


def test_a_page_that_is_true_is_not_written_again(page: Path, kept: Path) -> None:
    fill_pages([page], kept)
    before = page.stat().st_mtime_ns, page.read_text()
    assert fill_pages([page], kept) == []
    assert (page.stat().st_mtime_ns, page.read_text()) == before


def test_every_page_of_a_folder_counts(page: Path, kept: Path) -> None:
    (page.parent / "second.md").write_text(PAGE)
    (page.parent / "third.md").write_text("no table")
    assert fill_pages([page.parent], kept) == [page, page.parent / "second.md"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("table synthetic main", "table synthetik main", "did you mean 'synthetic'"),
        ("table synthetic main", "table synthetic mian", "did you mean 'main'"),
        ("table synthetic main", "table synthetic", "write <!-- table STUDY TABLE -->"),
        ("techniques synthetic", "techniques nothing-like-it", "no study 'nothing-like-it'"),
        ("stood here |\n<!-- end -->", "stood here |", "does not end"),
        ("<!-- end -->\n\nAfter", "After", "does not end"),
    ],
)
def test_what_cannot_be_filled_is_said_in_one_line_and_nothing_is_written(
    page: Path, kept: Path, before: str, after: str, said: str
) -> None:
    assert before in PAGE
    broken = PAGE.replace(before, after)
    page.write_text(broken)
    (page.parent / "a.md").write_text(PAGE)
    with pytest.raises(UserError, match=said) as error:
        fill_pages([page.parent], kept)
    assert str(page) in str(error.value)
    assert "\n" not in str(error.value)
    assert page.read_text() == broken
    assert (page.parent / "a.md").read_text() == PAGE


def test_a_page_that_is_not_there_is_said_in_one_line(tmp_path: Path, kept: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*no-such\.md"):
        fill_pages([tmp_path / "no-such.md"], kept)
