"""The steps of a run: samples, shards, sum, optimizer, moving statistics."""

from collections import namedtuple

import numpy as np

from . import architecture
from .augmentation import transforms
from .bfloat16 import NUDGE, STEADY
from .doubtful_relus import AGREES, LARGEST, resolve, side_changes
from .dropout import masks
from .initial_weights import initial_weights
from .loss import margins, targets
from .network import cut
from .optimizer import make_optimizer, moving_statistics
from .pixels import scaled, transformed
from .plants import planted
from .reduction import clip_factor, mean_gradient, norm, tree
from .schedule import learning_rate
from .shard_gradient import make_shard_gradient
from .stream import batch, scheduled_steps

# sure: no rounding to bfloat16 was doubtful, in this step or before.
Step = namedtuple("Step", "step loss correct margins norm other_side sure weights")


class Training:
    def __init__(self, config, dataset, train):
        self.config, self.dataset, self.train = config, dataset, train
        self.network = architecture.NETWORKS[config["network"]["name"]]
        self.tensors = architecture.tensors(self.network, dataset.channels, len(dataset.class_names))
        sizes = [int(np.prod(tensor.shape)) for tensor in self.tensors]
        self.trainable = sum(size for tensor, size in zip(self.tensors, sizes) if tensor.trainable)
        self.scheduled_steps = scheduled_steps(config["epochs"], len(train), config["batchSize"])
        self.total_steps = min(self.scheduled_steps, config["maxSteps"] or self.scheduled_steps)
        reg = config["network"]["reg"]
        self.factors = np.repeat([architecture.l2_factor(tensor, reg) for tensor in self.tensors], sizes)[: self.trainable]
        self.is_kernel = np.repeat([len(tensor.shape) > 1 for tensor in self.tensors], sizes)[: self.trainable]

    def rate(self, step):
        """Learning rate of step 0, 1, …; maxSteps does not change it."""
        length = self.total_steps if planted("rate-of-max-steps") else self.scheduled_steps
        return learning_rate(self.config["schedule"], step, length)

    def epoch(self, steps):
        return (steps * self.config["batchSize"]) / len(self.train)

    def images(self, samples, epochs):
        """float32 [B, h, w, c]."""
        settings, data = self.config["augmentation"], self.dataset
        pixels = scaled(data.images[samples])
        if not settings["enabled"]:
            return pixels
        matrices = transforms(self.config["seed"], epochs, samples, data.height, data.width, settings)
        return transformed(pixels, matrices, settings["fillMode"])

    def mean(self, vectors, weights):
        """Sum of the shards' vectors, mean gradient, norm."""
        is_rounded = self.config.get("wire") == "bfloat16" and not planted("wire-off")
        total, size = tree(vectors, self.trainable if is_rounded else 0), self.config["batchSize"]
        gradient = mean_gradient(total[: self.trainable], size, self.factors, weights[: self.trainable])
        return total, gradient, norm(gradient)

    def steady(self, shard):
        """Whether no value of the shard goes to the other side of a rounding to bfloat16 when all are nudged up, or down."""
        vector = shard.vector_above(0.0)
        for nudge in (NUDGE, -NUDGE):
            pairs = zip(cut(vector, self.tensors).values(), cut(shard.vector_above(0.0, nudge), self.tensors).values())
            if any(np.linalg.norm(other - one) > STEADY * np.linalg.norm(one) for one, other in pairs):
                return False
        return True

    def shards(self, step, weights, shard_gradient):
        """What shard_gradient says of each shard of step 0, 1, …"""
        config, data = self.config, self.dataset
        seed, rate = config["seed"], config["network"]["dropoutRate"]
        size = config["batchSize"] if planted("batch-statistics") else config["shardSize"]
        shapes = architecture.dropout_shapes(self.network, size, data.height, data.width)
        samples, epochs = batch(self.train, seed, step, config["batchSize"])
        labels = data.labels[samples]
        pixels, target = self.images(samples, epochs), targets(labels, len(data.class_names), config["labelSmoothing"])
        tensors = cut(weights, self.tensors)
        for shard, start in enumerate(range(0, config["batchSize"], size)):
            part = slice(start, start + size)
            drawn = masks(seed, step, shard, shapes, rate) if rate > 0 else None
            yield shard_gradient(tensors, pixels[part], labels[part], target[part], drawn)

    def steps(self, count, norms):
        """Yields Step for the first `count` steps; `weights` are those after the step, float32.

        `norms`: the program's, which choose the side of doubtful ReLUs.
        """
        config, size = self.config, self.config["batchSize"]
        weights = initial_weights(self.tensors, config["seed"])
        optimizer = make_optimizer(config["optimizer"], self.trainable, self.is_kernel)
        shard_gradient = make_shard_gradient(self.network, self.tensors, config["precision"], config["network"]["dropoutRate"] > 0)
        peak = max(config["schedule"].get("peak", 0), config["schedule"].get("initial", 0))
        sure = True
        for step in range(count):
            shards = list(self.shards(step, weights, shard_gradient))
            vectors, other_side = [vector_above(0.0) for vector_above, _, _ in shards], 0
            off = abs(self.mean(vectors, weights)[2] / norms[step] - 1)
            if AGREES < off < LARGEST and config["precision"] == "float32":
                doubts = list(side_changes(shards))
                vectors, other_side = resolve(vectors, doubts, lambda changed: self.mean(changed, weights)[2], norms[step])
            sure = sure and (config["precision"] == "float32" or all(self.steady(shard) for shard in shards))
            total, gradient, length = self.mean(vectors, weights)
            trained, moving = weights[: self.trainable], weights[self.trainable :]
            used = norm(mean_gradient(total[: self.trainable], size, 0, trained)) if planted("clip-before-l2") else length
            factor = clip_factor(config["clipNorm"], used)
            trained = optimizer.apply(trained, gradient, factor, self.rate(step), peak)
            moving = moving_statistics(moving, total[self.trainable : -2], len(shards))
            weights = np.concatenate([trained, moving])
            margin = margins(np.concatenate([logits for _, logits, _ in shards]))
            yield Step(step + 1, float(total[-2]) / size, int(total[-1]), margin, length, other_side, sure, weights)
