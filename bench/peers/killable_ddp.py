"""DistributedDataParallel over gloo, a contestant of `convoy bench faults`.

    torchrun … killable_ddp.py RUN_DIRECTORY DATASET_DIRECTORY NETWORK BATCH STEPS

When a process dies, torchrun restarts all of them, and they go on from the newest checkpoint.
"""

from killable_training import Training, steps

import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
training = Training()
step = training.restore()
model = DistributedDataParallel(training.network)
while step < steps:
    training.loss(model, step).backward()
    training.optimizer.step()
    training.optimizer.zero_grad()
    step += 1
    training.applied(step, training.share)
dist.destroy_process_group()
