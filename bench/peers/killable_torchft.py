"""torchft over gloo, a contestant of `convoy bench faults`: one replica of one process.

    REPLICA_GROUP_ID=… NUM_REPLICA_GROUPS=… torchrun … killable_torchft.py RUN_DIRECTORY DATASET_DIRECTORY NETWORK BATCH STEPS LIGHTHOUSE

When a replica dies, the others go on without its samples; torchrun restarts it, and it takes the state of another one. The timeouts are
those of torchft's own example. LIGHTHOUSE is the file with the lighthouse's address.

torchft's DistributedDataParallel cannot be used over gloo: its hook fails with `assert fut._fut` in the replicas that live on, because
waiting for gloo throws when a peer has died. Manager.allreduce, which it calls, handles that.
"""

import os
import sys
import time
from datetime import timedelta

from killable_training import Training, directory, rank, steps, world

import torch
from torchft import Manager, ProcessGroupGloo

training = Training()
# All begin together. After a restart, the files are there.
open(f"{directory}/ready-{rank}", "w").close()
while not all(map(os.path.exists, [sys.argv[6], *(f"{directory}/ready-{other}" for other in range(world))])):
    time.sleep(0.1)
with open(sys.argv[6]) as file:
    lighthouse = file.read()
manager = Manager(
    pg=ProcessGroupGloo(timeout=timedelta(seconds=5)),
    min_replica_size=1,
    load_state_dict=training.load,
    state_dict=training.state,
    replica_id=f"replica_{rank}",
    lighthouse_addr=lighthouse,
    timeout=timedelta(seconds=30),
    # All begin with the same weights.
    init_sync=False,
)
# Counts only when no replica is left: otherwise the state of another one is newer.
restored = training.restore()
manager.load_state_dict({"step": restored, "batches_committed": restored})
parameters = list(training.network.parameters())


def average_gradients():
    flat = torch.cat([p.grad.flatten() for p in parameters])
    manager.allreduce(flat).wait()
    for p, mean in zip(parameters, flat.split([p.numel() for p in parameters])):
        p.grad.copy_(mean.view_as(p))


while manager.current_step() < steps:
    step = manager.current_step()
    manager.start_quorum()
    training.optimizer.zero_grad()
    training.loss(training.network, step).backward()
    average_gradients()
    if manager.should_commit():
        training.optimizer.step()
        training.applied(manager.current_step(), training.share if manager.is_participating() else 0)
# A replica that ends is a replica that dies: the manager of the others would wait for it.
os._exit(0)
