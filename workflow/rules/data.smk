# No code version: the digest decides what a file is. The rule runs where Snakemake does, which has
# the network more often than a cluster's nodes, so retries stay outside of any allocation.
rule fetch:
    output:
        paths.FETCHED,
    log:
        "<logs>/resources/{text}/{file}.log",
    benchmark:
        "<benchmarks>/resources/{text}/{file}.tsv"
    priority: 20
    retries: 2
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=240,
    params:
        versions=file_versions,
    message:
        "Fetch {wildcards.file} of {wildcards.text}"
    shell:
        "python -m ulmfit fetch --versions {params.versions:q} --output {output} > {log} 2>&1"


rule documents:
    input:
        source_files,
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
        mem_mb=growing_with_input(2000, 10),
        runtime=growing(60),
    params:
        source=text_source,
        options=text_options,
        files=file_places,
        digests=file_digests,
        code=CODE_VERSIONS["documents"],
    message:
        "Read the documents of {wildcards.text}"
    shell:
        "python -m ulmfit documents --source {params.source} --options {params.options:q}"
        " --files {params.files:q} --digests {params.digests:q}"
        " --output {output.documents} --provenance {output.source} > {log} 2>&1"


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
        mem_mb=growing_with_input(1000, 10),
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


rule leakage:
    input:
        documents="<results>/data/{dataset}/documents.parquet",
        folds="<results>/data/{dataset}/folds.parquet",
        corpus="<results>/data/{corpus}/documents.parquet",
    output:
        counts=f"<results>/{paths.LEAKAGE}",
        duplicates=f"<results>/{paths.DUPLICATES}",
    log:
        "<logs>/data/{dataset}/leakage-{corpus}.log",
    benchmark:
        "<benchmarks>/data/{dataset}/leakage-{corpus}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        code=CODE_VERSIONS["leakage"],
    message:
        "Count duplicates in {wildcards.dataset} and between it and {wildcards.corpus}"
    shell:
        "python -m ulmfit leakage --documents {input.documents} --folds {input.folds}"
        " --corpus {input.corpus} --output {output.counts} --duplicates {output.duplicates}"
        " > {log} 2>&1"
