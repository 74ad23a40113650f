"""Philox 4x32-10 and the random numbers that are drawn from it: words, units, whole numbers below a bound, permutations."""

import numpy as np

INITIAL_WEIGHT, SPLIT, SHUFFLE, AUGMENTATION, DROPOUT = 1, 2, 3, 4, 5
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def philox(key, counter):
    """Words of each counter. `key`: 2 values, `counter`: 4 values, numbers or arrays that broadcast. Result: uint64 [..., 4] below 2^32."""
    k0, k1 = (np.asarray(part, np.uint64) for part in key)
    c0, c1, c2, c3 = np.broadcast_arrays(*(np.asarray(part, np.uint64) for part in counter))
    for _ in range(10):
        p0 = c0 * np.uint64(0xD2511F53)
        p1 = c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
        k0 = (k0 + np.uint64(0x9E3779B9)) & LOW
        k1 = (k1 + np.uint64(0xBB67AE85)) & LOW
    return np.stack([c0, c1, c2, c3], axis=-1)


def words(seed, purpose, stream, item, draw=0):
    """The four words of each item. `stream`, `item` and `draw` broadcast. Result: uint64 [..., 4]."""
    return philox((seed, purpose), (item, draw, stream, 0))


def unit(word):
    """float64 in [0, 1) of the upper 24 bits."""
    return (np.asarray(word, np.uint64) >> np.uint64(8)).astype(np.float64) / 2.0**24


def integers_below(bounds, seed, purpose, stream, items):
    """A whole number in [0, bound) for each item, without modulo bias. All arrays have one length."""
    bounds = np.asarray(bounds, np.uint64)
    limits = (np.uint64(2**32) // bounds) * bounds
    numbers = np.zeros(len(bounds), np.uint64)
    left = np.arange(len(bounds))
    draw = 0
    while len(left):
        drawn = words(seed, purpose, stream, np.asarray(items)[left], draw)
        accepted = drawn < limits[left, None]
        first = accepted.argmax(axis=1)
        done = accepted.any(axis=1)
        numbers[left] = drawn[np.arange(len(left)), first] % bounds[left]
        left, draw = left[~done], draw + 1
    return numbers.astype(np.int64)


def permutation(count, seed, purpose, stream):
    """Fisher and Yates from the end. Result: int64 [count]."""
    order = list(range(count))
    if count > 1:
        lasts = np.arange(count - 1, 0, -1)
        chosen = integers_below(lasts + 1, seed, purpose, stream, lasts)
        for last, other in zip(lasts.tolist(), chosen.tolist()):
            order[last], order[other] = order[other], order[last]
    return np.array(order, np.int64)
