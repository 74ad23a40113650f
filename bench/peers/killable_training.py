"""What the PyTorch contestants of `convoy bench faults` share: task, checkpoints, and what they write down.

Import it first: the process must be known before it has loaded PyTorch, which takes seconds.

A run directory has, for each rank: `pid-<rank>`, the process that runs now; `ledger-<rank>`, a line for each step that it applied (the
number of steps, the samples of this process that count, the time, the processor time of the process so far). Then `checkpoint.pt`, the
newest checkpoint, and `weights.sha256` after the last step.
"""

import hashlib
import json
import os
import sys
import time

directory, dataset, name, batch, steps = sys.argv[1:6]
batch, steps = int(batch), int(steps)
# A replica of torchft has processes of its own; the others are processes of one group.
rank = int(os.environ.get("REPLICA_GROUP_ID", os.environ["RANK"]))
world = int(os.environ.get("NUM_REPLICA_GROUPS", os.environ["WORLD_SIZE"]))
with open(f"{directory}/pid-{rank}.new", "w") as file:
    file.write(str(os.getpid()))
os.replace(f"{directory}/pid-{rank}.new", f"{directory}/pid-{rank}")

import numpy as np
import torch
import torch.nn.functional as F

from pytorch_augmentation import augment
from pytorch_networks import build

CHECKPOINT_SECONDS = 10
TRAIN_SHARE = 0.7

torch.set_num_threads(1)


class Training:
    """Network, optimizer and samples. Everything random depends on the step alone, so that a step may be computed again."""

    def __init__(self):
        with open(f"{dataset}/info.json") as file:
            info = json.load(file)
        count, shape = info["count"], (info["height"], info["width"], info["channels"])
        packed = np.fromfile(f"{dataset}/packed.bin", np.uint8)
        self.labels = torch.from_numpy(packed[: 2 * count].view(np.uint16).astype(np.int64))
        self.pixels = torch.from_numpy(packed[2 * count :].reshape(count, *shape)).permute(0, 3, 1, 2)
        self.train_count = int(count * TRAIN_SHARE)
        self.share = batch // world
        self.orders = {}
        torch.manual_seed(1)
        self.network = build(name).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(self.network.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)
        self.ledger = open(f"{directory}/ledger-{rank}", "a", buffering=1)
        self.saved = time.monotonic()

    def state(self):
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load(self, state):
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])

    def restore(self):
        """Loads the newest checkpoint. Returns its number of steps: 0 without one."""
        try:
            checkpoint = torch.load(f"{directory}/checkpoint.pt", weights_only=True)
        except FileNotFoundError:
            return 0
        self.load(checkpoint["state"])
        return checkpoint["step"]

    def loss(self, model, step):
        """The loss of this rank's samples of a step."""
        positions = torch.arange(step * batch + rank * self.share, step * batch + (rank + 1) * self.share)
        epochs = positions // self.train_count
        samples = torch.cat([self.order(e)[positions[epochs == e] % self.train_count] for e in epochs.unique().tolist()])
        torch.manual_seed(step * world + rank)
        images = augment(self.pixels[samples].float() / 255).contiguous(memory_format=torch.channels_last)
        return F.cross_entropy(model(images), self.labels[samples])

    def order(self, epoch):
        if epoch not in self.orders:
            order = torch.randperm(self.train_count, generator=torch.Generator().manual_seed(epoch))
            self.orders = {**{e: o for e, o in self.orders.items() if e == epoch - 1}, epoch: order}
        return self.orders[epoch]

    def applied(self, step, samples):
        """A step was applied: writes it down, and makes a checkpoint now and then. `step`: how many there are."""
        if step == steps:
            self.write_hash()
        self.ledger.write(f"{step} {samples} {time.time()} {time.process_time()}\n")
        if rank == 0 and time.monotonic() - self.saved >= CHECKPOINT_SECONDS:
            torch.save({"step": step, "state": self.state()}, f"{directory}/checkpoint.new")
            os.replace(f"{directory}/checkpoint.new", f"{directory}/checkpoint.pt")
            self.saved = time.monotonic()

    def write_hash(self):
        digest = hashlib.sha256()
        for tensor in self.network.parameters():
            digest.update(tensor.detach().contiguous().numpy().tobytes())
        with open(f"{directory}/weights.{rank}", "w") as file:
            file.write(digest.hexdigest())
        os.replace(f"{directory}/weights.{rank}", f"{directory}/weights.sha256")
