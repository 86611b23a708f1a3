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
    "see the same documents: Student's interval of each, their half-widths as the sides of a right "
    "angle (Zou and Donner 2008); a single run has the interval of Wilson (1927). Each line is "
    "compared with the reference of its table on the same documents by one two-sided test, unless "
    "it has too few seeds. Its p-value is corrected for all tests of the table (Holm 1979). Better "
    "or worse is said only where both the corrected p-value and the interval allow it; anything "
    "else is not distinguished, which does not mean equal."
)
ENVIRONMENT = (
    "First software and machine that made this paper, then how many trainings ran on which device, "
    "from which commit and with which versions. The workflow locks every training to one thread "
    "and one seed, so that the same recipe, seed and machine give the same bits."
)
CODE_NAMES_NOBODY = "The commit of the code is not recorded: it did not lie in a git repository."
REFERENCES = (
    "S. Holm. A simple sequentially rejective multiple test procedure. Scandinavian Journal of "
    "Statistics 6, 1979.",
    "J. Howard and S. Ruder. Universal language model fine-tuning for text classification. ACL "
    "2018, aclanthology.org/P18-1031.",
    "S. Merity, N. S. Keskar and R. Socher. Regularizing and optimizing LSTM language models. ICLR "
    "2018.",
    "E. B. Wilson. Probable inference, the law of succession, and statistical inference. Journal "
    "of the American Statistical Association 22, 1927.",
    "G. Y. Zou and A. Donner. Construction of confidence limits about effect measures: a general "
    "approach. Statistics in Medicine 27, 2008.",
)
