"""Defaults and recipes as the page has them: what config.yaml must say for given settings."""

DEFAULTS = {
    "seed": 1,
    "network": {"reg": 0, "dropoutRate": 0},
    "batchSize": 128,
    "shardSize": 32,
    "maxSteps": None,
    "precision": "float32",
    "labelSmoothing": 0,
    "clipNorm": None,
    "augmentation": {"enabled": True, "horizontalFlip": True, "rotationDegrees": 20, "zoom": 0.1, "fillMode": "reflect"},
    "stratified": False,
    "evaluationShardSize": 100,
}
OPTIMIZERS = {
    "sgd": {"kind": "sgd", "momentum": 0.9, "nesterov": True},
    "adamw": {"kind": "adamw", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0.05},
    "rmsprop": {"kind": "rmsprop", "decay": 0.9, "momentum": 0, "epsilon": 1e-7, "centered": False},
    "adagrad": {"kind": "adagrad", "initialAccumulatorValue": 0.1, "epsilon": 1e-7},
    "adadelta": {"kind": "adadelta", "rho": 0.95, "epsilon": 1e-7},
    "adamax": {"kind": "adamax", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7, "decay": 0},
}
SCHEDULES = {
    "one-cycle": {"kind": "one-cycle", "warmup": 0.25, "initial": 0.1, "final": 0.001},
    "cosine": {"kind": "cosine", "warmup": 0.05, "final": 0},
    "step": {"kind": "step", "milestones": [0.5, 0.75], "factor": 0.1},
}
RECIPES = {
    "quick": {
        "network": {"name": "resnet8", "reg": 0.0001},
        "epochs": 9,
        "optimizer": OPTIMIZERS["sgd"],
        "schedule": {"kind": "one-cycle", "peak": 0.8, "warmup": 0.2},
    },
    "resnet20": {
        "network": {"name": "resnet20", "reg": 0.0001},
        "epochs": 60,
        "optimizer": OPTIMIZERS["sgd"],
        "schedule": {"kind": "one-cycle", "peak": 0.4},
    },
    "resnet56": {
        "network": {"name": "resnet56", "reg": 0.00005},
        "epochs": 182,
        "optimizer": {"kind": "sgd", "nesterov": False},
        "schedule": {"kind": "step", "initial": 0.1},
    },
    "resnet18": {
        "network": {"name": "resnet18", "reg": 0.00025},
        "batchSize": 512,
        "shardSize": 128,
        "epochs": 100,
        "optimizer": OPTIMIZERS["sgd"],
        "schedule": {"kind": "cosine", "peak": 0.4, "warmup": 0.05},
    },
    "wide8": {
        "network": {"name": "wide8", "reg": 0.0001, "dropoutRate": 0.2},
        "epochs": 30,
        "optimizer": {"kind": "adamw", "weightDecay": 0.01},
        "schedule": {"kind": "cosine", "peak": 0.002, "warmup": 0.05},
        "labelSmoothing": 0.1,
    },
}


def merged(below, above):
    """`above` wins. Settings of another kind of optimizer or schedule replace the whole."""
    if not (isinstance(below, dict) and isinstance(above, dict)) or above.get("kind", below.get("kind")) != below.get("kind"):
        return above
    return below | {key: merged(below[key], value) if key in below else value for key, value in above.items()}


def complete(recipe, settings):
    """The whole configuration of a recipe with some settings of one's own."""
    config = merged(merged(DEFAULTS, RECIPES[recipe]), settings)
    config["optimizer"] = OPTIMIZERS[config["optimizer"]["kind"]] | config["optimizer"]
    config["schedule"] = SCHEDULES[config["schedule"]["kind"]] | config["schedule"]
    return config
