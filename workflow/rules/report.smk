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
# ledger knows is no new look. The manifest names the runs, which no command line could for
# thousands of them; it is ancient because it has titles too.
rule before_test:
    input:
        run_files("metrics.json"),
        manifest=ancient("<results>/manifest.json"),
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
        # Its own: a new version of the tables must not open the test fold again.
        code=CODE_VERSIONS["before_test"],
    message:
        "Write down every run before the test fold is opened"
    shell:
        "python -m ulmfit before-test --manifest {input.manifest} --output {output} > {log} 2>&1"


rule tables:
    input:
        table_files(),
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
        print_outputs(),
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
        # The report opens every run: its card and recipe, and the text of documents that were hard.
        # Logs are no output that a rule could wait for; a log changes with the card beside it. The
        # page names the place of each, says which are not there, and no archive takes a page whose
        # logs have changed since.
        dossier_files(),
        tables=rules.tables.output,
        figures=rules.figures.output,
        manifest="<results>/manifest.json",
    output:
        shown_tables("md"),
        report=report(
            "<results>/report/report.html",
            caption="../report/report.rst",
            category="Report",
            labels={"document": "Report of the study"},
        ),
        provenance="<results>/provenance.json",
        captions=directory(f"<results>/{paths.CAPTIONS}"),
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


rule paper:
    input:
        text_files(paths.SOURCE),
        text_files(paths.FOLD_COUNTS),
        card_files(),
        tables=rules.tables.output,
        figures=rules.figures.output,
        provenance=rules.report.output.provenance,
        manifest="<results>/manifest.json",
    output:
        shown_tables("tex"),
        paper=report(
            f"<results>/{paths.PAPER}",
            caption="../report/paper.rst",
            category="Report",
            labels={"document": "The study as a paper"},
        ),
    log:
        "<logs>/paper.log",
    benchmark:
        "<benchmarks>/paper.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        code=CODE_VERSIONS["paper"],
    message:
        "Set the paper"
    shell:
        "python -m ulmfit paper --manifest {input.manifest} --output {output.paper} > {log} 2>&1"


# One experiment alone: a manifest of it, and the same stages on that. Its table is the same as in the
# whole study, because a row depends on its own runs and the reference's.
use rule manifest as part_manifest with:
    output:
        f"<results>/{paths.PART}/manifest.json",
    log:
        f"<logs>/{paths.PART}/manifest.log",
    benchmark:
        f"<benchmarks>/{paths.PART}/manifest.tsv"
    params:
        plan=part_plan,
        code=CODE_VERSIONS["manifest"],
    message:
        "Write down what {wildcards.experiment} needs"


rule part_tables:
    input:
        part_table_files,
        manifest=f"<results>/{paths.PART}/manifest.json",
    output:
        part_tables(),
        table=f"<results>/{paths.PART}/tables/{{experiment}}.csv",
    log:
        f"<logs>/{paths.PART}/tables.log",
    benchmark:
        f"<benchmarks>/{paths.PART}/tables.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        results=whole_results,
        code=CODE_VERSIONS["tables"],
    message:
        "Make the table of {wildcards.experiment}"
    shell:
        "python -m ulmfit tables --manifest {input.manifest} --results {params.results}"
        " --output {output.table} > {log} 2>&1"


rule part:
    input:
        part_tables(),
        manifest=f"<results>/{paths.PART}/manifest.json",
        table=f"<results>/{paths.PART}/tables/{{experiment}}.csv",
    output:
        table=f"<results>/{paths.PART}/tables/{{experiment}}.md",
        tex=f"<results>/{paths.PART}/tables/{{experiment}}.tex",
        figures=directory(f"<results>/{paths.PART}/figures"),
    log:
        f"<logs>/{paths.PART}/figures.log",
    benchmark:
        f"<benchmarks>/{paths.PART}/figures.tsv"
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
        "Show {wildcards.experiment}: {output.table}"
    shell:
        "( python -m ulmfit markdown --manifest {input.manifest} --tables {input.table} &&"
        " python -m ulmfit figures --manifest {input.manifest} --tables {input.table}"
        " --output {output.figures}/figures.json ) > {log} 2>&1"


for target, experiment in targets(PLAN.study).items():

    rule:
        name:
            target
        input:
            f"<results>/{paths.PART.format(experiment=experiment)}/tables/{experiment}.md",
            f"<results>/{paths.PART.format(experiment=experiment)}/figures",
        localrule: True
