"""The order in which training samples are used, and how many steps that makes."""

from functools import lru_cache

import numpy as np

from .generator import SHUFFLE, permutation
from .plants import planted


def scheduled_steps(epochs, train_size, batch_size):
    """ceil(epochs * train_size / batch_size)."""
    return -(-epochs * train_size // batch_size)


@lru_cache(maxsize=8)
def epoch_order(train_size, seed, epoch):
    return permutation(train_size, seed, SHUFFLE, epoch)


def batch(train, seed, step, batch_size):
    """Samples and the epoch of each, int64 [batch_size]: positions step * batch_size and on of the stream."""
    length = len(train)
    if planted("drop-last"):
        length -= length % batch_size
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs, places = positions // length, positions % length
    orders = {epoch: epoch_order(len(train), seed, 0 if planted("same-shuffle") else int(epoch)) for epoch in np.unique(epochs)}
    samples = [train[orders[epoch][place]] for epoch, place in zip(epochs, places)]
    return np.array(samples), epochs
