"""The vector that a shard reports: gradient sums, batch statistics, loss sum, correct predictions; float32."""

from collections import namedtuple

import jax
import jax.numpy as jnp
import numpy as np

from .doubtful_relus import DOUBT
from .loss import losses
from .network import forward

# vector_above(0.0) is the shard's vector; other thresholds are of its ReLUs' gradient. near: inputs of doubtful ReLUs.
# vector_above(0.0, nudge) is the one of nudged sums (bfloat16.py).
Shard = namedtuple("Shard", "vector_above logits near")


def make_shard_gradient(network, all_tensors, precision, dropout):
    """A function of (tensors, x [m, h, w, c], labels, target [m, C], masks) to Shard.
    """
    trainable = [tensor.name for tensor in all_tensors if tensor.trainable]
    moving = [tensor.name for tensor in all_tensors if not tensor.trainable]

    def total(tensors, x, target, masks, threshold, nudge):
        used = masks if dropout else None
        logits, statistics, near = forward(network, tensors, x, precision, True, used, threshold, nudge)
        return jnp.sum(losses(logits, target)), (logits, statistics, near)

    @jax.jit
    def compute(tensors, x, target, masks, threshold, nudge):
        result, gradient = jax.value_and_grad(total, has_aux=True)(tensors, x, target, masks, threshold, nudge)
        loss, (logits, statistics, near) = result
        parts = [gradient[name].ravel() for name in trainable] + [statistics[name] for name in moving]
        return jnp.concatenate(parts), loss, logits, near

    def shard_gradient(tensors, x, labels, target, masks):
        kernels = {name: tensors[name] for name in trainable}
        first = compute(kernels, np.float64(x), np.float64(target), masks, 0.0, 0.0)

        def vector_above(threshold, nudge=0.0):
            again = (kernels, np.float64(x), np.float64(target), masks, threshold, nudge)
            parts, loss, logits, _ = first if threshold == nudge == 0.0 else compute(*again)
            correct = np.sum(np.asarray(logits).argmax(axis=1) == labels)
            return np.concatenate([np.asarray(parts), [loss, correct]]).astype(np.float32)

        logits, near = np.asarray(first[2]), np.asarray(first[3])
        return Shard(vector_above, logits, near[(np.abs(near) < DOUBT) & (near != 0)])

    return shard_gradient
