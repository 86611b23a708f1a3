"""The works that a paper may cite, and which of them one does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

REFERENCES = {
    "Brier 1950": "G. W. Brier. Verification of forecasts expressed in terms of probability. "
    "Monthly Weather Review 78, 1950.",
    "Felbo et al. 2017": "B. Felbo, A. Mislove, A. S\N{LATIN SMALL LETTER O WITH STROKE}gaard, "
    "I. Rahwan and S. Lehmann. Using millions of emoji occurrences to learn any-domain "
    "representations for detecting sentiment, emotion and sarcasm. EMNLP 2017.",
    "Fieller 1954": "E. C. Fieller. Some problems in interval estimation. Journal of the Royal "
    "Statistical Society B 16, 1954.",
    "Guo et al. 2017": "C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger. On calibration of modern "
    "neural networks. ICML 2017.",
    "Holm 1979": "S. Holm. A simple sequentially rejective multiple test procedure. Scandinavian "
    "Journal of Statistics 6, 1979.",
    "Howard and Ruder 2018": "J. Howard and S. Ruder. Universal language model fine-tuning for "
    "text classification. ACL 2018, aclanthology.org/P18-1031.",
    "oh-LSTM (Johnson and Zhang 2016": "R. Johnson and T. Zhang. Supervised and semi-supervised "
    "text categorization using LSTM for region embeddings. ICML 2016.",
    "CNN (Johnson and Zhang 2016": "R. Johnson and T. Zhang. Convolutional neural networks for "
    "text categorization: shallow word-level vs. deep character-level. arXiv:1609.00718, 2016.",
    "Johnson and Zhang 2017": "R. Johnson and T. Zhang. Deep pyramid convolutional neural networks "
    "for text categorization. ACL 2017.",
    "McCann et al. 2017": "B. McCann, J. Bradbury, C. Xiong and R. Socher. Learned in translation: "
    "contextualized word vectors. NIPS 2017.",
    "Merity et al. 2018": "S. Merity, N. S. Keskar and R. Socher. Regularizing and optimizing LSTM "
    "language models. ICLR 2018.",
    "Miyato et al. 2016": "T. Miyato, A. M. Dai and I. Goodfellow. Adversarial training methods "
    "for semi-supervised text classification. arXiv:1605.07725, 2016.",
    "Mou et al. 2015": "L. Mou, H. Peng, G. Li, Y. Xu, L. Zhang and Z. Jin. Discriminative neural "
    "sentence modeling by tree-based convolution. EMNLP 2015.",
    "Naeini et al. 2015": "M. P. Naeini, G. F. Cooper and M. Hauskrecht. Obtaining well calibrated "
    "probabilities using Bayesian binning. AAAI 2015.",
    "Newcombe 1998": "R. G. Newcombe. Interval estimation for the difference between independent "
    "proportions: comparison of eleven methods. Statistics in Medicine 17, 1998.",
    "Wang and Manning 2012": "S. Wang and C. D. Manning. Baselines and bigrams: simple, good "
    "sentiment and topic classification. ACL 2012.",
    "Welch 1947": "B. L. Welch. The generalization of Student's problem when several different "
    "population variances are involved. Biometrika 34, 1947.",
    "Wilson 1927": "E. B. Wilson. Probable inference, the law of succession, and statistical "
    "inference. Journal of the American Statistical Association 22, 1927.",
    "Zhang et al. 2015": "X. Zhang, J. Zhao and Y. LeCun. Character-level convolutional networks "
    "for text classification. NIPS 2015.",
    "Zhou et al. 2016": "P. Zhou, Z. Qi, S. Zheng, J. Xu, H. Bao and B. Xu. Text classification "
    "improved by integrating bidirectional LSTM with two-dimensional max pooling. COLING 2016.",
    "Zou and Donner 2008": "G. Y. Zou and A. Donner. Construction of confidence limits about "
    "effect measures: a general approach. Statistics in Medicine 27, 2008.",
}
"""Each work by the words that cite it; the year may stand in brackets of its own."""


def cited(content: Any) -> list[str]:
    """The references, by surname, that the texts of ``content`` (plain data) cite."""
    text = "\n".join(_texts(content))
    return [work for name, work in REFERENCES.items() if re.search(_pattern(name), text)]


def _pattern(name: str) -> str:
    authors, year = name.rsplit(" ", 1)
    return rf"\b{re.escape(authors)} \(?{year}\b"


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from _texts(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _texts(value)
