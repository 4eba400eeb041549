#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads what hakmem profile writes, in ways of its own: profile_output.py pprof|svg FILE.

Prints the contents as lines of text, and fails where the file breaks a rule of its format."""

import gzip
import re
import sys
import xml.etree.ElementTree as ElementTree


def fail(text):
    sys.exit(f"profile_output.py: {text}")


# ---- profile.proto ----------------------------------------------------------

def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    """The values of each field of a message, in their order."""
    found, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            fail(f"a field of form {key & 7}")
        found.setdefault(key >> 3, []).append(value)
    if at != len(data):
        fail("a field that goes beyond its message")
    return found


def numbers(data):
    found, at = [], 0
    while at < len(data):
        value, at = varint(data, at)
        found.append(value - (1 << 64) if value >> 63 else value)
    return found


def one(message, field, default=0):
    values = message.get(field, [default])
    if len(values) != 1:
        fail(f"field {field} stands there {len(values)} times")
    return values[0]


def by_number(messages):
    found = {}
    for message in map(fields, messages):
        number = one(message, 1)
        if number == 0 or number in found:
            fail(f"a number that is 0 or not alone: {number}")
        found[number] = message
    return found


def show_pprof(path):
    with gzip.open(path) as file:
        profile = fields(file.read())
    strings = [text.decode("utf-8") for text in profile[6]]
    if strings[0] != "" or len(set(strings)) != len(strings):
        fail("the table of strings begins with another than the empty one, or has one twice")
    if any(not character.isprintable() for text in strings for character in text):
        fail("a string has control characters")

    def text(message, field):
        return strings[one(message, field)]

    def type_of(data):
        return f"{text(fields(data), 1)}/{text(fields(data), 2)}"

    print("types", *map(type_of, profile[1]))
    print("default", text(profile, 14), "period", type_of(one(profile, 11)), one(profile, 12),
          "duration", one(profile, 10), "time", one(profile, 9))
    print("drop", text(profile, 7))
    for comment in profile.get(13, []):
        print("comment", strings[comment])
    mappings, locations, functions = (by_number(profile.get(field, [])) for field in (3, 4, 5))
    for mapping in mappings.values():
        print(f"mapping {one(mapping, 2):x}-{one(mapping, 3):x} {text(mapping, 5).rpartition('/')[2]}",
              text(mapping, 6), "flags", *(one(mapping, field) for field in (7, 8, 9, 10)))

    def frame(number):
        location = locations[number]
        mapping = mappings.get(one(location, 2))
        if mapping and not one(mapping, 2) <= one(location, 3) < one(mapping, 3):
            fail("an address that is not in its mapping")
        lines = []
        for line in map(fields, location[4]):
            function = functions[one(line, 1)]
            if text(function, 2) != text(function, 3):
                fail("a function with two names")
            where = f"({text(function, 4)}:{one(line, 2)})" if one(function, 4) else ""
            name = text(function, 2)
            lines.append((name if len(name) < 200 else f"{name[:5]}*{len(name)}") + where)
        return "+".join(lines)

    for sample in map(fields, profile.get(2, [])):
        labels = []
        for label in map(fields, sample.get(3, [])):
            value = text(label, 2) or f"{one(label, 3)}{text(label, 4)}"
            labels.append(f"{text(label, 1)}={value}")
        values = numbers(one(sample, 2))
        if len(values) != len(profile[1]):
            fail("a sample with another number of values than there are types")
        print("sample", *values, *labels)
        for number in numbers(one(sample, 1, b"")):
            print("    ", frame(number))


# ---- SVG --------------------------------------------------------------------

def show_svg(path):
    space = "{http://www.w3.org/2000/svg}"
    root = ElementTree.parse(path).getroot()
    kinds = {element.tag.removeprefix(space) for element in root.iter()}
    if kinds - {"svg", "title", "style", "rect", "text", "g", "script"}:
        fail(f"elements that should not be there: {kinds}")
    if len(root.findall(f".//{space}script")) != 1 or root[-1].tag != f"{space}script":
        fail("more than one script, or one that is not the last element")
    for element in root.iter():
        for name, value in element.items():
            if name.startswith("on") or "href" in name or "url(" in value:
                fail(f"an attribute that leads elsewhere: {name}={value}")
    width = float(root.get("width"))
    if root.get("viewBox") != f"0 0 {root.get('width')} {root.get('height')}":
        fail("the picture is not as large as what it shows")
    for element in root:
        if element.tag == f"{space}text":
            print(element.text)
        if element.get("class") == "note" and element.tag == f"{space}g":
            print("legend", *(text.text for text in element.iter(f"{space}text")))
    open_boxes = []
    for box in root.findall(f".//{space}g[@class='box']"):
        start, size, depth = map(int, box.get("data-at").split())
        rect, text = box.find(f"{space}rect"), box.find(f"{space}text")
        left, wide, top = (float(rect.get(name)) for name in ("x", "width", "y"))
        if left < 0 or left + wide > width or top + float(rect.get("height")) > float(root.get("height")):
            fail("a box that is not wholly in the picture")
        del open_boxes[depth:]
        if len(open_boxes) != depth:
            fail("a box that is not below one of the row above")
        if open_boxes and not (open_boxes[-1][0] <= start and start + size <= open_boxes[-1][1]):
            fail("a box that is wider than the one above")
        open_boxes.append((start, start + size))
        if not re.fullmatch("#[0-9a-f]{6}", rect.get("fill")):
            fail("a box without a colour")
        print("  " * depth + f"box at {left:.2f} wide {wide:.2f}: {text.text if text is not None else ''}")
        for line in box.find(f"{space}title").text.split("\n"):
            print("  " * depth + "|", line if len(line) < 200 else f"{line[:5]}*{len(line)}")


if __name__ == "__main__":
    {"pprof": show_pprof, "svg": show_svg}[sys.argv[1]](sys.argv[2])
