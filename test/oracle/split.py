"""Which samples are for training, validation and test."""

from collections import namedtuple

import numpy as np

from .generator import SPLIT, permutation
from .plants import planted

Split = namedtuple("Split", "train validation test")


def split(labels, seed, stratified):
    """Three ascending lists of samples, int64. `labels`: [n]."""
    n = len(labels)
    train_size = 7 * n // 10
    validation_size = (n - train_size + 1) // 2
    order = permutation(n, seed, SPLIT, 0)
    if stratified and not planted("stratified-off"):
        parts = by_label(order, np.asarray(labels), train_size, validation_size)
    else:
        parts = np.split(order, [train_size, train_size + validation_size])
    return Split(*(part if planted("split-unsorted") else np.sort(part) for part in parts))


def by_label(order, labels, train_size, validation_size):
    """The same three parts with every label's share."""
    groups = [order[labels[order] == label] for label in np.unique(labels)]
    sizes = [len(group) for group in groups]
    train = apportion(train_size, sizes)
    validation = apportion(validation_size, [size - taken for size, taken in zip(sizes, train)])
    cuts = [np.split(group, [t, t + v]) for group, t, v in zip(groups, train, validation)]
    return [np.concatenate(part) for part in zip(*cuts)]


def apportion(total, weights):
    """Whole shares of `total` in proportion to whole `weights`; the largest remainders get one more, of equals the first."""
    whole = sum(weights)
    shares = [weight * total // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: -(weights[index] * total % whole))
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares
