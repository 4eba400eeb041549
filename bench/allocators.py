# SPDX-License-Identifier: MIT
"""The allocators that bench/compare and bench/instructions run programs on."""

import glob
import os
import sys

OURS = "hakmem"
LIMIT = "limit"  # a yardstick, no peer
SYSTEM = "glibc"  # nothing preloaded
PEERS = {
    "jemalloc": "libjemalloc.so.2",
    "tcmalloc": "libtcmalloc_minimal.so.4",
    "mimalloc": "libmimalloc.so.2",
}


def stop(message):
    """Ends for a wrong argument or a missing file."""
    print("%s: %s" % (os.path.basename(sys.argv[0]), message), file=sys.stderr)
    sys.exit(2)


def find_library(name):
    directories = ["/usr/lib", *sorted(glob.glob("/usr/lib/*-linux-gnu*")), "/usr/lib64"]
    paths = (os.path.join(directory, name) for directory in directories)
    return next(filter(os.path.exists, paths), None)


def find_peers(names=None):
    """Name -> path of the installed peers, of those in `names` if it is given."""
    found = {SYSTEM: ""}
    found.update({name: find_library(library) for name, library in PEERS.items()})
    found = {name: path for name, path in found.items() if path is not None}
    if names is None:
        return found
    for name in names:
        if name not in found:
            known = "is not installed" if name in PEERS else "is not a known peer"
            stop("peer '%s' %s; here: %s" % (name, known, ", ".join(found)))
    return {name: found[name] for name in names}


def take_given(arguments):
    """The NAME=PATH among the arguments as a dictionary, and the other arguments."""
    given, others = {}, []
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if not equals:
            others.append(argument)
        elif not name or name in given or name in (OURS, LIMIT, SYSTEM, *PEERS):
            stop("'%s': the name is taken or empty" % argument)
        else:
            given[name] = present(os.path.abspath(path))
    return given, others


def present(path):
    """The path of a file, which must be there."""
    if not os.path.isfile(path):
        stop("there is no %s" % path)
    return path
