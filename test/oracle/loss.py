"""Cross-entropy with label smoothing, and what tells how sure a prediction is."""

import jax
import jax.numpy as jnp
import numpy as np

from .plants import planted


def targets(labels, classes, smoothing):
    """float32 [m, classes] as the program's: onehot * f32(1 - s) + f32(s / classes)."""
    onehot = np.eye(classes, dtype=np.float32)[labels]
    if planted("smoothing-others"):
        return onehot * np.float32(1 - smoothing) + (1 - onehot) * np.float32(smoothing / (classes - 1))
    return onehot * np.float32(1 - smoothing) + np.float32(smoothing / classes)


def losses(logits, target):
    """[m]: cross-entropy of each sample, natural logarithm."""
    return -jnp.sum(target * jax.nn.log_softmax(logits), axis=-1)


def margins(logits):
    """[m]: by how much the largest logit is above the second. Below the rounding's noise the prediction may go either way."""
    highest = np.sort(np.asarray(logits), axis=-1)
    return highest[:, -1] - highest[:, -2]
