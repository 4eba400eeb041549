# SPDX-License-Identifier: MIT
"""gdb's view of libhakmem: what an address belongs to, and what the heap holds.

    (gdb) source hakmem.py
    (gdb) hak block POINTER

Everything is read and nothing called, so that a core serves as well as a process. What is known
of the library's structures is what its debugging symbols say; macros they do not have.
"""
import collections
import functools
import itertools
import re
import types

import gdb
import gdb.printing

GRANULE_SHIFT = 16  # HAK_GRANULE_SHIFT
FIELD = NO_BLOCK = 0x1FFF  # HAK_SLAB_FIELD, HAK_SLAB_NO_BLOCK
LINK_SPREAD = 0x9E376001  # HAK_LINK_SPREAD
NOBODY = 1  # the owner that a thread without a heap writes
SAMPLED = 0x7FFFFF  # HAK_OWNER_SAMPLED
BIN_MAX = 16384  # HAK_BIN_CAPACITY_MAX
LIST_MAX = 1 << 18  # more than there are of heaps, or of chunks of SuperSlabs

View = collections.namedtuple("View", "head free carved state class_idx tag")


class Broken(Exception):
    """A list of free blocks that leads astray."""


def is_on(links, number):
    try:
        return number in links
    except Broken:
        return False


def view_of(slab):
    """What a slab's word says, as slab_freelist_view."""
    word = int(slab["freelist_word"])
    counts = (word >> shift & FIELD for shift in (0, 13, 26))
    return View(*counts, word >> 39 & 7, word >> 42 & 63, word >> 48)


def length(array):
    return array.type.range()[1] + 1


def at(address, type):
    """The value of a type at an address."""
    return gdb.Value(address).cast(type.pointer()).dereference()


def where(record):
    return f"{int(record.address):#x}"


def cached_in(heap, class_idx):
    """How many blocks a bin has; none if it cannot be one."""
    count = int(heap["top"][class_idx] - heap["base"][class_idx])
    return count if 0 <= count <= BIN_MAX else 0


def page_size():
    """Of the process, which may be a core from another machine."""
    found = re.search(r"AT_PAGESZ.*?(\d+)$", gdb.execute("info auxv", False, True), re.MULTILINE)
    return int(found.group(1)) if found else 4096


def records(first, link, kind):
    """The records of a list of pointers; where it is broken it ends, and that is printed."""
    seen = {0}
    while int(first) not in seen and len(seen) <= LIST_MAX:
        seen.add(int(first))
        yield first.dereference()
        first = first[link]
    if int(first) != 0:
        fault = "which is on it already" if int(first) in seen else "which is one too many"
        print(f"list broken: {kind} number {len(seen) - 1} leads to {int(first):#x}, {fault}")


def name_of_heap(heap):
    thread = "a thread" if heap["attached"] else "no thread"
    return f"heap {int(heap['id'])}, attached to {thread}"


def mix(value, key):
    """As lib/base/mix.h, where there are 128 bits."""
    product = value * key
    return (product >> 64 ^ product) & (1 << 64) - 1


