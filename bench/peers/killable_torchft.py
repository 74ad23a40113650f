"""torchft over gloo, a contestant of `convoy bench faults`: one replica of one process.

    REPLICA_GROUP_ID=… NUM_REPLICA_GROUPS=… torchrun … killable_torchft.py RUN_DIRECTORY DATASET_DIRECTORY NETWORK BATCH STEPS LIGHTHOUSE

When a replica dies, the others go on without its samples; torchrun restarts it, and it takes the state of another one. The timeouts are
those of torchft's own example. LIGHTHOUSE is the file with the lighthouse's address.
"""

import os
import sys
import time
from datetime import timedelta

from killable_training import Training, rank, steps

from torchft import DistributedDataParallel, Manager, ProcessGroupGloo

while not os.path.exists(sys.argv[6]):
    time.sleep(0.1)
with open(sys.argv[6]) as file:
    lighthouse = file.read()

training = Training()
manager = Manager(
    pg=ProcessGroupGloo(timeout=timedelta(seconds=5)),
    min_replica_size=1,
    load_state_dict=training.load,
    state_dict=training.state,
    replica_id=f"replica_{rank}",
    lighthouse_addr=lighthouse,
    timeout=timedelta(seconds=30),
)
# Counts only when no replica is left: otherwise the state of another one is newer.
restored = training.restore()
manager.load_state_dict({"step": restored, "batches_committed": restored})
model = DistributedDataParallel(manager, training.network)
while manager.current_step() < steps:
    step = manager.current_step()
    manager.start_quorum()
    training.optimizer.zero_grad()
    training.loss(model, step).backward()
    if manager.should_commit():
        training.optimizer.step()
        training.applied(manager.current_step(), training.share if manager.is_participating() else 0)
# A replica that ends is a replica that dies: the manager of the others would wait for it.
os._exit(0)
