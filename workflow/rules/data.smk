rule documents:
    output:
        documents=f"<results>/{paths.DOCUMENTS}",
        source=f"<results>/{paths.SOURCE}",
    log:
        "<logs>/data/{text}/documents.log",
    benchmark:
        "<benchmarks>/data/{text}/documents.tsv"
    priority: 20
    conda:
        "../../envs/documents.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        source=text_source,
        options=text_options,
        code=CODE_VERSIONS["documents"],
    message:
        "Read the documents of {wildcards.text}"
    shell:
        "python -m ulmfit documents --source {params.source} --options {params.options:q}"
        " --output {output.documents} --provenance {output.source}"
        " > {log} 2>&1"


rule folds:
    input:
        documents=f"<results>/{paths.DOCUMENTS}",
    output:
        folds=f"<results>/{paths.FOLDS}",
        counts=f"<results>/{paths.FOLD_COUNTS}",
    log:
        "<logs>/data/{text}/folds.log",
    benchmark:
        "<benchmarks>/data/{text}/folds.tsv"
    priority: 20
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        options=fold_options,
        seed=PLAN.study.split_seed,
        code=CODE_VERSIONS["folds"],
    message:
        "Divide {wildcards.text} into folds"
    shell:
        "python -m ulmfit folds --documents {input.documents} --options {params.options:q}"
        " --split-seed {params.seed} --output {output.folds} --summary {output.counts}"
        " > {log} 2>&1"
