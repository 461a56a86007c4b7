import itertools

import numpy as np

from pytest_calsim.compiled.hashing import GAMMA, hash_row, mix, row_words


def test_no_pixel_shares_a_word_with_another():
    rows = []
    for key, frame, row in itertools.product((1, 2, 2**63), (0, 1, 2), (0, 1, 2)):
        words = np.empty(2000, np.uint64)
        hash_row(np.uint64(row_words(np.uint64(key), frame, row)), GAMMA, words)
        rows.append(words)
    words = np.concatenate(rows)
    assert len(np.unique(words)) == len(words)


def test_every_bit_of_a_word_changes_half_of_its_hash():
    words = np.random.default_rng(0).integers(0, 2**64, 400, dtype=np.uint64)
    hashed = np.array([mix(word) for word in words], np.uint64)
    for bit in range(64):
        flipped = np.array([mix(word ^ np.uint64(1 << bit)) for word in words], np.uint64)
        changed = np.unpackbits((hashed ^ flipped).view(np.uint8)).mean()
        assert abs(changed - 0.5) < 0.02