class Library:
    """One copy of the library in the process."""

    def __init__(self, objfile):
        self.objfile = objfile

    # ---- symbols ----

    def known(self, name, symbol):
        if symbol is None:
            other = "it is of another version than the commands"
            raise gdb.GdbError(f"{self.objfile.filename} has no {name}: {other}")
        return symbol

    def variable(self, name):
        return self.known(name, self.objfile.lookup_global_symbol(name)).value()

    def type(self, tag):
        symbol = self.objfile.lookup_static_symbol(tag, gdb.SYMBOL_STRUCT_DOMAIN)
        return self.known(tag, symbol).type

    def constant(self, name):
        return int(self.known(name, self.objfile.lookup_static_symbol(name)).value())

    def code(self, name):
        return self.constant("HAK_CODE_" + name)

    def state_name(self, enum, prefix, state):
        for field in self.type(enum).fields():
            if field.enumval == state:
                return field.name[len(prefix) :]
        return f"state {state}"

    # ---- the page map ----

    def pointer(self, number):
        """A number as a pointer has it."""
        return number & (1 << 8 * self.variable("hak__heaps").type.sizeof) - 1

    def map_begin(self):
        """HAK_MAP_BEGIN"""
        return 64 << 20 if self.variable("hak__heaps").type.sizeof > 4 else 0

    def place(self, address):
        """Indices of root and leaf, and how many the latter has."""
        size = length(self.variable("hak__pagemap")["none"])
        return divmod(address - self.map_begin() >> GRANULE_SHIFT, size) + (size,)

    def leaf(self, root):
        """None where the map has no leaf, and beyond its end."""
        pagemap = self.variable("hak__pagemap")
        distance = int(pagemap["root"][root]) if 0 <= root < length(pagemap["root"]) else 0
        if distance == 0:
            return None
        none = int(pagemap["none"].address)
        return at(self.pointer(none + 4 * distance), self.type("hak_pagemap_leaf"))

    def word(self, address):
        """The owner and the code of a granule."""
        root, index, _ = self.place(address)
        leaf = self.leaf(root)
        word = int(leaf["word"][index]) if leaf is not None else 0
        return word >> self.constant("HAK_OWNER_SHIFT"), word & 0xFF

    def record(self, address, tag):
        root, index, _ = self.place(address)
        return at(int(self.leaf(root)["record"][index]), self.type(tag))

    def piece(self, granule):
        """The start of the piece of a mapping in which a granule lies, as the page map has it, or None."""
        inside = self.code("INSIDE")
        for level in range(self.constant("HAK_INSIDE_LEVELS")):
            start = granule >> level << level
            code = self.word(start << GRANULE_SHIFT)[1]
            if code != self.code("NONE"):
                return start if inside + level <= code < inside + self.constant("HAK_INSIDE_LEVELS") else None
        return None

    def first_granule(self, address):
        """The address of the first granule of what covers an address."""
        granule = address >> GRANULE_SHIFT
        while (start := self.piece(granule)) is not None:
            granule = start - 1
        return granule << GRANULE_SHIFT

    def first_other(self, address):
        """The next granule below whose word differs from the address's own, or None."""
        root, index, size = self.place(address)
        word, leaf = None, self.leaf(root)
        read = gdb.selected_inferior().read_memory
        while leaf is not None:
            words = bytes(read(int(leaf["word"].address), 4 * (index + 1)))
            word = word or words[-4:]
            for i in range(index, -1, -1):
                if words[4 * i : 4 * i + 4] != word:
                    return (root * size + i << GRANULE_SHIFT) + self.map_begin()
            root, index = root - 1, size - 1
            leaf = self.leaf(root)
        return None

    def span_at(self, address):
        """The code and the record of the span that covers an address, or None."""
        first = self.first_granule(address)
        if self.word(first)[1] == self.code("SPAN_INSIDE"):
            first = self.first_other(first)
        code = self.word(first)[1] if first is not None else 0
        if all(code != self.code(name) for name in ("LARGE", "HUGE", "SPAN_FREE")):
            return None
        span = self.record(first, "hak_span")
        size = max(int(span["size"]), int(span["units"]) << GRANULE_SHIFT)
        return (code, span) if 0 <= address - int(span["base"]) < size else None

    # ---- the starter ----

    def in_starter(self, address):
        return self.word(address)[1] == self.constant("HAK_CODE_STARTER")

    def starter_kinds(self):
        starter = self.variable("hak__starter")
        if int(starter) == 0:
            return b""
        kind = starter.dereference()["kind"]
        return bytes(gdb.selected_inferior().read_memory(int(kind.address), length(kind)))

    def starter_block(self, address):
        kinds, freed = self.starter_kinds(), self.constant("HAK_STARTER_FREED")
        info = self.variable("hak__class_info")
        places = int(info[0]["size"])  # bytes of one
        base = int(self.record(address, "TinySlabMeta")["base"])
        place = (address - base) // places
        first = next((i for i in range(min(place, len(kinds) - 1), -1, -1) if kinds[i] != 0), None)
        class_idx = (kinds[first] & ~freed) - 1 if first is not None else 0
        size = int(info[class_idx]["size"])
        if first is None or (place - first) * places >= size:
            return f"{address:#x} is in the starter, where no block was handed out yet."
        block = base + first * places
        state = "live" if kinds[first] & freed == 0 else "free; its place is not used again"
        return [
            ("block", f"{block:#x}, {size} bytes usable, offset {address - block}"),
            ("kind", f"small, class {class_idx} ({size} bytes)"),
            ("state", state),
            ("slab", f"{where(self.record(address, 'TinySlabMeta'))}, the starter"),
            ("owner", self.owner(0)),
        ]

    # ---- slabs ----

    def class_at(self, address):
        """The class of the slab at an address, or None."""
        code = self.word(address)[1]
        return code - 1 if 1 <= code <= self.constant("HAK_CLASS_COUNT") else None

    def supers(self):
        for chunk in records(self.variable("hak__super_chunks").address, "next", "chunk"):
            for number in range(length(chunk["member"])):
                member = chunk["member"][number]
                if int(member) == 0:
                    return
                yield member.dereference()

    def slab_record(self, address):
        """The slab whose record has the address, or None."""
        for each in self.supers():
            slabs = each["slabs"]
            slot = (address - int(slabs.address)) // slabs[0].type.sizeof
            if 0 <= slot < length(slabs):
                return slabs[slot]
        return None

    def links(self, slab, number, carved):
        """Numbers of blocks, from link to link."""
        key = int(slab["link_key"])
        seen = set()
        before = "it begins with"
        while number != NO_BLOCK:
            if number >= carved:
                raise Broken(f"{before} no block that was handed out")
            if number in seen:
                raise Broken(f"{before} block {number}, which is on it already")
            seen.add(number)
            yield number
            before = f"block {number} leads to"
            block = int(slab["base"]) + number * int(slab["size"])
            link = int(at(block, slab["size"].type)) ^ mix(block, key) >> 16 & 0xFFFFFFFF
            number = link & NO_BLOCK
            if number * LINK_SPREAD & 0xFFFFFFFF != link:
                number = LINK_SPREAD  # no link, and no block's number

    def free_list(self, slab):
        view = view_of(slab)
        return self.links(slab, view.head, view.carved)

    def in_hole(self, slab, number):
        """Whether a page under a block has gone back to the system; slab_pages.h has the bits."""
        if int(slab["holes"]) == 0:
            return False
        size, page = int(slab["size"]), max(page_size(), 4096)
        first = slab.address
        for at_page in range(number * size // page, ((number + 1) * size - 1) // page + 1):
            slot, bit = divmod(at_page * page, 1 << GRANULE_SHIFT)
            if not int(first[slot]["pages"]) >> bit // page & 1:
                return True
        return False

    def slab_state(self, view):
        return self.state_name("slab_state", "SLAB_", view.state)

    # ---- heaps ----

    @functools.cached_property  # a command that uses it twice says once that it is broken
    def heaps(self):
        return list(records(self.variable("hak__heaps"), "older", "heap"))

    def chains(self, heap):
        chains = (heap["chains"][i] for i in range(length(heap["chains"])))
        return (chain for chain in chains if int(chain["slab"]) != 0)

    def parcels(self, heap):
        """Of all parcels with freed blocks that the heap sends or gets: what it is, and the parcel."""
        outboxes = heap["outboxes"]
        for i in range(length(outboxes.dereference()) if int(outboxes) != 0 else 0):
            outbox = outboxes.dereference()[i]
            if int(outbox["parcel"]) != 0:
                yield f"gathered by heap {int(heap['id'])} for heap {int(outbox['owner'])}", outbox["parcel"]
        parcel = heap["inbox"]
        full = int(heap["mailbox"]["full"])
        lists = [parcel]
        if full != self.constant("HAK_MAIL_CLOSED"):
            lists.append(gdb.Value(full).cast(parcel.type))
        for first in lists:
            for each in records(first, "next", "parcel"):
                yield f"in the mail of heap {int(heap['id'])}", each

    def owner(self, number):
        if number in (0, NOBODY):
            return ("none", "a thread without a heap")[number]
        if number == SAMPLED:
            return "the heap profiler"
        names = [name_of_heap(heap) for heap in self.heaps if int(heap["id"]) == number]
        return names[0] if names else f"heap {number}, of which there is no record"

    # ---- blocks ----

    def is_marked(self, block):
        """Whether a block says itself that it is free."""
        secret = self.variable("hak__heap_secret")
        return int(at(block + 8, secret.type)) == mix(block, int(secret))

    def holder(self, slab, number, block):
        """Who has a block that is free, or None."""
        view = view_of(slab)
        if is_on(self.free_list(slab), number):
            return "on its slab's list"
        for heap in self.heaps:
            first = heap["base"][view.class_idx]
            if any(int(first[i]) == block for i in range(cached_in(heap, view.class_idx))):
                return f"in the cache of heap {int(heap['id'])}"
            for chain in self.chains(heap):
                if int(chain["slab"]) != int(slab.address):
                    continue
                links = self.links(slab, int(chain["first"]), view.carved)
                if is_on(itertools.islice(links, int(chain["count"])), number):
                    return f"in a chain of heap {int(heap['id'])}, on its way to the slab"
            for where, parcel in self.parcels(heap):
                if any(int(parcel["block"][i]) == block for i in range(int(parcel["count"]))):
                    return where
        return None

    def small_state(self, slab, number, block):
        if number >= view_of(slab).carved:
            return "free, never handed out"
        if self.in_hole(slab, number):
            return "free, on a page that went back to the system"
        holder = self.holder(slab, number, block)
        marked = self.is_marked(block)
        if holder is None:
            return "free, by its mark" if marked else "live"
        wrong = "" if marked else "; its mark is gone: something has written to it since"
        return f"free, {holder}{wrong}"

    def large_state(self, block):
        for heap in self.heaps:
            for i in range(length(heap["cached_spans"])):
                kept = heap["cached_spans"][i]
                if int(kept["units"]) != 0 and int(kept["block"]) == block:
                    return f"free, in the span cache of heap {int(heap['id'])}"
        return "live"

    def small_block(self, address, class_idx):
        info = self.variable("hak__class_info")[class_idx]
        size, shift, capacity = (int(info[f]) for f in ("size", "slab_shift", "capacity"))
        base = address >> shift << shift
        number, offset = divmod(address - base, size)
        slab = self.record(address, "TinySlabMeta")
        if number >= capacity:
            return f"{address:#x} is behind the last block of slab {where(slab)}."
        block = base + number * size
        return [
            ("block", f"{block:#x}, {size} bytes usable, offset {offset}"),
            ("kind", f"small, class {class_idx} ({size} bytes)"),
            ("state", self.small_state(slab, number, block)),
            ("slab", f"{where(slab)}, block {number} of {capacity}"),
            ("owner", self.owner(self.word(address)[0])),
        ]

    def large_block(self, address, code, span):
        if code == self.code("SPAN_FREE"):
            return f"{address:#x} is in free memory of the page arena: no block is there."
        block, size = int(span["base"] + span["offset"]), int(span["size"])
        if address < block:
            return f"{address:#x} is in front of the large block at {block:#x}."
        huge = code == self.code("HUGE")
        return [
            ("block", f"{block:#x}, {size} bytes usable, offset {address - block}"),
            ("kind", "huge, a mapping of its own" if huge else "large, of the page arena"),
            ("state", self.large_state(block)),
            ("span", where(span)),
        ]

    # ---- guarded blocks ----

    def guard_near(self, address):
        """As hak__guard_near: the slot whose block is nearest to an address in the slots, or None."""
        guards = self.variable("hak__guards")
        if int(guards) == 0:
            return None
        guards, gap = guards.dereference(), 1 << GRANULE_SHIFT
        number, offset = divmod(address - int(guards["start"]) + gap, int(guards["stride"]))
        numbers = [number - 1, number] if offset < gap else [number]
        slots = [guards["slots"][i] for i in numbers if 0 <= i < int(guards["count"])]
        used = [slot for slot in slots if int(slot["span"]["base"]) != 0]
        return min(used, key=lambda slot: abs(self.guard_distance(slot, address)), default=None)

    def guard_distance(self, guard, address):
        span = guard["span"]
        block = int(span["base"]) + int(span["offset"])
        end = block + int(span["asked"])
        return address - block if address < block else max(0, address - end + 1)

    def frames(self, label, stack):
        yield label, f"by thread {int(stack['thread'])}"
        for i in range(int(stack["depth"])):
            place = int(stack["frame"][i]) - 1
            symbol = re.match(r"(.*) in section", gdb.execute(f"info symbol {place}", to_string=True))
            line = gdb.find_pc_line(place)
            where = f" at {line.symtab.filename}:{line.line}" if line.symtab is not None else ""
            yield "", f"#{i} {place:#x}" + (f" in {symbol.group(1)}" if symbol else "") + where

    def guarded_block(self, guard, address):
        block, size = int(guard["span"]["base"] + guard["span"]["offset"]), int(guard["span"]["asked"])
        distance = self.guard_distance(guard, address)
        live = int(guard["word"]) % self.constant("HAK_GUARD_STATES") == self.constant("HAK_GUARD_LIVE")
        place = f"offset {address - block}"
        if distance != 0:
            place = f"{distance - 1} bytes behind its end" if distance > 0 else f"{-distance} bytes in front of its start"
        rows = [
            ("block", f"{block:#x}, {size} bytes usable, {place}"),
            ("kind", "guarded, alone between pages that are not accessible"),
            ("state", "live" if live else "free; not accessible until its slot is used again"),
            *self.frames("allocated", guard["allocated"]),
        ]
        return rows if int(guard["freed"]["depth"]) == 0 else rows + list(self.frames("freed", guard["freed"]))

    def block(self, address):
        """Rows, or a sentence, on what covers an address; None if nothing of the library does."""
        guard = self.guard_near(address)
        if guard is not None:
            return self.guarded_block(guard, address)
        class_idx = self.class_at(address)
        if class_idx is not None:
            return self.small_block(address, class_idx)
        if self.in_starter(address):
            return self.starter_block(address)
        if self.word(address)[1] == self.code("SLAB_FREE"):
            return f"{address:#x} is in an unused slot of a SuperSlab: no block is there."
        span = self.span_at(address)
        return self.large_block(address, *span) if span is not None else None

    # ---- whole slabs ----

    def list_check(self, slab):
        count, free = 0, view_of(slab).free - int(slab["holes"])
        try:
            for count, _ in enumerate(self.free_list(slab), 1):
                pass
        except Broken as broken:
            return f"broken after {count} blocks: {broken}"
        if count != free:
            return f"broken: it ends after {count} blocks, {free} are counted"
        return f"{count} blocks, as many as are counted"

    def slab_rows(self, slab):
        view = view_of(slab)
        state = self.slab_state(view)
        rows = [
            ("slab", where(slab)),
            ("SuperSlab", f"{where(slab['super'][0])}, slot {int(slab['slot'])}"),
            ("state", f"{state}, tag {view.tag}"),
        ]
        if state == "UNUSED":
            return rows
        base, bytes = int(slab["base"]), int(slab["units"]) << GRANULE_SHIFT
        head = "none" if view.head == NO_BLOCK else f"block {view.head}"
        starter = view.class_idx == self.constant("HAK_CLASS_STARTER")
        return rows + [
            ("range", f"{base:#x} to {base + bytes:#x}, {bytes >> 10} KiB"),
            ("class", f"the starter, places of {slab['size']} bytes" if starter else f"{view.class_idx} ({int(slab['size'])} bytes)"),
            ("capacity", f"{int(slab['capacity'])} blocks"),
            ("carved", f"{view.carved} blocks, {view.carved - view.free} of them out"),
            ("free", f"{view.free} blocks, head {head}"),
            ("list", self.list_check(slab)),
            ("holes", f"{int(slab['holes'])} more, on pages that went back to the system"),
            ("owner", self.owner(self.word(base)[0])),
        ]

    def slab(self, address):
        """As block(), of the slab that holds an address or whose record does."""
        free = self.word(address)[1] == self.code("SLAB_FREE")
        if self.class_at(address) is not None or free or self.in_starter(address):
            return self.slab_rows(self.record(address, "TinySlabMeta"))
        slab = self.slab_record(address)
        if slab is not None:
            return self.slab_rows(slab)
        if self.span_at(address) is not None:
            return f"{address:#x} is in memory for large blocks, where no slabs are."
        return None

    # ---- statistics ----

    def totals(self):
        for kind in ("live", "retained", "metadata"):
            yield f"{kind}_bytes", int(self.variable(f"hak__{kind}_bytes"))
        yield "superslabs", int(self.variable("hak__superslabs_in_use"))
        yield "heaps", int(self.variable("hak__heaps_in_use"))

    def counters(self):
        blocks = [heap["counters"]["value"] for heap in self.heaps]
        blocks.append(self.variable("hak__counters_shared")["value"])
        requested = sum((int(heap["requested_end"]) - int(heap["until_sample"])) % (1 << 64) for heap in self.heaps)
        for field in self.type("hak_counter").fields():
            if field.enumval < length(blocks[0]):
                name = field.name[len("HAK_COUNTER_") :].lower()
                name = {"stage1": "stage1_lockfree", "stage2": "stage2_lockfree"}.get(name, name)
                of_heaps = requested if name == "requested_bytes" else 0
                yield name, of_heaps + sum(int(block[field.enumval]) for block in blocks)

    def classes(self):
        """Of each class slabs, blocks out, cached, batched, live, of these in the starter, and capacity."""
        info, count = self.variable("hak__class_info"), self.constant("HAK_CLASS_COUNT")
        slabs, out, cached, batched = (collections.Counter() for _ in range(4))
        current = self.constant("SLAB_CURRENT")
        for each in self.supers():
            for slot in range(length(each["slabs"])):
                view = view_of(each["slabs"][slot])
                if view.state >= current and view.class_idx < count:
                    slabs[view.class_idx] += 1
                    out[view.class_idx] += view.carved - view.free
        started = collections.Counter(kind - 1 for kind in self.starter_kinds() if 0 < kind <= count)
        out += started
        for heap in self.heaps:
            for i in range(count):
                cached[i] += cached_in(heap, i)
            for chain in self.chains(heap):
                batched[int(chain["slab"]["class_idx"])] += int(chain["count"])
            for _, parcel in self.parcels(heap):
                for i in range(int(parcel["count"])):
                    batched[int(parcel["class_idx"][i])] += 1
        for i in range(count):
            if slabs[i] != 0 or started[i] != 0:
                size, capacity = int(info[i]["size"]), slabs[i] * int(info[i]["capacity"]) + started[i]
                live = out[i] - cached[i] - batched[i]
                yield i, size, slabs[i], out[i], cached[i], batched[i], live, started[i], capacity

    def statistics(self):
        yield f"hakmem statistics of {self.objfile.filename}"
        for label, value in self.totals():
            yield f"  {label:<24}{value}"
        yield "counters"
        for label, value in self.counters():
            yield f"  {label:<24}{value}"
        row = "  {:>5}{:>8}{:>8}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}"
        yield "classes (out = cached + batched + live)"
        yield row.format("class", "size", "slabs", "out", "cached", "batched", "live", "starter", "capacity")
        for values in self.classes():
            yield row.format(*values)

# ---- the libraries of the process ----

def library_in(objfile):
    """The copy in an object file, if it has one with symbols, or None."""
    found = objfile.is_valid() and objfile.lookup_global_symbol("hak__pagemap")
    return Library(objfile) if found else None


def symbols_missing():
    """What to say where no symbols of the library are found."""
    try:
        place = gdb.execute("info address hak_malloc", to_string=True)
    except gdb.error:
        place = ""
    address = re.search("0x[0-9a-f]+", place)
    if address is None:
        return "this process has no libhakmem, or has it in a program without symbols"
    file = gdb.solib_name(int(address.group(), 16))
    if file is None:
        program = gdb.current_progspace().filename
        return f"{program} was linked to an archive of libhakmem that has no debugging symbols"
    debug = "-debug" if "hakmem-debug." in file else ""
    ids = [each.build_id for each in gdb.objfiles() if each.filename == file and each.build_id]
    return (
        f"{file} has no debugging symbols: install libhakmem1{debug}-dbgsym (Debian) or "
        f"hakmem{debug}-libs-debuginfo (RPM), or give gdb those of the build ID "
        + (ids[0] if ids else "that it has")
    )


def libraries():
    if gdb.selected_inferior().pid == 0:
        raise gdb.GdbError("there is no process and no core to look into")
    found = [library_in(each) for each in gdb.objfiles() if each.owner is None]
    found = list(filter(None, found))
    if not found:
        raise gdb.GdbError(symbols_missing())
    return found

# ---- commands ----

def address_of(expression):
    value = gdb.parse_and_eval(expression)
    if value.type.strip_typedefs().code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
        value = value.referenced_value()
    code = value.type.strip_typedefs().code
    if code in (gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_FUNC):
        value = value.address
    elif code not in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_INT, gdb.TYPE_CODE_ENUM):
        raise gdb.GdbError(f"'{expression}' is no address: its type is {value.type}")
    return int(value)


