"""The job graphs of the studies of real texts that lie in a folder of the user's own."""

from collections import Counter

import pytest

from running import CONFIG, job_counts
from ulmfit.forecast.jobs import Jobs
from ulmfit.studies import load_study

FILES = (
    "ag_news/ag_news_csv_partial.tgz",
    *(
        f"enwiki-2015-sample/enwiki2015-{half}-{part}.txt.xz"
        for half in ("AA", "AB")
        for part in ("00-24", "25-49", "50-74", "75-99")
    ),
    "imdb/aclImdb_v1_nobow.tar.gz",
)
"""Published at no URL as the mirror has them."""


@pytest.fixture
def jobs_of(tmp_path):
    """Jobs per rule of a study, of some targets or all, with a mirror that has its files."""
    for name in FILES:
        path = tmp_path / "mirror" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def jobs(study, *targets):
        options = ("--configfile", CONFIG / "studies" / study)
        return job_counts(tmp_path, *targets, *options, "--config", "data_mirror=mirror")

    return jobs


@pytest.mark.parametrize(
    "study",
    [
        *("trec6-full.yaml", "imdb.yaml", "ag-news.yaml"),
        *("trec6-full-size.yaml", "imdb-full-size.yaml"),
    ],
)
def test_a_forecast_plans_the_jobs_of_real_texts(study, jobs_of):
    plan = load_study(CONFIG / "studies" / study)
    assert jobs_of(study) == Counter(job.rule for job in Jobs(plan).found.values())


def test_every_experiment_on_trec6_shares_its_stages(jobs_of):
    assert jobs_of("trec6-full.yaml") == {
        "all": 1,
        # train and test questions, the archive of WikiText-2, a shard of Wikipedia
        "fetch": 4,
        "documents": 3,
        "folds": 3,
        # with each of the two corpora
        "leakage": 2,
        # words of 12,000 and of 20,000, sub-words
        "tokenizer": 3,
        # words and sub-words of questions and WikiText-2; 20,000 words of three texts; of questions
        # also the vocabularies of 100, 500 and 2,000, and that of the corpus
        "tokens": 4 + 3 + 3 + 1,
        # both directions and tokenizers, without dropout, 20,000 words of two corpora; one seed
        "pretrain": 7,
        # those, and without pretraining, LM full at two rates and discriminative; three sizes with
        # two vocabularies
        "finetune": (7 + 4 + 6) * 5,
        # Tables 4 to 7 in fifteen cells, seven at a second rate; six more in `unfreezing`, two at a
        # second rate; five that train longer; two at a third rate; three more readings; two
        # corpora; five rows at three sizes
        "classify": (22 + 8 + 5 + 2 + 3 + 2 + 15) * 5,
        "score": (22 + 8 + 5 + 2 + 3 + 2 + 15) * 5,
        # both directions, words and sub-words, four-way in four ways
        "ensemble": 6 * 5,
        "baseline": 2,
        "manifest": 1,
        "tables": 1,
        "figures": 1,
        "report": 1,
        "paper": 1,
    }


def test_the_table_of_two_corpora_needs_their_models_alone(jobs_of):
    assert jobs_of("trec6-full.yaml", "corpora") == {
        "fetch": 4,
        "documents": 3,
        "folds": 3,
        "leakage": 2,
        "tokenizer": 1,
        "tokens": 3,
        # of each corpus one, and five seeds
        "pretrain": 2,
        "finetune": 10,
        "classify": 10,
        "score": 10,
        "part_manifest": 1,
        "part_tables": 1,
        "part": 1,
        "corpora": 1,
    }


def test_a_table_that_reads_one_corpus_leaves_the_other_alone(jobs_of):
    jobs = jobs_of("trec6-full.yaml", "table_4")
    assert (jobs["fetch"], jobs["documents"], jobs["leakage"], jobs["pretrain"]) == (3, 2, 1, 1)


def test_the_imdb_study_trains_each_language_model_once(jobs_of):
    assert jobs_of("imdb.yaml") == {
        "all": 1,
        "fetch": 2,
        "documents": 2,
        "folds": 2,
        "leakage": 1,
        "tokenizer": 2,
        "tokens": 4,
        # both directions and tokenizers
        "pretrain": 4,
        # these and the one without pretraining, one seed
        "finetune": 5,
        # 5,000 labels: ulmfit in four ways, full and from scratch at two rates, two leave-outs
        # (10 x 3); at three sizes ulmfit and from scratch (6 x 3); both
        # with more updates at two sizes (4 x 3)
        "classify": 60,
        "score": 60,
        "ensemble": 9,
        # two kinds, four sizes
        "baseline": 8,
        "manifest": 1,
        "before_test": 1,
        # ulmfit in both directions, from scratch
        "predict_test": 9,
        "score_test": 9,
        "ensemble_test": 3,
        "baseline_test": 2,
        "tables": 1,
        "figures": 1,
        "report": 1,
        "paper": 1,
    }


def test_the_rows_of_table_7_on_news_hang_off_one_fine_tuned_language_model(jobs_of):
    assert jobs_of("ag-news.yaml") == {
        "all": 1,
        "fetch": 2,
        "documents": 2,
        "folds": 2,
        "leakage": 1,
        "tokenizer": 1,
        "tokens": 2,
        "pretrain": 1,
        "finetune": 3,
        # ten rows, six of them at two rates; none of the test fold
        "classify": 48,
        "score": 48,
        "baseline": 2,
        "manifest": 1,
        "tables": 1,
        "figures": 1,
        "report": 1,
        "paper": 1,
    }


def test_the_fifteen_cells_at_full_size_leave_the_test_questions_shut(jobs_of):
    jobs = jobs_of("trec6-full-size.yaml")
    # With and without dropout, one seed; five ways to fine-tune and fifteen cells, five seeds.
    assert (jobs["pretrain"], jobs["finetune"], jobs["classify"]) == (2, 25, 75)
    assert not {"before_test", "predict_test", "score_test"} & jobs.keys()


def test_both_directions_of_imdb_at_full_size_see_the_test_reviews_once(jobs_of):
    jobs = jobs_of("imdb-full-size.yaml")
    trained = ("pretrain", "finetune", "classify", "score")
    tested = ("predict_test", "score_test", "baseline_test")
    assert [jobs[rule] for rule in (*trained, *tested)] == [2] * 7
    assert jobs["ensemble_test"] == jobs["before_test"] == 1
