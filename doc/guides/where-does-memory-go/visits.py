#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the visits of a shop's customers in redis, and forgets those who stay away for a minute.

visits.py SOCKET [--fixed] [--rate N] [--seconds N]

This is the program of where-does-memory-go.md: it makes a redis server grow. With --fixed it does not.
"""
import argparse
import socket
import time

COUNT = """
local visits = redis.call('INCR', 'visits:{customer}')
redis.call('EXPIRE', 'visits:{customer}', 60)
return visits
"""

COUNT_FIXED = """
local visits = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], 60)
return visits
"""


def call(redis, *words):
    request = b"*%d\r\n" % len(words)
    for word in words:
        request += b"$%d\r\n%s\r\n" % (len(word), word.encode())
    redis.sendall(request)
    return redis.recv(4096)


def count_visit(redis, customer):
    return call(redis, "EVAL", COUNT.format(customer=customer), "0")


def count_visit_fixed(redis, customer):
    return call(redis, "EVAL", COUNT_FIXED, "1", f"visits:{customer}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("--fixed", action="store_true")
    parser.add_argument("--rate", type=float, default=2000, help="visits in a second")
    parser.add_argument("--seconds", type=float, default=600)
    options = parser.parse_args()
    count = count_visit_fixed if options.fixed else count_visit
    redis = socket.socket(socket.AF_UNIX)
    redis.connect(options.socket)
    start = time.monotonic()
    first_customer = time.time_ns()
    visits = 0
    while (seconds := time.monotonic() - start) < options.seconds:
        while visits < seconds * options.rate:
            reply = count(redis, first_customer + visits)
            if not reply.startswith(b":"):
                raise SystemExit(f"redis says {reply!r}")
            visits += 1
        time.sleep(0.01)


if __name__ == "__main__":
    main()
