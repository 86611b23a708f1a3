# What readers see: files of runs, tables and figures that rules of the report ask for.
from functools import cache


def run_files(file, plan=PLAN):
    """A file of every run of the study."""
    return [f"<results>/{run.path}/{file}" for run in plan.runs()]


def unsealed_files(file, plan=PLAN):
    """A file of the test fold of every run whose test fold some experiment shows."""
    return [f"<results>/{run.path}/test/{file}" for run in plan.unsealed()]


def language_model_files(file, plan=PLAN):
    """A file of every language model of the study."""
    return [f"<results>/{model['path']}/{file}" for model in language_models(plan)]


def history_files(plan=PLAN):
    """Learning curves of every classifier."""
    return [
        f"<results>/{run.path}/history.csv"
        for run in plan.runs()
        if run.kind == "model"
    ]


def leakage_files(plan=PLAN):
    """Duplicates of each dataset and each corpus of its models: counts, and which documents."""
    return [
        f"<results>/{path.format(dataset=name, corpus=corpus)}"
        for name, corpus in plan.leakages()
        for path in (paths.LEAKAGE, paths.DUPLICATES)
    ]


def table_files(plan=PLAN):
    """Everything that the tables of a plan are made from."""
    return [
        *run_files("metrics.json", plan),
        *run_files("predictions.parquet", plan),
        *unsealed_files("metrics.json", plan),
        *unsealed_files("predictions.parquet", plan),
        *history_files(plan),
        *language_model_files("history.csv", plan),
        *language_model_files("card.json", plan),
        *leakage_files(plan),
    ]


def card_files():
    """Recipes and costs of all trainings: reports show them beside the tables."""
    return [
        *run_files("metrics.json"),
        *language_model_files("card.json"),
        *(
            f"<results>/{run.path}/card.json"
            for run in PLAN.runs()
            if run.kind == "model"
        ),
    ]


def dossier_files():
    """What the HTML report tells of single runs, beside the tables."""
    return [
        *card_files(),
        *(
            f"<results>/{paths.DOCUMENTS.format(text=name)}"
            for name in PLAN.study.datasets
        ),
    ]


@cache
def part(experiment):
    """The plan of one experiment alone."""
    return PLAN.part(experiment)


def part_plan(wildcards):
    return canonical_json(plan_values(part(wildcards.experiment)))


def part_table_files(wildcards):
    return table_files(part(wildcards.experiment))


def whole_results(wildcards, input):
    """Folder of the study that a manifest of one experiment is in."""
    return Path(input.manifest).parents[2].as_posix()


def part_tables():
    """CSV tables of one experiment alone."""
    return [f"<results>/{paths.PART}/tables/{name}.csv" for name in paths.FACT_TABLES]


def text_files(file):
    """A file of every corpus and dataset of the study."""
    return [f"<results>/{file.format(text=text)}" for text in PLAN.texts()]


# At the start of a line `report` is a keyword of Snakemake, so its flag needs another name there.
in_report = report


def caption(name):
    """Where the stage `report` writes the caption of a table or figure, with seeds and n."""
    folder = Path("results", PLAN.study.study, paths.CAPTIONS)
    return str((folder / f"{name}.rst").absolute())


def seeds_label():
    """How many seeds each line of the study has."""
    return {"seeds": str(len(PLAN.study.seeds.runs))}


def labelled(experiment):
    """The numbers of labelled documents of an experiment."""
    names = experiment.datasets or PLAN.study.datasets
    sizes = (str(n) for name in names for n in experiment.sizes(name))
    return ", ".join(dict.fromkeys(sizes))


def table_outputs():
    """CSV tables beside that of the runs, experiments marked for the report of Snakemake."""
    facts = (name for name in paths.FACT_TABLES if name != "runs")
    return [
        *(f"<results>/tables/{name}.csv" for name in facts),
        *(
            in_report(
                f"<results>/tables/{name}.csv",
                caption=caption(name),
                category="Tables",
                labels={
                    "experiment": experiment.title,
                    "fold": experiment.fold,
                    "labels": labelled(experiment),
                    **seeds_label(),
                },
            )
            for name, experiment in PLAN.study.experiments.items()
        ),
    ]


def figure_outputs():
    """Figures as SVG, marked for the report of Snakemake."""
    experiments = PLAN.study.experiments
    titles = {f"errors-{name}": item.title for name, item in experiments.items()}
    titles |= {
        f"labels-{name}": f"{item.title}: by number of labels"
        for name, item in experiments.items()
        if any(len(item.sizes(dataset)) > 1 for dataset in PLAN.study.datasets)
    }
    for name, item in experiments.items():
        titles[f"calibration-{name}"] = f"{item.title}: calibration"
        titles[f"cost-{name}"] = f"{item.title}: cost"
    titles |= {
        f"curves-{run.dataset}-{run.n_labelled}": f"Learning curves: {run.n_labelled} labels"
        for run in PLAN.runs()
        if run.kind == "model"
    }
    titles["perplexity"] = "Language models"
    return [
        in_report(
            f"<results>/figures/{name}.svg",
            caption=caption(name),
            category="Figures",
            labels={"figure": title, **seeds_label()},
        )
        for name, title in titles.items()
    ]


def print_outputs():
    """The figures as PDF and PNG, beside the SVG."""
    return [
        path.removesuffix(".svg") + ending
        for path in figure_outputs()
        for ending in (".pdf", ".png")
    ]


def shown_tables(ending):
    """A file beside the CSV of every table that readers see."""
    names = [*PLAN.study.experiments, *paths.READ_TABLES]
    return [f"<results>/tables/{name}.{ending}" for name in names]