class HakCommand(gdb.Command):
    """Look into the heap of libhakmem, in a process or a core."""

    def __init__(self, name, *more):
        super().__init__(name, gdb.COMMAND_DATA, *more)
        self.name = name


class HakSubcommand(HakCommand):
    def invoke(self, argument, from_tty):
        try:
            for line in self.answer(argument.strip()):
                print(line)
        except (gdb.error, gdb.GdbError) as error:
            raise gdb.GdbError(f"{self.name}: {error}")


class HakOfAddress(HakSubcommand):
    def answer(self, argument):
        if not argument:
            raise gdb.GdbError(f"of which address? See 'help {self.name}'")
        found = libraries()
        address = found[0].pointer(address_of(argument))
        for library in found:
            answer = self.ask(library, address)
            if isinstance(answer, str):
                return [answer]
            if answer is not None:
                return [f"{label:<10}{text}" for label, text in answer]
        return [f"{address:#x} is in no {self.thing} of libhakmem."]


class HakBlock(HakOfAddress):
    """Tell which block an address belongs to: hak block EXPRESSION
Its start and size, kind and class, whether it is live or free and who has it if it is free,
its slab, and the heap that owns the slab."""

    thing = "block"
    ask = staticmethod(Library.block)


class HakSlab(HakOfAddress):
    """Tell which slab an address belongs to: hak slab EXPRESSION
The address is in the slab or in its record, a TinySlabMeta. The list of free blocks is followed
and compared with its count."""

    thing = "slab"
    ask = staticmethod(Library.slab)


