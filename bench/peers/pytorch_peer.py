"""A PyTorch contestant of `convoy bench engine`.

    pytorch_peer.py NETWORK float32|bfloat16 augment|plain eager|compile process|ddp

Prints the parameter count, then for each line on standard input (a number of steps) the seconds of each step, as JSON.
process: one process with a thread per core. ddp: DistributedDataParallel over gloo, one process of one thread per core.
"""

import json
import os
import socket
import subprocess
import sys
import time

import torch
import torch.distributed as dist
import torch.nn.functional as F

from pytorch_augmentation import augment
from pytorch_networks import build

BATCH = 128
IMAGES = 42_000

name, precision, augmentation, mode, processes = sys.argv[1:6]
world = len(os.sched_getaffinity(0)) if processes == "ddp" else 1
rank = int(os.environ.get("PEER_RANK", "0"))
if world > 1 and rank == 0:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        os.environ["MASTER_PORT"] = str(probe.getsockname()[1])
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    for other in range(1, world):
        subprocess.Popen([sys.executable, *sys.argv], env={**os.environ, "PEER_RANK": str(other)}, stdin=subprocess.DEVNULL)
torch.set_num_threads(1 if world > 1 else len(os.sched_getaffinity(0)))
torch.manual_seed(rank)
if world > 1:
    dist.init_process_group("gloo", rank=rank, world_size=world)

pixels = torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8).to(memory_format=torch.channels_last)
labels = torch.randint(0, 10, (IMAGES,))
model = build(name).to(memory_format=torch.channels_last)
parameters = sum(p.numel() for p in model.parameters())
if mode == "compile":
    model = torch.compile(model)
if world > 1:
    model = torch.nn.parallel.DistributedDataParallel(model)
optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)
share = BATCH // world


def step():
    samples = torch.randint(0, IMAGES, (share,))
    images = pixels[samples].float() / 255
    if augmentation == "augment":
        images = augment(images)
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        loss = F.cross_entropy(model(images).float(), labels[samples])
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def measure(steps):
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return times


def main():
    if rank == 0:
        print(json.dumps({"parameters": parameters, "version": torch.__version__}), flush=True)
    while True:
        line = sys.stdin.readline() if rank == 0 else ""
        steps = torch.tensor([int(line) if line.strip() else 0])
        if world > 1:
            dist.broadcast(steps, 0)
        if steps.item() == 0:
            break
        times = measure(int(steps.item()))
        if rank == 0:
            print(json.dumps({"seconds": times}), flush=True)
    if world > 1:
        dist.destroy_process_group()


main()
