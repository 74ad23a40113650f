"""A data set in the cache: packed.bin and info.json of the directory that the fingerprint names."""

import json
from collections import namedtuple
from pathlib import Path

import numpy as np

from .source_files import fingerprint

Dataset = namedtuple("Dataset", "images labels class_names height width channels fingerprint")


def load(datasets: Path, name: str) -> Dataset:
    """`images`: uint8 [n, h, w, c], `labels`: int64 [n]; `name`: the directory's, the fingerprint that it should have."""
    directory = datasets / name
    info = json.loads((directory / "info.json").read_text(encoding="utf-8"))
    packed = (directory / "packed.bin").read_bytes()
    count, shape = info["count"], (info["height"], info["width"], info["channels"])
    labels = np.frombuffer(packed, "<u2", count).astype(np.int64)
    images = np.frombuffer(packed, np.uint8, offset=2 * count).reshape(count, *shape)
    computed = fingerprint(images, labels, info["classNames"])
    return Dataset(images, labels, info["classNames"], *shape, computed)
