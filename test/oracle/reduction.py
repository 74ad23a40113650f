"""The float32 sum over shards in one binary tree, and what becomes of it: mean, L2, norm, clipping. All exact."""

import math

import numpy as np

from .plants import planted

SLICE = 2**20
LANES = 8


def nearest_bfloat16(values):
    """float32 array of finite values -> the nearest values of bfloat16, ties to even: integers of the bits, as the page has it."""
    bits = values.view(np.uint32).astype(np.uint64)
    up = 0 if planted("wire-truncated") else 32767 + bits // 2**16 % 2
    return ((bits + up) // 2**16 * 2**16).astype(np.uint32).view(np.float32)


def tree(vectors, rounded=0):
    """Sum of float32 arrays: pairs at each level; a last one without a partner moves up as it is.

    rounded: elements of each vector and of each sum, from the first, that are rounded to bfloat16.
    """

    def node(vector):
        return np.concatenate([nearest_bfloat16(vector[:rounded]), vector[rounded:]]) if rounded else vector

    vectors = list(vectors) if planted("wire-sums-only") else [node(vector) for vector in vectors]
    while len(vectors) > 1:
        paired = [node(vectors[i] + vectors[i + 1]) for i in range(0, len(vectors) - 1, 2)]
        vectors = paired + vectors[len(paired) * 2 :]
    return vectors[0]


def mean_gradient(sums, batch_size, factors, weights):
    """float32 gradient with L2. `sums`, `weights`: float32 [trainable]; `factors`: float64 [trainable], reg of each element's tensor."""
    two = 1 if planted("l2-half") else 2
    return (sums.astype(np.float64) / batch_size + two * factors * weights.astype(np.float64)).astype(np.float32)


def norm(gradient):
    """sqrt of the sum of squares in float64: slices of 2^20, in each of them eight lanes. cumsum adds one after the other; sum would not."""
    squares = gradient.astype(np.float64) ** 2
    total = 0.0
    for start in range(0, len(squares), SLICE):
        total += in_order(slice_lanes(squares[start : start + SLICE]))
    return math.sqrt(total)


def slice_lanes(squares):
    """The sums of elements 0, 8, 16 ...; of 1, 9, 17 ...; and so on."""
    return [in_order(squares[lane::LANES]) for lane in range(LANES)]


def in_order(values):
    return float(np.cumsum(values)[-1]) if len(values) else 0.0


def clip_factor(clip_norm, gradient_norm):
    if clip_norm is None or planted("no-clip"):
        return 1.0
    if gradient_norm > clip_norm or planted("clip-scales-up"):
        return clip_norm / gradient_norm
    return 1.0
