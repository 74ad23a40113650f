"""Deviations that can be planted into the oracle, to show that the comparison sees each.

`python -m oracle RUN --plant NAME` computes with the deviation; a correct run that uses the feature must then compare as WRONG.
`python -m oracle plants --directory DIRECTORY` does that for all, with the runs that `oracle cases --directory DIRECTORY` left.
"""

# For each case whose run must then be WRONG: name and what deviates.
PLANTS = {
    "short-resnet8": {
        "statistics-momentum": "momentum of the moving statistics 0.99 instead of 0.9",
        "biased-variance": "moving variance is the biased one",
        "epsilon": "epsilon of batch norm 1e-3",
        "batch-statistics": "batch norm by the statistics of the whole batch instead of the shard's",
        "smoothing-others": "label smoothing spread over the classes - 1 others",
        "same-augmentation": "every epoch has the augmentation of epoch 0",
        "no-mirror": "images are never mirrored",
        "mirror-angle": "the angle has the other sign",
        "rotation-keras": "angles are 1.8 times as large",
        "half-pixel": "the centre is (w / 2, h / 2)",
        "clip-scales-up": "clipping scales small gradients up to clipNorm",
        "no-clip": "no clipping",
        "clip-before-l2": "the norm that clips leaves L2 out",
        "l2-on-gamma": "L2 on gamma too",
        "l2-half": "L2's gradient without the factor 2",
        "l2-not-logits": "no L2 on logits/kernel",
        "nesterov": "Nesterov is the other way round",
        "rate-of-max-steps": "the schedule ends at maxSteps",
        "rate-next": "the rate of the next step",
        "padding-symmetric": "3x3 convolutions with stride 2 pad as PyTorch does",
        "shortcut-after": "the zero channels of an identity shortcut all come after",
        "relu-before-add": "the block's last ReLU comes before the addition",
        "drop-last": "an epoch's rest that fills no batch is left out",
        "same-shuffle": "every epoch has the order of epoch 0",
        "split-unsorted": "the splits are not sorted",
        "glorot-all": "every kernel's limit is Glorot's",
        "tensor-index": "initial weights count kernels only",
        "evaluation-shard-statistics": "evaluation by the shard's own statistics",
        "validation-smoothed": "the validation's loss has label smoothing",
    },
    "short-dropout": {
        "same-dropout": "one mask for all layers of a shard",
        "dropout-scale": "dropout does not scale what it keeps",
        "dropout-shard": "every shard has the masks of shard 0",
        "dropout-bits": "dropout takes the 24 high bits of a word",
    },
    "adamw-cosine": {
        "decay-on-all": "weight decay on gamma, beta and bias too",
        "decay-of-peak": "weight decay of the schedule's peak rate instead of the step's",
        "no-bias-correction": "adamw without the correction of its first steps",
        "adam-epsilon": "adamw's epsilon inside the square root",
    },
    "fill-reflect": {"fold-reflect": "reflect leaves out the edge's second copy (d c b | a b c d | c b a)"},
    "stratified": {"stratified-off": "stratified is ignored"},
    "bfloat16": {
        "bfloat16-off": "bfloat16 is ignored",
        "bfloat16-truncated": "bfloat16 rounds towards 0",
        "bfloat16-kernel": "convolutions take float32 kernels",
        "bfloat16-convolution": "results of convolutions stay float32",
        "bfloat16-batch-norm": "results of batch norm stay float32 until the ReLU or the sum has been computed",
        "bfloat16-addition": "the sum with the skip path stays float32 until the next convolution",
        "bfloat16-mean": "the mean over height and width is a bfloat16 value",
        "bfloat16-gradients": "gradients stay float32",
        "bfloat16-kernel-gradient": "gradients of kernels stay float32",
        "bfloat16-input-gradient": "gradients of a convolution's input stay float32 until they are added",
        "bfloat16-batch-norm-gradient": "gradients of batch norm's input stay float32",
    },
    "wire-bfloat16": {
        "wire-off": "wire is ignored",
        "wire-truncated": "sums of gradients are rounded towards 0",
        "wire-sums-only": "the shards' own gradients are not rounded",
    },
}
DEVIATIONS = {name: (case, what) for case, plants in PLANTS.items() for name, what in plants.items()}

active: set[str] = set()


def planted(name: str) -> bool:
    """Whether the deviation is planted. A name that is not listed is a mistake of the oracle."""
    if name not in DEVIATIONS:
        raise KeyError(name)
    return name in active
