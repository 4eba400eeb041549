#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads what hakmem map writes, and fails where it is not as it should be: map.py KIND ARGUMENT ...

core JSON JSON                         the maps of a process and of its core
known JSON STAT SVG FULL HALF SINGLE   the map of a heap with so many slabs
large SVG                              a picture of a large heap
text WIDTH COMMAND ...                 what a command draws in a terminal of this width
form --text|--svg|--json FILE          that it is of this form"""

import collections
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import xml.etree.ElementTree as ElementTree

SPACE = "{http://www.w3.org/2000/svg}"
PARTS = ["allocated", "cached", "slab_free", "retained", "metadata", "file", "other"]
MIB = 1 << 20


def fail(text):
    sys.exit(f"map.py: {text}")


# ---- forms ------------------------------------------------------------------

def read_json(path):
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    end = 0
    for part in found["parts"]:
        if part["address"] < end or part["address"] % 65536 or part["bytes"] <= 0:
            fail(f"a part where another one is, or that begins nowhere: {part}")
        end = part["address"] + part["bytes"]
        if not part["allocated_rss_bytes"] + part["cached_rss_bytes"] <= part["resident_bytes"] <= part["bytes"]:
            fail(f"a part with more than it has: {part}")
    process = found["process"]
    if sum(process[f"{name}_rss_bytes"] for name in PARTS) != process["rss_bytes"]:
        fail("the parts of the RSS do not add up to it")
    return found


def check_elements(root):
    allowed = {"svg", "title", "style", "rect", "text", "g", "path", "script", "defs", "pattern"}
    kinds = {element.tag.removeprefix(SPACE) for element in root.iter()}
    if kinds - allowed:
        fail(f"elements that should not be there: {kinds - allowed}")
    if len(root.findall(f".//{SPACE}script")) != 1 or root[-1].tag != f"{SPACE}script":
        fail("more than one script, or one that is not the last element")
    for element in root.iter():
        for name, value in element.items():
            if name.startswith("on") or "href" in name or "url(" in value:
                fail(f"an attribute that leads elsewhere: {name}={value}")
    width, height = float(root.get("width")), float(root.get("height"))
    for rect in root.iter(f"{SPACE}rect"):
        if rect.get("width") == "100%":
            continue
        left, top, wide, high = (float(rect.get(name, "0")) for name in ("x", "y", "width", "height"))
        if left < 0 or top < 0 or left + wide > width or top + high > height:
            fail(f"a rectangle that is not in the picture: {rect.attrib}")
    for text in root.iter(f"{SPACE}text"):
        if not 0 <= float(text.get("y")) <= height:
            fail("a text that is not in the picture")


def read_svg(path):
    """The picture, and its boxes: class, description, rectangles."""
    root = ElementTree.parse(path).getroot()
    check_elements(root)
    boxes = []
    for group in root.findall(f".//{SPACE}g"):
        kind, *key = (group.get("class") or "").split(" ")
        if kind == "box":
            boxes.append((key[0], group.find(f"{SPACE}title").text, group.findall(f"{SPACE}rect")))
    return root, boxes


# ---- a known heap -----------------------------------------------------------

def check_blocks(found, full, half, single):
    slabs = [part for part in found["parts"] if part["kind"] == "slab" and part.get("block_bytes") == 1024]
    counts = collections.Counter(part["allocated_blocks"] for part in slabs)
    for wanted, blocks in ((full, 64), (half, 32), (single, 1)):
        if not wanted <= counts[blocks] <= wanted + 2:
            fail(f"{counts[blocks]} slabs have {blocks} blocks, not {wanted}: {counts}")
    if not all(part["blocks"] == 64 and part["bytes"] == 65536 for part in slabs):
        fail("slabs of another size")
    large = [part for part in found["parts"] if part["kind"] == "large"]
    if [part["cached_blocks"] for part in large if part["cached_rss_bytes"] > 0] != [1]:
        fail(f"not the block that the thread keeps: {large}")
    if not any(part["allocated_rss_bytes"] in range(300 << 10, 330 << 10) for part in large):
        fail("no large block of 300 KiB")
    huge = [part for part in found["parts"] if part["kind"] == "huge"]
    if len(huge) != 1 or not 20 <= huge[0]["allocated_rss_bytes"] / MIB < 22 or huge[0]["bytes"] < 40 * MIB:
        fail(f"not the one huge block: {huge}")


def check_totals(found, stat):
    process = found["process"]
    for name in [f"{part}_rss_bytes" for part in PARTS] + ["rss_bytes"]:
        if abs(process[name] - stat["process"][name]) > 65536:
            fail(f"{name} is {process[name]}, but hakmem stat says {stat['process'][name]}")
    for name in ("allocated", "cached"):
        drawn = sum(part[f"{name}_rss_bytes"] for part in found["parts"])
        if drawn != process[f"{name}_rss_bytes"]:
            fail(f"{drawn} bytes are drawn as {name}, not {process[f'{name}_rss_bytes']}")


def check_legend(found, root):
    texts = [text.text for text in root.find(f".//{SPACE}g[@id='totals']").iter(f"{SPACE}text")]
    labels = ["allocated blocks", "freed blocks in thread caches", "free space in slabs", "retained for reuse",
              "metadata of libhakmem", "files and shared memory", "stacks, data, own mappings"]
    shown = [float(texts[texts.index(label) + 1]) for label in labels]
    for label, name, value in zip(labels, PARTS, shown):
        if abs(value - found["process"][f"{name}_rss_bytes"] / MIB) > 0.07:
            fail(f"the legend has {value} MiB for {label}")
    if abs(sum(shown) - float(texts[texts.index("RSS") + 1])) > 0.04:
        fail(f"the legend does not add up: {texts}")


def check_boxes(root, boxes, half, single):
    if root.find(f"{SPACE}title").text.split(" (")[0] != "Heap of a<known>":
        fail(f"this is the picture of {root.find(f'{SPACE}title').text}")
    for blocks, wanted in ((32, half), (1, single)):
        start = f"1,024-byte blocks\n{blocks} of 64 blocks allocated"
        count = sum(text.startswith(start) for _, text, _ in boxes)
        if not wanted <= count <= wanted + 2:
            fail(f"{count} boxes with {blocks} blocks, not {wanted}")
    if not any(re.match(r"huge block of 40\.0 MiB\n2[01]\.[0-9] MiB allocated, [12][0-9]\.[0-9] MiB not resident", text)
               for _, text, _ in boxes):
        fail("no huge block")
    for _, text, rects in boxes:
        if text.startswith("1,024-byte blocks\n32 of 64"):
            heights = [float(rect.get("height")) for rect in rects]
            if abs(heights[1] / heights[0] - 0.5) > 0.05:
                fail(f"a slab that is half full is drawn {heights[1]} of {heights[0]} high")


def check_known(json_path, stat_path, svg_path, *counts):
    full, half, single = map(int, counts)
    found = read_json(json_path)
    with open(stat_path, encoding="utf-8") as file:
        stat = json.load(file)
    root, boxes = read_svg(svg_path)
    check_blocks(found, full, half, single)
    check_totals(found, stat)
    check_legend(found, root)
    check_boxes(root, boxes, half, single)


def check_core(process_path, core_path):
    process, core = read_json(process_path), read_json(core_path)
    resident = [0, 0]
    if len(process["parts"]) != len(core["parts"]):
        fail("other parts")
    for one, other in zip(process["parts"], core["parts"]):
        for key in "address", "kind", "bytes", "block_bytes", "blocks", "allocated_blocks", "cached_blocks":
            if one.get(key) != other.get(key):
                fail(f"another part: {one}, {other}")
        if other["resident_bytes"] > one["resident_bytes"]:
            fail(f"a part with more than there was: {one}, {other}")
        resident[0] += one["resident_bytes"]
        resident[1] += other["resident_bytes"]
    if resident[1] < 0.9 * resident[0] or core["process"]["rss_bytes"] < resident[1]:
        fail(f"{resident[1]} bytes in the core of {resident[0]}")


def check_large(path):
    root, boxes = read_svg(path)
    note = "".join(root.find(f"{SPACE}text[@class='note']").itertext())
    cell = re.search(r"Each cell is ([0-9.]+) (KiB|MiB) of address space", note)
    if not cell or (cell[2] == "KiB" and float(cell[1]) <= 64):
        fail(f"does not say that a cell is more: {note}")
    if not any(text.startswith("large blocks\n") for _, text, _ in boxes):
        fail("no cell with several large blocks")
    if not any("smaller huge blocks" in (text.text or "") for text in root.iter(f"{SPACE}text")):
        fail("all huge blocks are drawn")


# ---- a terminal -------------------------------------------------------------

def draw(width, command, **environment):
    """What a command says in a terminal. Its end is marked: a terminal that closes may lose what was not read yet."""
    end = b"\0"
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    with subprocess.Popen(command, stdin=slave, stdout=slave, env=os.environ | environment) as process:
        threading.Thread(target=lambda: (process.wait(), os.write(slave, end))).start()
        said = b""
        while not said.endswith(end):
            said += os.read(master, 65536)
    os.close(slave)
    os.close(master)
    if process.returncode != 0:
        fail(f"ends with {process.returncode}")
    return said.removesuffix(end).decode("utf-8").replace("\r\n", "\n")


def check_text(width_text, *command):
    width = int(width_text)
    colours = {"TERM": "xterm", "LC_ALL": "C.UTF-8"}
    texts = [draw(width, command, **colours, NO_COLOR="1"), draw(width, command, **colours),
             draw(width, command, **colours, COLORTERM="truecolor")]
    if "\033" in texts[0] or "\033[38;5;" not in texts[1] or "\033[38;2;" not in texts[2]:
        fail("not the colours that are wanted")
    for text in texts:
        lines = re.sub("\033\\[[0-9;]*m", "", text).split("\n")
        rows = [line for line in lines if re.match("[0-9a-f]{12} ", line)]
        longest = max(rows if width < 60 else lines, key=len)
        if len(longest) > width:
            fail(f"a line of {len(longest)} characters: {longest}")
        if len(rows) < 2 or len(rows[0]) < width / 2:
            fail(f"hardly any rows, or they could be wider: {text}")


def check_form(form, path):
    if form == "--json":
        read_json(path)
    elif form == "--svg":
        read_svg(path)
    else:
        with open(path, encoding="utf-8") as file:
            if not re.match(r"hostile \(process [0-9]+\)", file.read()):
                fail("no drawing")


if __name__ == "__main__":
    {"core": check_core, "known": check_known, "large": check_large, "text": check_text, "form": check_form}[sys.argv[1]](*sys.argv[2:])
