# SPDX-License-Identifier: MIT
# Uses more and more memory, in small objects of Python.
import time
seen = {}
i = 0
while True:
    for _ in range(2000):
        seen[i] = ("customer", i, f"visited at {i}")
        i += 1
    time.sleep(0.05)
