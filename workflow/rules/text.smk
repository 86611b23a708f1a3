rule tokenizer:
    input:
        documents=training_text(paths.DOCUMENTS),
        folds=training_text(paths.FOLDS),
    output:
        f"<results>/{paths.TOKENIZER}",
    log:
        f"<logs>/{paths.TOKENIZER}.log",
    benchmark:
        f"<benchmarks>/{paths.TOKENIZER}.tsv"
    priority: 20
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        recipe=recipe("tokenizer"),
        code=CODE_VERSIONS["tokenizer"],
    message:
        "Make the tokenizer {wildcards.tokenizer} (trained on: {wildcards.trained_on})"
    shell:
        "python -m ulmfit tokenizer --recipe {params.recipe:q} --documents {input.documents}"
        " --folds {input.folds} --output {output} --threads {threads} > {log} 2>&1"


rule tokens:
    input:
        tokenizer=tokenizer_file,
        documents=f"<results>/{paths.DOCUMENTS}",
        folds=f"<results>/{paths.FOLDS}",
        vocabulary=kept_vocabulary,
    output:
        **token_files(paths.TOKENS),
    log:
        f"<logs>/{paths.TOKENS}.log",
    benchmark:
        f"<benchmarks>/{paths.TOKENS}.tsv"
    priority: 20
    conda:
        "../../envs/data.yaml"
    # As many processes, where there is text for them; the bytes do not depend on it.
    threads: growing_with_text(4)
    resources:
        mem_mb=growing_with_input(2000, 5),
        runtime=growing(240),
    params:
        n_text=vocabulary_text,
        code=CODE_VERSIONS["tokens"],
    message:
        "Tokenize {wildcards.text} with {wildcards.tokenizer}"
    shell:
        "python -m ulmfit tokens --tokenizer {input.tokenizer} --documents {input.documents}"
        " --folds {input.folds} --vocabulary {input.vocabulary} --n-text {params.n_text}"
        " --output {output.tokens} --threads {threads} > {log} 2>&1"
