"""Masks of dropout, as TensorFlow's StatelessRandomUniform draws them."""

import numpy as np

from .generator import DROPOUT, philox, unit, words
from .plants import planted

MASK_KEY = (0x3EC8F720, 0x02461E29)


def halves(seed):
    """The two halves of an int32 that is sign-extended to 64 bits."""
    return seed, 0xFFFFFFFF if seed >= 2**31 else 0


def kept(seed, step, shard, layer, count, rate):
    """bool [count]: which elements of the activation (row-major) layer `layer` keeps in that shard of the step."""
    first, second = (int(word) for word in words(seed, DROPOUT, step, 0 if planted("dropout-shard") else shard)[:2])
    second = (second + (0 if planted("same-dropout") else layer)) % 2**32
    q0, q1, q2, q3 = philox(MASK_KEY, halves(first) + halves(second))
    drawn = philox((q0, q1), (np.arange(-(-count // 4)), 0, q2, q3)).reshape(-1)[:count]
    uniform = unit(drawn) if planted("dropout-bits") else (drawn % 2**23).astype(np.float64) / 2.0**23
    return uniform >= np.float64(np.float32(rate))


def masks(seed, step, shard, shapes, rate):
    """float64 factors for each dropout layer: f32(1 / (1 - rate)) where kept, else 0. `shapes`: of the activations."""
    scale = 1.0 if planted("dropout-scale") else np.float64(np.float32(1 / (1 - rate)))
    return [scale * kept(seed, step, shard, layer, int(np.prod(shape)), rate).reshape(shape) for layer, shape in enumerate(shapes)]
