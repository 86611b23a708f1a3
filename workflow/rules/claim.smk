from pathlib import Path

from ulmfit.store.claim import claim


# Snakemake has made its lock files by now; hooks are not run for single jobs and dry runs.
onstart:
    claim(Path.cwd())
