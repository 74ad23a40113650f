"""The networks' blocks, and the tensors of each in the order of the weights' vector."""

from collections import namedtuple

from .plants import planted

Network = namedtuple("Network", "stem stages blocks projection")
Block = namedtuple("Block", "name inputs outputs stride projection")
Tensor = namedtuple("Tensor", "name shape trainable")

NETWORKS = {"resnet8": Network(16, (16, 48, 96), 1, False), "resnet18": Network(64, (64, 128, 256, 512), 2, True)}
NETWORKS |= {f"resnet{6 * n + 2}": Network(16, (16, 32, 64), n, False) for n in (3, 5, 7, 9, 18)}
NETWORKS["wide8"] = Network(32, (32, 64, 128), 1, True)


def blocks(network):
    """Residual blocks in order; `projection` says that the skip path has a convolution."""
    channels = network.stem
    for stage, outputs in enumerate(network.stages, 1):
        for number in range(1, network.blocks + 1):
            stride = 2 if number == 1 and stage > 1 else 1
            changes = stride != 1 or channels != outputs
            yield Block(f"stage{stage}_block{number}", channels, outputs, stride, network.projection and changes)
            channels = outputs


def tensors(network, channels, classes):
    """All tensors: the trainable ones, then the moving statistics. Shapes of kernels: height, width, in, out."""
    trainable, moving = [], []

    def kernel(name, *shape):
        trainable.append(Tensor(f"{name}/kernel", shape, True))

    def batch_norm(name, size):
        trainable.extend(Tensor(f"{name}/{part}", (size,), True) for part in ("gamma", "beta"))
        moving.extend(Tensor(f"{name}/{part}", (size,), False) for part in ("moving_mean", "moving_variance"))

    kernel("stem_conv", 3, 3, channels, network.stem)
    batch_norm("stem_bn", network.stem)
    for block in blocks(network):
        kernel(f"{block.name}_conv1", 3, 3, block.inputs, block.outputs)
        batch_norm(f"{block.name}_bn1", block.outputs)
        kernel(f"{block.name}_conv2", 3, 3, block.outputs, block.outputs)
        if block.projection:
            kernel(f"{block.name}_skip", 1, 1, block.inputs, block.outputs)
        batch_norm(f"{block.name}_bn2", block.outputs)
        if block.projection:
            batch_norm(f"{block.name}_skip_bn", block.outputs)
    kernel("logits", network.stages[-1], classes)
    trainable.append(Tensor("logits/bias", (classes,), True))
    return trainable + moving


def dropout_shapes(network, samples, height, width):
    """Shape of the activation that each block's dropout sees."""
    shapes = []
    for block in blocks(network):
        height, width = -(-height // block.stride), -(-width // block.stride)
        shapes.append((samples, height, width, block.outputs))
    return shapes


def l2_factor(tensor, reg):
    """reg for every kernel, 0 for gamma, beta and bias."""
    if tensor.name == "logits/kernel" and planted("l2-not-logits"):
        return 0.0
    on_gamma = tensor.name.endswith("/gamma") and planted("l2-on-gamma")
    return reg if tensor.name.endswith("/kernel") or on_gamma else 0.0
