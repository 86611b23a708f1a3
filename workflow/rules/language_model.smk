# Training is exec'ed: at a time limit each process of a job is told to end, the shell as well, and when
# that ends before the training has saved, the rest of the job is killed.
rule pretrain:
    input:
        unpack(corpus_tokens),
    output:
        weights=f"<results>/{paths.PRETRAINED}/{paths.WEIGHTS}",
        card=f"<results>/{paths.PRETRAINED}/card.json",
        vocabulary=f"<results>/{paths.PRETRAINED}/vocabulary.txt",
        history=f"<results>/{paths.PRETRAINED}/history.csv",
    log:
        f"<logs>/{paths.PRETRAINED}.log",
    benchmark:
        f"<benchmarks>/{paths.PRETRAINED}.tsv"
    priority: 30
    conda:
        "../../envs/train.yaml"
    threads: threads_of("pretrain")
    resources:
        gpu=gpus,
        mem_mb=growing(4000),
        runtime=growing(1440),
    params:
        recipe=recipe("pretrain"),
        code=CODE_VERSIONS["pretrain"],
    message:
        "Pretrain on {wildcards.corpus}: {wildcards.tokenizer}, {wildcards.direction}, recipe {wildcards.pretrain}"
    shell:
        "exec python -m ulmfit.gpus --count {resources.gpu} --"
        " python -m ulmfit pretrain --recipe {params.recipe:q} --tokens {input.tokens}"
        " --direction {wildcards.direction} --seed {wildcards.pretrain_seed}"
        " --output {output.weights} --history {output.history} > {log} 2>&1"


rule finetune:
    input:
        unpack(dataset_tokens),
        unpack(pretrained_facts),
        initial=pretrained_weights,
    output:
        weights=f"<results>/{paths.FINETUNED}/{paths.WEIGHTS}",
        card=f"<results>/{paths.FINETUNED}/card.json",
        vocabulary=f"<results>/{paths.FINETUNED}/vocabulary.txt",
        history=f"<results>/{paths.FINETUNED}/history.csv",
    log:
        f"<logs>/{paths.FINETUNED}.log",
    benchmark:
        f"<benchmarks>/{paths.FINETUNED}.tsv"
    priority: 20
    conda:
        "../../envs/train.yaml"
    threads: threads_of("finetune")
    resources:
        gpu=gpus,
        mem_mb=growing(4000),
        runtime=growing(1440),
    params:
        recipe=recipe("finetune"),
        n_text=finetune_text,
        code=CODE_VERSIONS["finetune"],
    message:
        "Fine-tune the language model on {wildcards.dataset}: {wildcards.tokenizer}, {wildcards.direction}, recipe {wildcards.finetune}"
    shell:
        "exec python -m ulmfit.gpus --count {resources.gpu} --"
        " python -m ulmfit finetune --recipe {params.recipe:q} --tokens {input.tokens}"
        " --initial {input.initial} --direction {wildcards.direction} --n-text {params.n_text}"
        " --seed {wildcards.finetune_seed} --output {output.weights} --history {output.history}"
        " > {log} 2>&1"
