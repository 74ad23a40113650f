"""The test vectors at the end of the page, recomputed from nothing but their descriptions."""

import hashlib
import json
import re

import numpy as np

from . import generator
from .architecture import NETWORKS, tensors
from .augmentation import transforms
from .dropout import kept
from .initial_weights import initial_tensor, initial_weights
from .optimizer import make_optimizer
from .pixels import transformed
from .reduction import mean_gradient, tree
from .report import Report
from .schedule import learning_rate
from .settings import OPTIMIZERS, complete
from .split import split
from .stream import batch, scheduled_steps
from .trigonometry import sine_cosine

SEED = 7


def stratified():
    return split(np.arange(20) % 3, SEED, True)


def augmentation(height, width, sample, **settings):
    defaults = {"horizontalFlip": True, "rotationDegrees": 20, "zoom": 0.1}
    return transforms(SEED, np.array([0]), np.array([sample]), height, width, defaults | settings)


def first_row(fill_mode):
    image = (np.arange(16, dtype=np.float32) / np.float32(16)).reshape(1, 4, 4, 1)
    return transformed(image, augmentation(4, 4, 19, rotationDegrees=180, zoom=0.9), fill_mode)[0, 0, :, 0]


def two_steps(settings):
    optimizer, weights, values = make_optimizer(settings, 1, np.array([True])), np.float32([0.5]), []
    for _ in range(2):
        weights = optimizer.apply(weights, np.float32([0.3]), 0.5, 0.1, 0.1)
        values.append(weights[0])
    return values


def first_of(index):
    return initial_tensor(resnet8()[index], index, SEED)[:3]


def resnet8():
    return tensors(NETWORKS["resnet8"], 3, 10)


def lengths():
    sizes = [(int(np.prod(tensor.shape)), tensor.trainable) for tensor in resnet8()]
    return [sum(size for size, trainable in sizes if trainable), sum(size for size, _ in sizes)]


def rates(recipe, steps):
    config = complete(recipe, {})
    length = scheduled_steps(config["epochs"], 42000, config["batchSize"])
    return {step: learning_rate(config["schedule"], int(step), length) for step in steps}


def compute(what, value):
    """The oracle's value. A description that is not known fails: the page has a vector that the oracle lacks."""
    found = re.match(r"philox, key \((\d+), (\d+)\), counter \((\d+), (\d+), (\d+), (\d+)\)", what)
    if found:
        numbers = [int(number) for number in found.groups()]
        return generator.philox(numbers[:2], numbers[2:])
    if found := re.match(r"permutation\(42000, shuffle, stream (\d)\), first ten", what):
        return generator.permutation(42000, SEED, generator.SHUFFLE, int(found[1]))[:10]
    if found := re.match(r"split of n = 60000, first six of (\w+)", what):
        return getattr(split(np.zeros(60000), SEED, False), found[1])[:6]
    if found := re.match(r"n = 20, label i mod 3, stratified: (\w+)", what):
        return getattr(stratified(), found[1])
    if what.startswith("n = 60000: step 0, shard 0"):
        return batch(split(np.zeros(60000), SEED, False).train, SEED, 0, 128)[0][:6]
    if what.startswith("n = 60000: step 328, shard 0: epochs"):
        return batch(split(np.zeros(60000), SEED, False).train, SEED, 328, 128)[1][[0, 15, 16, 31]]
    if what == "sin(1), cos(1)":
        return list(sine_cosine(1.0))
    if what == "words(augment, stream 0, item 3)":
        return generator.words(SEED, generator.AUGMENTATION, 0, 3)
    if what.startswith("transform of sample 3, epoch 0, 32x32"):
        return augmentation(32, 32, 3)[0, :3]
    if what == "the same: b0 b1 b2":
        return augmentation(32, 32, 3)[0, 3:]
    if found := re.match(r"4x4 image of k / 16, sample 19, epoch 0, rotationDegrees 180, zoom 0.9, (\w+): row 0", what):
        return first_row(found[1])
    if what == "words(dropout, stream 0, item 1), words 0 and 1":
        return generator.words(SEED, generator.DROPOUT, 0, 1)[:2]
    if found := re.match(r"dropout 0.2, step 0, shard 1, layer (\d): 1 is kept, first 16", what):
        return kept(SEED, 0, 1, int(found[1]), 16, 0.2).astype(int)
    if what.startswith("resnet8, 3 channels, 10 classes: lengths"):
        return lengths()
    if found := re.match(r"resnet8: (\S+)(?: \(index (\d+)\))?, first three", what):
        index = int(found[2] or 0)
        return first_of(index) if resnet8()[index].name == found[1] else resnet8()[index].name
    if what == "resnet8: sha256 of the initial weights":
        return hashlib.sha256(initial_weights(resnet8(), SEED).astype("<f4").tobytes()).hexdigest()
    if found := re.match(r"tree over (.*) \((float32|wire bfloat16)\)", what):
        return tree([np.float32([number]) for number in found[1].split(", ")], 0 if found[2] == "float32" else 1)[0]
    if what == "g of sum 12.8 (float32), B 128, reg 0.0001, w 0.5":
        return mean_gradient(np.float32([12.8]), 128, np.array([0.0001]), np.float32([0.5]))
    if what.startswith("sgd 0.9, w 0.5 after two steps of g 0.3"):
        return two_steps(OPTIMIZERS["sgd"] | {"nesterov": False})
    if what == "the same with nesterov":
        return two_steps(OPTIMIZERS["sgd"])
    if found := re.match(r"the same with (\w+), defaults", what):
        return two_steps(OPTIMIZERS[found[1]])
    if what == "the same with rmsprop, momentum 0.5, centered":
        return two_steps(OPTIMIZERS["rmsprop"] | {"momentum": 0.5, "centered": True})
    if found := re.match(r"rates of (\w+), n_train 42000, by step s", what):
        return rates(found[1], value)
    raise KeyError(what)


def plain(value):
    """As JSON has it. A float32 becomes the float64 of the shortest digits that name it."""
    if isinstance(value, np.ndarray):
        return [plain(element) for element in value]
    if isinstance(value, list):
        return [plain(element) for element in value]
    return float(f"{value:.9g}") if isinstance(value, np.float32) else value.item() if isinstance(value, np.generic) else value


def check_vectors(page):
    """Report of every row between the marks of the page."""
    table = page.read_text(encoding="utf-8").split("<!-- vectors -->")[1].split("<!-- /vectors -->")[0]
    report = Report()
    for line in table.splitlines():
        if found := re.match(r"\| (.*?) +\| `(.*)` +\|$", line):
            value = json.loads(found[2])
            try:
                computed = plain(compute(found[1], value))
            except KeyError:
                computed = "not known to the oracle"
            report.exact(found[1][:100], value, computed)
    return report
