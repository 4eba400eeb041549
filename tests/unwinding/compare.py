# SPDX-License-Identifier: MIT
# For gdb: stops where the profiler records a block, and compares the frames that it has found with
# gdb's own. Variables of the environment: STOPS, after how many comparisons the program is left alone.
import os
import struct

import gdb

MOST = 128
TOLD = 5
OWN = 8
NO_FUNCTION = "(none)"
# not on the stack: what was inlined, and what has called on by a jump
NOT_THERE = (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME)


def is_own(pc):
    name = gdb.solib_name(pc)
    return name is not None and "libhakmem" in name


def frames_of_gdb():
    found = []
    frame = gdb.newest_frame()
    interrupted = False
    while frame is not None and len(found) < MOST + 16:
        if frame.type() not in NOT_THERE:
            found.append(frame.pc() + interrupted)
            interrupted = frame.type() == gdb.SIGTRAMP_FRAME
        frame = frame.older()
    return found


def frames_of_profile():
    block = gdb.parse_and_eval("(struct hak_profile_block *)$rdi").dereference()
    depth = int(block["depth"])
    data = gdb.selected_inferior().read_memory(int(block["frames"]), depth * 8).tobytes()
    return list(struct.unpack("<%dQ" % depth, data))


def name(pc):
    if pc == 0:
        return NO_FUNCTION
    try:
        block = gdb.block_for_pc(pc - 1)
        while block is not None and block.function is None:
            block = block.superblock
        if block is not None and block.function is not None:
            return block.function.name
    except RuntimeError:
        pass
    symbol = gdb.execute("info symbol %d" % (pc - 1), to_string=True)
    return NO_FUNCTION if symbol.startswith("No symbol") else symbol.split(" in section")[0].strip()


def text(who, frames):
    return "\n".join(["  %s:" % who] + ["    %#x %s" % (pc, name(pc)) for pc in frames])


class Recorded(gdb.Breakpoint):
    def __init__(self):
        super().__init__("*hak__profile_add", gdb.BP_BREAKPOINT, internal=True)
        self.stacks = self.frames = self.differ = 0
        self.told = []

    def stop(self):
        profile, own = frames_of_profile(), frames_of_gdb()
        while own and is_own(own[0]):
            own.pop(0)
        # the library is part of the program: its own calls lead to different places in front
        common = [pc for pc in own[:OWN] if pc in profile[:OWN]]
        if common:
            profile, own = profile[profile.index(common[0]) :], own[own.index(common[0]) :]
        # where there are no tables gdb guesses on
        if profile and name(profile[-1]) == NO_FUNCTION:
            own = own[: len(profile)]
        while len(own) > len(profile) and name(own[-1]) == NO_FUNCTION:
            own.pop()
        cut = len(profile) + OWN >= MOST
        if profile == (own[: len(profile)] if cut else own):
            self.stacks += 1
            self.frames += len(profile)
        else:
            self.differ += 1
            if self.differ <= TOLD:
                self.told += ["other frames:", text("profile", profile), text("gdb", own)]
        return self.stacks + self.differ >= int(os.environ.get("STOPS", "100000"))


for setting in (
    "pagination off",
    "confirm off",
    "startup-with-shell off",
    "disable-randomization off",
    "backtrace past-main on",
    "backtrace past-entry on",
    "print thread-events off",
):
    gdb.execute("set " + setting)
for signal in ("SIGUSR1", "SIGUSR2", "SIGSEGV", "SIGFPE", "SIGPIPE", "SIGILL"):
    gdb.execute("handle %s nostop noprint pass" % signal, to_string=True)
def is_there():
    try:
        gdb.parse_and_eval("hak__profile_add")
    except gdb.error:
        return False
    return True


# a library has symbols when it is loaded
recorded = Recorded() if is_there() else None
gdb.execute("set stop-on-solib-events %d" % (recorded is None))
gdb.execute("run", to_string=True)
while recorded is None:
    if is_there():
        recorded = Recorded()
        gdb.execute("set stop-on-solib-events 0")
    gdb.execute("continue", to_string=True)
if gdb.selected_inferior().pid != 0:
    gdb.execute("kill", to_string=True)
print("\n".join(recorded.told))
print("gdb: %d stacks, %d frames, %d differ" % (recorded.stacks, recorded.frames, recorded.differ))
