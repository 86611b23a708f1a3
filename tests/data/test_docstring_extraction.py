from __future__ import annotations

import gc

import pytest

from ulmfit.data.docstrings import docstrings, modules, versions
from ulmfit.errors import UserError


def test_a_missing_distribution_is_named_with_the_command_that_installs_it(install):
    install("demo", {"demo/__init__.py": ""})
    with pytest.raises(UserError, match=r"no-such-one, nor-this.*pip install no-such-one nor-this"):
        modules(["demo", "no-such-one", "nor-this"])


def test_a_distribution_without_python_files_is_an_error(install):
    install("demo", {"demo/data.txt": "text"})
    with pytest.raises(UserError, match="demo is installed but lists no Python files"):
        modules(["demo"])


def test_tests_and_vendored_copies_are_left_out(install):
    kept = {"demo/__init__.py": "", "demo/a.py": "", "demo/sub/contest.py": ""}
    skipped = {
        "demo/tests/x.py": "",
        "demo/sub/test_x.py": "",
        "demo/conftest.py": "",
        "demo/_vendor/x.py": "",
        "demo/externals/deep/x.py": "",
        "demo/x.pyi": "",
    }
    install("demo", kept | skipped)
    assert [module.name for module in modules(["demo"])] == ["demo", "demo.a", "demo.sub.contest"]


def test_only_files_of_the_record_are_read(install):
    site = install("demo", {"demo/__init__.py": ""})
    (site / "demo" / "stray.py").write_text('"""A stray file."""')
    assert [module.name for module in modules(["demo"])] == ["demo"]


def test_files_are_parsed_and_never_imported(install):
    install("demo", {"demo.py": '"""Says so."""\nraise SystemExit("imported")\n'})
    assert [found.text for found in docstrings(modules(["demo"]))] == ["Says so."]


def test_names_are_qualified_and_texts_are_dedented(install):
    source = '''"""Module."""
if True:
    class Outer:
        """Outer.

        More.
        """
        class Inner:
            def method(self):
                """Method."""
                def local():
                    """Not public."""
try:
    pass
except ImportError:
    async def fallback():
        """Fallback."""
'''
    install("demo", {"demo.py": source})
    found = {one.name: one.text for one in docstrings(modules(["demo"]))}
    assert found == {
        "": "Module.",
        "Outer": "Outer.\n\nMore.",
        "Outer.Inner.method": "Method.",
        "fallback": "Fallback.",
    }


def test_docstrings_given_to_c_code_are_read(install):
    source = '''
add_newdoc("demo.core", "ndarray", ("all", """
    All of them.
    """))
add_newdoc("name without text")
'''
    install("demo", {"demo.py": source})
    (found,) = docstrings(modules(["demo"]))
    assert (found.name, found.text) == ("demo.core.ndarray.all", "All of them.")


def test_a_file_that_does_not_parse_is_passed_over(install):
    install("demo", {"demo/a.py": '"""{{ template }}"""\ndef (:', "demo/b.py": '"""Right."""'})
    assert [one.text for one in docstrings(modules(["demo"]))] == ["Right."]


def test_garbage_collection_is_on_again_afterwards(install):
    install("demo", {"demo.py": '"""Text."""'})
    list(docstrings(modules(["demo"])))
    assert gc.isenabled()


def test_versions_are_those_of_the_metadata(install):
    install("demo", {"demo.py": ""})
    assert versions(["demo"]) == {"demo": "1.2"}
