"""ReLUs whose input is 0 within float32's noise: the program may pass the gradient where the oracle does not, and the other way round.

One such ReLU changes the gradient by 1e-5 to 1e-3 of its norm, a thousand times more than all other differences together. So, where
the norm of a step differs from the program's, the oracle tries the other side for the few ReLUs that are doubtful, and goes on with
the first combination whose norm agrees; if none does, with the nearest. A fault is far from all of them.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np

DOUBT = 1e-5  # inputs are of order 1 after batch norm; the program's differ by up to some 1e-6
AGREES = 5e-7  # of the norm, relative; measured without doubtful ReLUs: up to 2e-7
LARGEST = 1e-2  # a norm that is off by more is no matter of ReLUs
MAX_TRIED = 7  # ReLUs of a step that are tried, those nearest to 0: 2^7 combinations


class Doubt(NamedTuple):
    size: float  # of the input
    shard: int
    change: np.ndarray  # float32: of the shard's vector, when the ReLU goes the other way


def side_changes(shards):
    """Doubts of a step. `shards`: for each (vector_above, logits, inputs of doubtful ReLUs).

    vector_above(threshold) is the shard's vector when the gradient passes where a ReLU's input is above the threshold. What one ReLU
    contributes is the difference between a threshold just below and one just above its input.
    """
    every = [(abs(float(value)), float(value), shard) for shard, (_, _, inputs) in enumerate(shards) for value in np.unique(inputs)]
    for size, value, shard in sorted(every)[:MAX_TRIED]:
        vector_above = shards[shard][0]
        contribution = vector_above(value - size / 1e6) - vector_above(value + size / 1e6)
        yield Doubt(size, shard, -contribution if value > 0 else contribution)


def resolve(vectors, doubts, norm_of, wanted):
    """Shards' vectors whose norm agrees with `wanted`, and how many ReLUs go the other way in them."""
    tried = [some for count in range(len(doubts) + 1) for some in combinations(doubts, count)]
    best = None
    for some in sorted(tried, key=lambda some: sum(doubt.size for doubt in some)):
        changed = list(vectors)
        for doubt in some:
            changed[doubt.shard] = changed[doubt.shard] + doubt.change
        difference = abs(norm_of(changed) - wanted) / wanted
        if best is None or difference < best[0]:
            best = (difference, changed, len(some))
        if difference < AGREES:
            break
    return best[1:]
