from pathlib import Path

from ulmfit.store.claim import claim

# Behind each pass over the ready jobs a limit of starts sets a timer for one more pass, and every job
# that ends begins another such chain, until passes are all that Snakemake's core has time for (9.27:
# half a core after 40 of 692 jobs). No run of ours reaches the default limit; one that somebody sets
# stays. Other releases may have none.
DEFAULT_STARTS, DEFAULT_SECONDS = 100, 1


# Snakemake has made its lock files and its scheduler by now; hooks are not run for single jobs and dry
# runs.
onstart:
    claim(Path.cwd())
    limit = getattr(workflow.scheduler, "job_rate_limiter", None)
    if limit and (limit.max_jobs, limit.timespan) == (
        DEFAULT_STARTS,
        DEFAULT_SECONDS,
    ):
        workflow.scheduler.job_rate_limiter = None
