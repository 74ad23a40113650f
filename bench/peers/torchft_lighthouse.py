"""The lighthouse of torchft for `convoy bench faults`, with the values of its README. Writes its address to a file.

    torchft_lighthouse.py FILE
"""

import os
import sys

from torchft.coordination import LighthouseServer

server = LighthouseServer(bind="127.0.0.1:0", min_replicas=1, quorum_tick_ms=100, join_timeout_ms=10_000)
with open(f"{sys.argv[1]}.new", "w") as file:
    file.write(server.address())
os.replace(f"{sys.argv[1]}.new", sys.argv[1])
# Until the benchmark closes it.
sys.stdin.read()