class HakStats(HakSubcommand):
    """Show totals, counters, and what each size class has: hak stats"""

    def answer(self, argument):
        if argument:
            raise gdb.GdbError("takes no argument")
        return itertools.chain.from_iterable(each.statistics() for each in libraries())

# ---- printers ----

def view_text(library, view):
    head = "none" if view.head == NO_BLOCK else view.head
    return (
        f"{library.slab_state(view)}, class {view.class_idx}, {view.carved} carved, "
        f"{view.free} free, head {head}, tag {view.tag}"
    )


def print_view(library, value):
    return view_text(library, View(*(int(value[field]) for field in View._fields)))


def print_slab(library, value):
    base, capacity, size = (int(value[field]) for field in ("base", "capacity", "size"))
    word = view_text(library, view_of(value))
    return f"slab at {base:#x}, {capacity} blocks of {size} bytes: {word}"


def print_span(library, value):
    base, units, size = (int(value[field]) for field in ("base", "units", "size"))
    state = library.state_name("hak_span_state", "HAK_SPAN_", int(value["state"]))
    dirty = ", dirty" if value["dirty"] else ""
    end = base + (units << GRANULE_SHIFT)
    return f"span {base:#x} to {end:#x}, {units} granules, {size} bytes usable: {state}{dirty}"


