"""Sub-word pieces: SentencePiece's unigram or BPE model over the same rules (ulmfit.md 1.7)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import numpy as np

from ulmfit.config.recipes import Tokenizer
from ulmfit.errors import UserError
from ulmfit.store.tokens import PADDING, UNKNOWN
from ulmfit.text.encoding import Encoding, Rows
from ulmfit.text.rule_sets import apply_rules, rule_set
from ulmfit.text.rules import SPACE, RuleSet


def prepare(fields: Sequence[str], rules: RuleSet) -> str:
    """The text that SentencePiece reads, from the text fields of one document.

    It brings no tokens, so rules on tokens see what stands between white space, as in fastai v1.
    """
    text = apply_rules(fields, rules)
    if not rules.after:
        return text
    tokens = text.split()
    for rule in rules.after:
        tokens = rule(tokens)
    return " ".join(tokens)


def train_pieces(texts: Iterable[str], recipe: Tokenizer) -> bytes:
    """A SentencePiece model of texts that were prepared already.

    Ids: unknown 0, padding 1, then what the rules write into a text, in the order of the rule set
    and with WikiText's ``<unk>`` last, then what was learned. What the rules write is one piece
    with the space before it. A small corpus gives fewer pieces than asked for. The same texts give
    the same bytes. Raises UserError if there is no text, or too few pieces for its
    characters.
    """
    import sentencepiece

    rules = rule_set(recipe.rules)
    lines = (line for text in texts for line in text.split("\n"))
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=lines,
            model_writer=model,
            model_type=recipe.subword_model,
            vocab_size=recipe.pieces,
            hard_vocab_limit=False,
            character_coverage=recipe.character_coverage,
            unk_id=UNKNOWN,
            unk_piece=rules.specials[UNKNOWN],
            pad_id=PADDING,
            pad_piece=rules.specials[PADDING],
            bos_id=-1,
            eos_id=-1,
            user_defined_symbols=[SPACE + name for name in rules.symbols],
            # The largest value allowed: longer lines would be left out.
            max_sentence_length=2**30,
            # With two threads the sums of the EM steps, so the pieces, come out differently.
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise UserError(
            f"SentencePiece cannot learn {recipe.pieces} pieces from this text ({error}): "
            "give it more text, or change `pieces` or `character_coverage` of the tokenizer"
        ) from error
    return model.getvalue()


class SubwordTokenizer:
    """Text to the ids of a trained SentencePiece model; raises UserError if it is damaged."""

    def __init__(self, model: bytes, rules: str) -> None:
        import sentencepiece

        self.rules = rule_set(rules)
        try:
            self._model = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise UserError(
                f"the SentencePiece model is damaged ({error}): make it again"
            ) from error

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Pieces in the order of their ids."""
        return tuple(self._model.id_to_piece(i) for i in range(len(self._model)))

    def tokenise(self, fields: tuple[str, ...]) -> list[str]:
        """Pieces of one document, given the texts of its fields."""
        pieces: list[str] = self._model.encode(prepare(fields, self.rules), out_type=str)
        return pieces

    def __call__(self, rows: Rows) -> Encoding:
        """Encode documents as ids of :attr:`vocabulary`."""
        texts = [prepare(fields, self.rules) for fields in rows]
        documents = self._model.encode(texts, num_threads=1)
        lengths = np.array([len(document) for document in documents], np.int64)
        ids = np.fromiter((i for document in documents for i in document), np.uint32, lengths.sum())
        return Encoding(ids=ids, lengths=lengths, types=None)
