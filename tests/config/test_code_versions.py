"""The code behind a stage cannot change in silence."""

import code_digests
from ulmfit.config.code_versions import CODE_VERSIONS


def test_every_stage_has_a_version_and_an_entry():
    assert CODE_VERSIONS.keys() == code_digests.ENTRIES.keys()


def test_changed_code_has_a_new_version():
    recorded = code_digests.recorded()
    changed = [
        stage
        for stage, digest in code_digests.digests().items()
        if digest != recorded[stage]["digest"]
    ]
    silent = [stage for stage in changed if CODE_VERSIONS[stage] == recorded[stage]["version"]]
    assert not changed, (
        f"code of {changed} changed. Can its results change? Then raise CODE_VERSIONS"
        f"{f' of {silent}' if silent else ''}. Either way run: python tests/code_digests.py"
    )
