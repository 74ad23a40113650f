"""Pixels as float32, and the transform of an image: bilinear, with what lies outside folded back in. One rounding for each operation."""

import numpy as np

from .plants import planted

ONE = np.float32(1)


def scaled(images):
    """float32 of bytes: a product with f32(1/255), not a division."""
    return images.astype(np.float32) * np.float32(1 / 255)


def transformed(images, transforms, fill_mode):
    """`images`: float32 [m, h, w, c], `transforms`: float32 [m, 6]. The transform maps a place of the output to one of the input."""
    m, height, width, _ = images.shape
    y, x = np.meshgrid(np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32), indexing="ij")
    a0, a1, a2, b0, b1, b2 = (transforms[:, index, None, None] for index in range(6))
    ix = fold(a0 * x + a1 * y + a2, width, fill_mode)
    iy = fold(b0 * x + b1 * y + b2, height, fill_mode)
    x0, y0 = np.floor(ix), np.floor(iy)
    x1, y1 = x0 + ONE, y0 + ONE
    which = np.arange(m)[:, None, None]

    def at(row, column):
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        row = np.clip(row, 0, height - 1).astype(np.int64)
        column = np.clip(column, 0, width - 1).astype(np.int64)
        return np.where(inside[..., None], images[which, row, column], np.float32(0))

    left, right, upper, lower = ((x1 - ix)[..., None], (ix - x0)[..., None], (y1 - iy)[..., None], (iy - y0)[..., None])
    top = left * at(y0, x0) + right * at(y0, x1)
    bottom = left * at(y1, x0) + right * at(y1, x1)
    return upper * top + lower * bottom


def fold(v, length, mode):
    """Places outside [0, length - 1] brought back in. `v`: float32 array."""
    if mode == "constant":
        return v
    n = np.float32(length)
    edge = np.float32(length - 1)
    if mode == "reflect" and planted("fold-reflect"):
        v = np.abs(v) % (2 * edge)
        v = np.where(v > edge, 2 * edge - v, v)
    elif mode == "reflect":
        below = 2 * n * np.trunc(-v / (2 * n)) + v
        below = np.where(below < -n, below + 2 * n, -below - ONE)
        above = v - 2 * n * np.trunc(v / (2 * n))
        above = np.where(above >= n, 2 * n - above - ONE, above)
        v = np.where(v < 0, below, np.where(v > edge, above, v))
    elif mode == "wrap":
        below = v + n * (np.trunc(-v / edge) + ONE)
        above = v - n * np.trunc(v / edge)
        v = np.where(v < 0, below, np.where(v > edge, above, v))
    return np.clip(v, np.float32(0), edge)
