# The entry. Rules are in workflow/rules/, one file for each phase; science is in src/ulmfit/.
#     snakemake --cores all --resources gpu=1
#     snakemake --cores all --resources gpu=1 --configfile config/studies/smoke.yaml
include: "workflow/Snakefile"


# Targets of an included file are never the default, so it is named here.
workflow.default_target = "all"
