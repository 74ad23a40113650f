"""The vector that a shard reports: gradient sums, batch statistics, loss sum, correct predictions; float32."""

import jax
import jax.numpy as jnp
import numpy as np

from .doubtful_relus import DOUBT
from .loss import losses
from .network import forward


def make_shard_gradient(network, all_tensors, precision, dropout):
    """A function of (tensors, x [m, h, w, c], labels, target [m, C], masks) to (vector_above, logits [m, C], inputs near 0).

    vector_above(0.0) is the shard's vector; other thresholds are of its ReLUs' gradient. The inputs are those of doubtful ReLUs.
    """
    trainable = [tensor.name for tensor in all_tensors if tensor.trainable]
    moving = [tensor.name for tensor in all_tensors if not tensor.trainable]

    def total(tensors, x, target, masks, threshold):
        used = masks if dropout else None
        logits, statistics, near = forward(network, tensors, x, precision, training=True, masks=used, threshold=threshold)
        return jnp.sum(losses(logits, target)), (logits, statistics, near)

    @jax.jit
    def compute(tensors, x, target, masks, threshold):
        result, gradient = jax.value_and_grad(total, has_aux=True)(tensors, x, target, masks, threshold)
        loss, (logits, statistics, near) = result
        parts = [gradient[name].ravel() for name in trainable] + [statistics[name] for name in moving]
        return jnp.concatenate(parts), loss, logits, near

    def shard_gradient(tensors, x, labels, target, masks):
        kernels = {name: tensors[name] for name in trainable}
        first = compute(kernels, np.float64(x), np.float64(target), masks, 0.0)

        def vector_above(threshold):
            again = (kernels, np.float64(x), np.float64(target), masks, threshold)
            parts, loss, logits, _ = first if threshold == 0.0 else compute(*again)
            correct = np.sum(np.asarray(logits).argmax(axis=1) == labels)
            return np.concatenate([np.asarray(parts), [loss, correct]]).astype(np.float32)

        logits, near = np.asarray(first[2]), np.asarray(first[3])
        return vector_above, logits, near[(np.abs(near) < DOUBT) & (near != 0)]

    return shard_gradient
