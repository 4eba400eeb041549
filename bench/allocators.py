# SPDX-License-Identifier: MIT
"""The allocators that bench/compare, bench/instructions and tools/dev/run-demo run programs on."""

import glob
import os
import shutil
import stat
import struct
import subprocess
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


def preloadable(path):
    """The path, which LD_PRELOAD must be able to carry: the loader splits it at these."""
    if ":" in path or any(character.isspace() for character in path):
        stop("LD_PRELOAD cannot carry the path '%s', which contains a space or a colon" % path)
    return path


def is_static(path):
    """Whether a file is an ELF program without an interpreter."""
    with open(path, "rb") as file:
        head = file.read(64)
        if head[:4] != b"\x7fELF":
            return False
        order = "<" if head[5] == 1 else ">"
        wide = head[4] == 2
        (start,) = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)
        size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
        for number in range(count):
            file.seek(start + number * size)
            if struct.unpack(order + "I", file.read(4))[0] == 3:  # PT_INTERP
                return False
    return True


def obstacle(library, program):
    """Why a preloaded library does not come into a program, or None where it does."""
    path = shutil.which(program)
    if path is None:
        return None  # running it will tell
    with open(path, "rb") as file:
        first = file.readline(256)
    if first.startswith(b"#!"):
        path = os.fsdecode(first[2:].split()[0])
    if os.stat(path).st_mode & (stat.S_ISUID | stat.S_ISGID):
        return "%s is a set-user-ID program" % path
    if is_static(path):
        return "%s is statically linked" % path
    # the loader lists what it would load, and runs nothing
    environment = dict(os.environ, LD_PRELOAD=library, LD_TRACE_LOADED_OBJECTS="1")
    listed = subprocess.run(
        [path],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        errors="replace",
        check=False,
    ).stdout
    lines = listed.splitlines()
    if any(line.strip().startswith(library + " ") for line in lines):
        return None
    return next((line for line in lines if "ld.so" in line), "the loader does not load it")


def check_loaded(allocators, program="cat"):
    """Ends unless the loader loads each of the libraries into the program."""
    for name, library in allocators.items():
        reason = obstacle(preloadable(library), program) if library else None
        if reason:
            stop("%s is not loaded into %s: %s" % (name, program, reason))
