"""The flip, rotation and zoom of a sample in an epoch, as one projective transform."""

import math

import numpy as np

from .generator import AUGMENTATION, unit, words
from .plants import planted
from .trigonometry import sine_cosine


def transforms(seed, epochs, samples, height, width, settings):
    """float32 [count, 6]: a0 a1 a2 b0 b1 b2 of each sample. `settings`: those below `augmentation`. All in float64, rounded at the end."""
    if planted("same-augmentation"):
        epochs = np.zeros_like(epochs)
    drawn = unit(words(seed, AUGMENTATION, epochs, samples))
    mirrored = settings["horizontalFlip"] and not planted("no-mirror")
    mirror = np.where((drawn[:, 0] < 0.5) & mirrored, -1.0, 1.0)
    radians = ((2 * drawn[:, 1] - 1) * settings["rotationDegrees"] * math.pi) / 180
    if planted("rotation-keras"):
        radians = radians * 1.8
    if planted("mirror-angle"):
        radians = -radians
    scale = 1 + (2 * drawn[:, 2] - 1) * settings["zoom"]
    sine, cosine = sine_cosine(radians)
    half = 0.0 if planted("half-pixel") else 1.0
    cx, cy = (width - half) / 2, (height - half) / 2
    a0 = mirror * scale * cosine
    a1 = -mirror * scale * sine
    a2 = cx - a0 * cx - a1 * cy
    b0 = scale * sine
    b1 = scale * cosine
    b2 = cy - b0 * cx - b1 * cy
    return np.stack([a0, a1, a2, b0, b1, b2], axis=1).astype(np.float32)
