"""The data sets of the cases, made from fixed seeds: an image folder, and grey images as IDX files."""

from pathlib import Path

import numpy as np

from .images import make_folder


def make_grey(directory: Path, count=67, height=9, width=12, test=20, seed=20240301):
    """IDX files as MNIST has them, `test` of the images in the t10k pair."""
    random = np.random.Generator(np.random.PCG64(seed))
    labels = random.integers(4, size=count).astype(np.uint8)
    pixels = random.integers(0, 200, size=(count, height, width)) + 14 * labels[:, None, None] * (np.arange(width) % 3 == 0)
    directory.mkdir(parents=True, exist_ok=True)
    for prefix, part in (("train", slice(0, count - test)), ("t10k", slice(count - test, count))):
        write_idx(directory / f"{prefix}-images-idx3-ubyte", pixels[part].astype(np.uint8))
        write_idx(directory / f"{prefix}-labels-idx1-ubyte", labels[part])


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    path.write_bytes(header + array.tobytes())


def make_tiny(directory: Path):
    """Images of so few pixels that a shard of two may have no doubtful rounding to bfloat16."""
    make_folder(directory, count=60, height=5, width=4)


MAKERS = {"folder": make_folder, "grey": make_grey, "tiny": make_tiny}
