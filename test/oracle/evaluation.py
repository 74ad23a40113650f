"""Loss, confusion matrix and doubtful predictions of a split, from given weights."""

from collections import namedtuple

import jax
import numpy as np

from .loss import losses, margins, targets
from .network import cut, forward
from .pixels import scaled
from .plants import planted
from .reduction import tree

Evaluation = namedtuple("Evaluation", "samples loss accuracy confusion margins predictions labels probabilities")
LONG = 1000  # samples; above, the network is computed in float32, which takes a third of the time


def make_evaluate(training):
    """A function of (float32 weights, samples) to Evaluation. Shards as the program cuts them."""
    config, data = training.config, training.dataset
    classes, size = len(data.class_names), config["evaluationShardSize"]

    @jax.jit
    def compute(tensors, x, target):
        logits, _, _ = forward(training.network, tensors, x, config["precision"])
        return logits, losses(logits, target)

    def evaluate(weights, samples):
        dtype = np.float32 if len(samples) > LONG else np.float64
        tensors = cut(weights, training.tensors, dtype)
        logits, sums = [], []
        for start in range(0, len(samples), size):
            shard = samples[start : start + size]
            smoothing = config["labelSmoothing"] if planted("validation-smoothed") else 0
            target = targets(data.labels[shard], classes, smoothing).astype(dtype)
            missing = ((0, size - len(shard)), (0, 0))  # black images fill the last shard, so that one shape is compiled; not counted
            x = np.pad(scaled(data.images[shard]).astype(dtype), (*missing, (0, 0), (0, 0)))
            outputs, each = compute(tensors, x, np.pad(target, missing))
            logits.append(np.asarray(outputs, np.float64)[: len(shard)])
            sums.append(np.float32(np.asarray(each)[: len(shard)].sum()))
        logits, labels = np.concatenate(logits), data.labels[samples]
        predictions = logits.argmax(axis=1)
        confusion = np.zeros((classes, classes), np.int64)
        np.add.at(confusion, (labels, predictions), 1)
        probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        loss, accuracy = float(tree(sums)) / len(samples), np.trace(confusion) / len(samples)
        return Evaluation(len(samples), loss, float(accuracy), confusion, margins(logits), predictions, labels, probabilities)

    return evaluate


def better(one, other):
    """Whether validation (accuracy, loss) `one`, the later, is chosen over `other`. NaN is worse than any number."""
    if other is None or np.isnan(other[1]):
        return True
    if np.isnan(one[1]):
        return False
    return one[0] > other[0] or (one[0] == other[0] and one[1] <= other[1])
