"""The networks of src/model/networks.ts in PyTorch: the same layers, widths and shortcuts."""

import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm. `projection`: 1x1 convolution on the shortcut, else pooling and zero channels."""

    def __init__(self, channels_in, channels, stride, projection):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride = stride
        self.missing = channels - channels_in
        self.projection = None
        if projection and (stride != 1 or self.missing):
            self.projection = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.projection is not None:
            x = self.projection(x)
        elif self.missing:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.missing))
        return F.relu(x + y)


class ResNet(nn.Module):
    def __init__(self, widths, depth, projection, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        blocks, channels = [], widths[0]
        for stage, width in enumerate(widths):
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(Block(channels, width, stride, projection))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.top = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.blocks(F.relu(self.bn(self.stem(x))))
        return self.top(x.mean((2, 3)))


def build(name):
    if name == "resnet18":
        return ResNet([64, 128, 256, 512], 2, projection=True)
    return ResNet([16, 32, 64], (int(name.removeprefix("resnet")) - 2) // 6, projection=False)
