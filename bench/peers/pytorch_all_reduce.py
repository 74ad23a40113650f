"""A contestant of `convoy bench exchange`: gloo's all-reduce of a float32 vector, alone.

    pytorch_all_reduce.py FLOATS PROCESSES

Prints the version, then for each line on standard input (a number of steps) the seconds of each all-reduce, as JSON.
Each process has one thread. The sum is in place, and no optimizer follows.
"""

import json
import os
import socket
import subprocess
import sys
import time

import torch
import torch.distributed as dist

floats, world = int(sys.argv[1]), int(sys.argv[2])
rank = int(os.environ.get("PEER_RANK", "0"))
if rank == 0:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        os.environ["MASTER_PORT"] = str(probe.getsockname()[1])
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    for other in range(1, world):
        subprocess.Popen([sys.executable, *sys.argv], env={**os.environ, "PEER_RANK": str(other)}, stdin=subprocess.DEVNULL)
torch.set_num_threads(1)
dist.init_process_group("gloo", rank=rank, world_size=world)
# Zeros: sums of sums stay finite.
vector = torch.zeros(floats)


def measure(steps):
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        dist.all_reduce(vector)
        times.append(time.perf_counter() - start)
    return times


def main():
    if rank == 0:
        print(json.dumps({"version": torch.__version__}), flush=True)
    while True:
        line = sys.stdin.readline() if rank == 0 else ""
        steps = torch.tensor([int(line) if line.strip() else 0])
        dist.broadcast(steps, 0)
        if steps.item() == 0:
            break
        times = measure(int(steps.item()))
        if rank == 0:
            print(json.dumps({"seconds": times}), flush=True)
    dist.destroy_process_group()


main()
