rule manifest:
    output:
        "<results>/manifest.json",
    log:
        "<logs>/manifest.log",
    benchmark:
        "<benchmarks>/manifest.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        plan=canonical_json(plan_values(PLAN)),
        code=CODE_VERSIONS["manifest"],
    message:
        "Write down what the study plans"
    shell:
        "python -m ulmfit manifest --plan {params.plan:q} --output {output} > {log} 2>&1"


# What was known before the test fold was opened. It reads results only, no title and no setting, so
# that nothing but another result makes the rules of the test fold run again; and a model that the
# ledger knows is no new look.
rule before_test:
    input:
        run_files("metrics.json"),
    output:
        "<results>/tables/before_test.csv",
    log:
        "<logs>/tables/before_test.log",
    benchmark:
        "<benchmarks>/tables/before_test.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        code=CODE_VERSIONS["tables"],
    message:
        "Write down every run before the test fold is opened"
    shell:
        "python -m ulmfit before-test --metrics {input} --output {output} > {log} 2>&1"


rule tables:
    input:
        run_files("metrics.json"),
        run_files("predictions.parquet"),
        unsealed_files("metrics.json"),
        unsealed_files("predictions.parquet"),
        history_files(),
        language_model_files("history.csv"),
        language_model_files("card.json"),
        leakage_files(),
        manifest="<results>/manifest.json",
    output:
        table_outputs(),
        runs="<results>/tables/runs.csv",
    log:
        "<logs>/tables/tables.log",
    benchmark:
        "<benchmarks>/tables/tables.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        code=CODE_VERSIONS["tables"],
    message:
        "Make the tables: means, intervals, comparisons"
    shell:
        "python -m ulmfit tables --manifest {input.manifest} --output {output.runs} > {log} 2>&1"


rule figures:
    input:
        rules.tables.output,
        runs="<results>/tables/runs.csv",
        manifest="<results>/manifest.json",
    output:
        figure_outputs(),
        bitmap_outputs(),
        list="<results>/figures/figures.json",
    log:
        "<logs>/figures.log",
    benchmark:
        "<benchmarks>/figures.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        code=CODE_VERSIONS["figures"],
    message:
        "Draw the figures"
    shell:
        "python -m ulmfit figures --manifest {input.manifest} --tables {input.runs}"
        " --output {output.list} > {log} 2>&1"


rule report:
    input:
        text_files(paths.SOURCE),
        text_files(paths.FOLD_COUNTS),
        tables=rules.tables.output,
        figures=rules.figures.output,
        manifest="<results>/manifest.json",
    output:
        markdown_outputs(),
        report=report(
            "<results>/report/report.html",
            caption="../report/report.rst",
            category="Report",
            labels={"document": "Report of the study"},
        ),
        provenance="<results>/provenance.json",
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        code=CODE_VERSIONS["report"],
    message:
        "Write the report"
    shell:
        "python -m ulmfit report --manifest {input.manifest} --provenance {output.provenance}"
        " --output {output.report} > {log} 2>&1"
