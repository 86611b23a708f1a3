"""Moving embedding rows to another vocabulary."""

import torch

from ulmfit.model.vocabulary_transfer import transfer

OLD = ("xxunk", "xxpad", "the", "cat", "sat")
NEW = ("xxunk", "xxpad", "dog", "sat", "the", "Cat")


def test_known_rows_keep_their_bits_and_unknown_rows_are_the_mean():
    torch.manual_seed(0)
    matrix = torch.randn(5, 4)
    moved, known = transfer(matrix, OLD, NEW)
    assert known == 4
    for new, old in ((0, 0), (1, 1), (3, 4), (4, 2)):
        assert torch.equal(moved[new], matrix[old])
    for new in (2, 5):
        torch.testing.assert_close(moved[new], matrix.mean(0))
    assert torch.equal(moved[2], moved[5])


def test_a_bias_moves_like_the_rows():
    bias = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    assert transfer(bias, OLD, NEW)[0].tolist() == [1.0, 2.0, 3.0, 5.0, 3.0, 3.0]


def test_the_same_vocabulary_changes_nothing():
    matrix = torch.randn(5, 4)
    moved, known = transfer(matrix, OLD, OLD)
    assert known == 5
    assert torch.equal(moved, matrix)


def test_the_result_has_its_own_memory():
    matrix = torch.randn(5, 4)
    moved, _ = transfer(matrix, OLD, NEW)
    moved.zero_()
    assert (matrix != 0).all()
