"""What a run leaves: config.yaml, metrics.jsonl, result.json, and the saved weights."""

import hashlib
import json
import re
from collections import namedtuple
from pathlib import Path

import numpy as np
import yaml

Model = namedtuple("Model", "tensors weights sha256")


class Yaml12(yaml.SafeLoader):
    """PyYAML reads YAML 1.1, where 1e-8 is text."""


Yaml12.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"), list("-+0123456789.")
)


class RunDirectory:
    def __init__(self, path: Path):
        self.path = path
        self.config = yaml.load((path / "config.yaml").read_text(encoding="utf-8"), Yaml12)
        self.result = json.loads((path / "result.json").read_text(encoding="utf-8"))
        lines = (path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        self.lines = [json.loads(line) for line in lines]

    def of_kind(self, kind):
        return [line for line in self.lines if line["kind"] == kind]

    def model(self, which) -> Model:
        """`which`: best or last. Tensors as (name, shape) in the file's order of data; weights: float32, the whole data part."""
        content = (self.path / "model" / which / "model.safetensors").read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        header.pop("__metadata__", None)
        data = content[8 + length :]
        entries = sorted(header.items(), key=lambda entry: entry[1]["data_offsets"])
        tensors = [(name, tuple(entry["shape"]), entry["dtype"]) for name, entry in entries]
        return Model(tensors, np.frombuffer(data, "<f4"), hashlib.sha256(data).hexdigest())