def print_heap(_, value):
    cached = sum(cached_in(value, i) for i in range(length(value["top"])))
    return f"{name_of_heap(value)}, {cached} cached blocks"


def add_printers(objfile):
    """Shows records as lines of text."""
    library = library_in(objfile)
    if library is None:
        return
    printers = gdb.printing.RegexpCollectionPrettyPrinter("hakmem")
    for tag, text in (
        ("TinySlabMeta", print_slab),
        ("slab_view", print_view),
        ("hak_span", print_span),
        ("hak_heap", print_heap),
    ):
        show = lambda it, text=text: types.SimpleNamespace(to_string=lambda: text(library, it))
        printers.add_printer(tag, f"^{tag}$", show)
    gdb.printing.register_pretty_printer(objfile, printers, replace=True)


HakCommand("hak", gdb.COMPLETE_COMMAND, True)
HakBlock("hak block", gdb.COMPLETE_EXPRESSION)
HakSlab("hak slab", gdb.COMPLETE_EXPRESSION)
HakStats("hak stats")

if "hak_new_objfile" in globals():  # this file was read before
    gdb.events.new_objfile.disconnect(hak_new_objfile)


def hak_new_objfile(event):
    add_printers(event.new_objfile.owner or event.new_objfile)


gdb.events.new_objfile.connect(hak_new_objfile)
for each_objfile in gdb.objfiles():
    add_printers(each_objfile.owner or each_objfile)
