"""Pixels and labels from the files themselves, without the program: images in class directories, and IDX files."""

import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image


def fingerprint(images, labels, class_names):
    """sha256 of header and packed.bin. `images`: uint8 [n, h, w, c], `labels`: [n]."""
    count, height, width, channels = images.shape
    header = {"count": count, "height": height, "width": width, "channels": channels, "classNames": class_names}
    line = json.dumps(header, ensure_ascii=False, separators=(",", ":")) + "\n"
    return hashlib.sha256(line.encode() + np.asarray(labels, "<u2").tobytes() + images.tobytes()).hexdigest()


def from_folder(directory: Path):
    """Images of one size in class directories: sorted by the whole path. Names here are ASCII, whose order is Python's."""
    paths = sorted(path.relative_to(directory).as_posix() for path in directory.glob("*/*.png"))
    class_names = sorted({path.split("/")[0] for path in paths})
    images = np.stack([np.asarray(Image.open(directory / path).convert("RGB")) for path in paths])
    return images, [class_names.index(path.split("/")[0]) for path in paths], class_names


def from_idx(directory: Path):
    """train, then t10k; class names are 0, 1, …"""
    parts = [
        read_idx(directory / f"{prefix}-{what}") for what in ("images-idx3-ubyte", "labels-idx1-ubyte") for prefix in ("train", "t10k")
    ]
    images, labels = np.concatenate(parts[:2])[..., None], np.concatenate(parts[2:])
    return images, labels, [str(label) for label in range(int(labels.max()) + 1)]


def read_idx(path):
    content = path.read_bytes()
    dimensions = content[3]
    shape = [int.from_bytes(content[4 + 4 * index : 8 + 4 * index], "big") for index in range(dimensions)]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


READERS = {"folder": from_folder, "grey": from_idx, "tiny": from_folder}
