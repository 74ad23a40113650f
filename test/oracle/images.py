"""A small image folder of odd sizes, the same bytes of pixels for the same arguments."""

from pathlib import Path

import numpy as np
from PIL import Image


def make_folder(directory: Path, count=151, height=13, width=10, classes=("ant", "bee", "cow"), seed=20240229):
    """Write `count` PNG files into a directory for each class; a class has its own hue and slope, so that it can be learnt."""
    random = np.random.Generator(np.random.PCG64(seed))
    y, x = np.mgrid[0:height, 0:width]
    for number in range(count):
        label = int(random.integers(len(classes)))
        slope = (x if label == 0 else y if label == 1 else (x + y) / 2) * 12.0
        picture = np.stack([slope * (0.5 + 0.5 * (channel == label)) + 60 for channel in range(3)], axis=-1)
        picture = picture + random.integers(-60, 61, size=picture.shape)
        pixels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
        folder = directory / classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number:04d}.png")
