"""The weights before the first step, exact."""

import math

import numpy as np

from .generator import INITIAL_WEIGHT, unit, words
from .plants import planted


def initial_tensor(tensor, index, seed):
    """float32 [size], row-major. `index`: position of the tensor among all."""
    size = int(np.prod(tensor.shape))
    part = tensor.name.rsplit("/")[-1]
    if part != "kernel":
        return np.full(size, 1 if part in ("gamma", "moving_variance") else 0, np.float32)
    fan_in, fan_out = int(np.prod(tensor.shape[:-1])), tensor.shape[-1]
    if len(tensor.shape) == 2 or planted("glorot-all"):
        limit = math.sqrt((3 * 1) / ((fan_in + fan_out) / 2))
    else:
        limit = math.sqrt((3 * 2) / fan_in)
    drawn = unit(words(seed, INITIAL_WEIGHT, index, np.arange(-(-size // 4)))).reshape(-1)[:size]
    return ((2 * drawn - 1) * limit).astype(np.float32)


def initial_weights(all_tensors, seed):
    """float32 [weights]."""
    indices = range(len(all_tensors))
    if planted("tensor-index"):
        kernels = [tensor.name for tensor in all_tensors if tensor.name.endswith("kernel")]
        indices = [kernels.index(tensor.name) if tensor.name in kernels else 0 for tensor in all_tensors]
    return np.concatenate([initial_tensor(tensor, index, seed) for tensor, index in zip(all_tensors, indices)])
