"""A published file that is not what was fetched stops the job that reads it."""

from running import CONFIG, snakemake


def test_a_published_file_replaced_after_fetching_is_not_read(tmp_path):
    folder = tmp_path / "resources/trec6"
    folder.mkdir(parents=True)
    for name in ("train_5500.label", "TREC_10.label"):
        (folder / name).write_text("NUM:date When was it ?\nHUM:ind Who was it ?\n")
    study = CONFIG / "studies/trec6.yaml"
    target = "results/trec6/data/trec6/documents.parquet"
    done = snakemake(tmp_path, target, "--configfile", study)
    assert done.returncode == 1
    assert not (tmp_path / target).exists()
    log = "\n".join(path.read_text() for path in tmp_path.rglob("documents.log"))
    assert "label is not the published file (sha256 " in log
