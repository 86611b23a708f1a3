rule score:
    input:
        probabilities=f"<results>/{paths.CLASSIFIER}/probabilities.npz",
        cards=f"<results>/{paths.CLASSIFIER}/card.json",
        documents="<results>/data/{dataset}/documents.parquet",
    output:
        predictions=f"<results>/{paths.CLASSIFIER}/predictions.parquet",
        metrics=f"<results>/{paths.CLASSIFIER}/metrics.json",
    log:
        f"<logs>/{paths.CLASSIFIER}/score.log",
    benchmark:
        f"<benchmarks>/{paths.CLASSIFIER}/score.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        fold="report",
        code=CODE_VERSIONS["score"],
    message:
        "Score {wildcards.classify} on {wildcards.dataset} (seed {wildcards.classify_seed})"
    shell:
        "python -m ulmfit score --probabilities {input.probabilities} --cards {input.cards}"
        " --documents {input.documents} --fold {params.fold}"
        " --predictions {output.predictions} --metrics {output.metrics} > {log} 2>&1"


use rule score as score_test with:
    input:
        probabilities=f"<results>/{paths.CLASSIFIER}/test/probabilities.npz",
        cards=f"<results>/{paths.CLASSIFIER}/card.json",
        documents="<results>/data/{dataset}/documents.parquet",
    output:
        predictions=f"<results>/{paths.CLASSIFIER}/test/predictions.parquet",
        metrics=f"<results>/{paths.CLASSIFIER}/test/metrics.json",
    log:
        f"<logs>/{paths.CLASSIFIER}/test/score.log",
    benchmark:
        f"<benchmarks>/{paths.CLASSIFIER}/test/score.tsv"
    params:
        fold="test",
        code=CODE_VERSIONS["score"],
    message:
        "Score {wildcards.classify} on the test fold of {wildcards.dataset} (seed {wildcards.classify_seed})"


rule ensemble:
    input:
        probabilities=member_files("probabilities.npz"),
        cards=member_files("card.json"),
        documents="<results>/data/{dataset}/documents.parquet",
    output:
        predictions=f"<results>/{paths.ENSEMBLE}/predictions.parquet",
        metrics=f"<results>/{paths.ENSEMBLE}/metrics.json",
    log:
        f"<logs>/{paths.ENSEMBLE}.log",
    benchmark:
        f"<benchmarks>/{paths.ENSEMBLE}.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        fold="report",
        combine=combination,
        code=CODE_VERSIONS["score"],
    message:
        "Combine the members of {wildcards.ensemble} for {wildcards.variant} on {wildcards.dataset} (seed {wildcards.seed})"
    shell:
        "python -m ulmfit score --probabilities {input.probabilities} --cards {input.cards}"
        " --documents {input.documents} --combine {params.combine} --fold {params.fold}"
        " --predictions {output.predictions} --metrics {output.metrics} > {log} 2>&1"


# Weights are fitted on the fold select, so they come from the ensemble on the other folds.
rule ensemble_test:
    input:
        probabilities=member_files("test/probabilities.npz"),
        cards=member_files("card.json"),
        documents="<results>/data/{dataset}/documents.parquet",
        fitted=f"<results>/{paths.ENSEMBLE}/metrics.json",
    output:
        predictions=f"<results>/{paths.ENSEMBLE}/test/predictions.parquet",
        metrics=f"<results>/{paths.ENSEMBLE}/test/metrics.json",
    log:
        f"<logs>/{paths.ENSEMBLE}/test.log",
    benchmark:
        f"<benchmarks>/{paths.ENSEMBLE}/test.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        fold="test",
        combine=combination,
        code=CODE_VERSIONS["score"],
    message:
        "Combine the members of {wildcards.ensemble} on the test fold of {wildcards.dataset} (seed {wildcards.seed})"
    shell:
        "python -m ulmfit score --probabilities {input.probabilities} --cards {input.cards}"
        " --documents {input.documents} --combine {params.combine} --fitted {input.fitted}"
        " --fold {params.fold}"
        " --predictions {output.predictions} --metrics {output.metrics} > {log} 2>&1"


rule baseline:
    input:
        documents="<results>/data/{dataset}/documents.parquet",
        folds="<results>/data/{dataset}/folds.parquet",
    output:
        predictions=f"<results>/{paths.BASELINE}/predictions.parquet",
        metrics=f"<results>/{paths.BASELINE}/metrics.json",
    log:
        f"<logs>/{paths.BASELINE}.log",
    benchmark:
        f"<benchmarks>/{paths.BASELINE}.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
    params:
        fold="report",
        code=CODE_VERSIONS["baseline"],
    message:
        "Fit the baseline {wildcards.baseline} on {wildcards.n_labelled} labels of {wildcards.dataset}"
    shell:
        "python -m ulmfit baseline --name {wildcards.baseline} --documents {input.documents}"
        " --folds {input.folds} --n-labelled {wildcards.n_labelled} --fold {params.fold}"
        " --predictions {output.predictions} --metrics {output.metrics} > {log} 2>&1"


use rule baseline as baseline_test with:
    input:
        documents="<results>/data/{dataset}/documents.parquet",
        folds="<results>/data/{dataset}/folds.parquet",
        seal="<results>/tables/before_test.csv",
    output:
        predictions=f"<results>/{paths.BASELINE}/test/predictions.parquet",
        metrics=f"<results>/{paths.BASELINE}/test/metrics.json",
    log:
        f"<logs>/{paths.BASELINE}/test.log",
    benchmark:
        f"<benchmarks>/{paths.BASELINE}/test.tsv"
    params:
        fold="test",
        code=CODE_VERSIONS["baseline"],
    message:
        "Fit the baseline {wildcards.baseline} and predict the sealed test fold of {wildcards.dataset}"
