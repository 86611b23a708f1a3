"""Sentences of the paper that are the same for every study: no number of a result stands here."""

from __future__ import annotations

QUESTION = (
    "ULMFiT (Howard and Ruder 2018) classifies text in three stages: an AWD-LSTM language model "
    "(Merity et al. 2018) is pretrained on a general corpus, fine-tuned on the text of the task, "
    "and then trained to classify. Its ideas are discriminative learning rates, slanted triangular "
    "rates and gradual unfreezing. This study asks which of these parts lowers the error, on which "
    "data, and by how much."
)
VARIANTS = (
    "A variant is a choice of settings for the three stages; variants with equal settings of a "
    "stage share that stage's models, so that lines of a table differ in what they name and in "
    "nothing else. The appendix lists every setting."
)
FOLDS = (
    "Training documents are divided into folds with one purpose each: fit trains, select chooses "
    "(epochs, candidates, weights of ensembles, settings of baselines), report is what tables of "
    "ablations show, and test is sealed until all other numbers are written down."
)
UNCERTAINTY = (
    "An error rate is the number of wrong documents over the number of documents. Brackets hold "
    "95 % intervals that join the chance of the documents with that of the seeds, because all runs "
    "see the same documents: Student's interval of each (of a difference with the degrees of "
    "freedom of Welch 1947), their half-widths as the sides of a right angle (Zou and Donner "
    "2008); a single run has the interval of Wilson (1927). Each line is compared with the "
    "reference of its table on the same documents by one two-sided test, unless it has too few "
    "seeds. Its p-value is corrected for all tests of the table (Holm 1979). Better or worse is "
    "said only where both the corrected p-value and the interval allow it; anything else is not "
    "distinguished, which does not mean equal. The abstract counts a comparison that stands in "
    "several tables once, and as better or worse only if each of them says so."
)
CROSSINGS = (
    "How many labels a row takes to be as good as another one is where its error, linear in the "
    "logarithm of the number of labels between measured sizes, falls to the other's. The interval "
    "is that of their difference, turned round (Fieller 1954): from the first number at which as "
    "good cannot be excluded to the first at which the row is better beyond chance. Nothing is "
    "extrapolated, so an end beyond the measured sizes stays open and only the other one is "
    "claimed. Each interval is for one pair of rows, not corrected for the many pairs of the "
    "table."
)
CALIBRATION = (
    "The expected calibration error (Naeini et al. 2015) has 15 bins of equal width (Guo et al. "
    "2017) of the largest probability; the score of Brier (1950) is summed over classes."
)
PUBLISHED = (
    "An error that the paper printed has the interval of Wilson (1927), for the documents of its "
    "test set. The interval of the difference, ours minus published, joins the half-widths of "
    "both, each to its side (method 10 of Newcombe 1998), because they are of different documents. "
    "An error counts as reproduced if that interval holds zero: not contradicted, which is less "
    "than confirmed."
)
ENVIRONMENT = (
    "First software and machine that made this paper, then how many trainings ran on which device, "
    "from which commit and with which versions. The workflow locks every training to one thread "
    "and one seed, so that the same recipe, seed and machine give the same bits."
)
CODE_NAMES_NOBODY = "The commit of the code is not recorded: it did not lie in a git repository."
