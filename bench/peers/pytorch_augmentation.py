"""The augmentation of src/data/sampling/augmentation.ts in PyTorch."""

import math

import torch
import torch.nn.functional as F


def augment(images):
    """Horizontal flip, rotation by up to 20 degrees, zoom by up to 10 %, as one bilinear transform with reflection."""
    n = images.shape[0]
    angle = (torch.rand(n) * 2 - 1) * math.radians(20)
    zoom_x, zoom_y = 1 + (torch.rand(2, n) * 2 - 1) * 0.1
    flip = torch.randint(0, 2, (n,)) * 2 - 1
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = torch.cos(angle) * zoom_x * flip
    theta[:, 0, 1] = -torch.sin(angle) * zoom_y
    theta[:, 1, 0] = torch.sin(angle) * zoom_x * flip
    theta[:, 1, 1] = torch.cos(angle) * zoom_y
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
