# Exec'ed for the reason given in language_model.smk.
rule classify:
    input:
        unpack(dataset_tokens),
        unpack(language_model_facts),
        initial=language_model_weights,
    output:
        weights=f"<results>/{paths.CLASSIFIER}/{paths.WEIGHTS}",
        card=f"<results>/{paths.CLASSIFIER}/card.json",
        vocabulary=f"<results>/{paths.CLASSIFIER}/vocabulary.txt",
        history=f"<results>/{paths.CLASSIFIER}/history.csv",
        probabilities=f"<results>/{paths.CLASSIFIER}/probabilities.npz",
    log:
        f"<logs>/{paths.CLASSIFIER}.log",
    benchmark:
        f"<benchmarks>/{paths.CLASSIFIER}.tsv"
    priority: 10
    conda:
        "../../envs/train.yaml"
    threads: threads_of("classify")
    resources:
        gpu=gpus,
        mem_mb=growing(4000),
        runtime=growing(720),
    params:
        recipe=recipe("classify"),
        code=CODE_VERSIONS["classify"],
    message:
        "Train the classifier {wildcards.classify} on {wildcards.n_labelled} labels of {wildcards.dataset} (LM {wildcards.pretrain}/{wildcards.finetune}, {wildcards.tokenizer}, {wildcards.direction})"
    shell:
        "exec python -m ulmfit.gpus --count {resources.gpu} --"
        " python -m ulmfit classify --recipe {params.recipe:q} --tokens {input.tokens}"
        " --initial {input.initial} --direction {wildcards.direction} --n-labelled {wildcards.n_labelled}"
        " --seed {wildcards.classify_seed} --output {output.weights} --history {output.history}"
        " --probabilities {output.probabilities} > {log} 2>&1"


# The test fold is sealed until every run stands in the table of the other folds.
rule predict_test:
    input:
        unpack(dataset_tokens),
        weights=f"<results>/{paths.CLASSIFIER}/{paths.WEIGHTS}",
        card=f"<results>/{paths.CLASSIFIER}/card.json",
        seal="<results>/tables/before_test.csv",
    output:
        f"<results>/{paths.CLASSIFIER}/test/probabilities.npz",
    log:
        f"<logs>/{paths.CLASSIFIER}/test.log",
    benchmark:
        f"<benchmarks>/{paths.CLASSIFIER}/test.tsv"
    conda:
        "../../envs/train.yaml"
    threads: threads_of("classify")
    resources:
        gpu=gpus,
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        code=CODE_VERSIONS["predict"],
    message:
        "Predict the sealed test fold of {wildcards.dataset} with {wildcards.classify} (seed {wildcards.classify_seed})"
    shell:
        "python -m ulmfit.gpus --count {resources.gpu} --"
        " python -m ulmfit predict --weights {input.weights} --tokens {input.tokens} --fold test"
        " --output {output} > {log} 2>&1"
