rule manifest:
    output:
        "<results>/manifest.json",
    log:
        "<logs>/manifest.log",
    benchmark:
        "<benchmarks>/manifest.tsv"
    message:
        "Write down what the study plans"
    params:
        study=canonical_json(study_values()),
        registries=registry_digest(),
        config=f"{SOURCE_FOLDER}/config" if False else "config",
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    conda:
        "../../envs/report.yaml"
    shell:
        "python -m ulmfit manifest --study {params.study:q} --output {output} > {log} 2>&1"
