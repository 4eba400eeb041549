#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a picture of a terminal: terminal-svg.py TITLE < SCREEN > PICTURE

SCREEN is what `tmux capture-pane -ep` prints: lines with escape sequences for colours. Lower blocks are
drawn as rectangles, since fonts leave gaps between them."""

import re
import sys
import unicodedata
from xml.sax.saxutils import escape

WIDTH, HEIGHT, MARGIN = 8, 17, 12
FOREGROUND, BACKGROUND = "#d8d8d8", "#1c1c1c"
BASE = ["#1c1c1c", "#cc4444", "#4e9a06", "#c4a000", "#4a7fc0", "#8a5f8f", "#06989a", "#d3d7cf",
        "#6c6c6c", "#ef5959", "#8ae234", "#fce94f", "#82b1e0", "#b98fbd", "#34e2e2", "#ffffff"]


def of_256(number):
    if number < 16:
        return BASE[number]
    if number >= 232:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3
    levels = [0, 95, 135, 175, 215, 255]
    number -= 16
    return "#" + "".join(f"{levels[number // part % 6]:02x}" for part in (36, 6, 1))


class Style:
    """What SGR sequences have set."""

    def __init__(self):
        self.text, self.back, self.bold, self.reverse = None, None, False, False

    def colours(self):
        text, back = self.text or FOREGROUND, self.back or BACKGROUND
        return (back, text) if self.reverse else (text, back)

    def colour(self, codes):
        if codes[0] == 5:
            return of_256(codes[1]), codes[2:]
        return "#" + "".join(f"{part:02x}" for part in codes[1:4]), codes[4:]

    def set(self, codes):
        while codes:
            code, codes = codes[0], codes[1:]
            if code == 0:
                self.__init__()
            elif code in (1, 7):
                setattr(self, "bold" if code == 1 else "reverse", True)
            elif code in (22, 27):
                setattr(self, "bold" if code == 22 else "reverse", False)
            elif code == 38:
                self.text, codes = self.colour(codes)
            elif code == 48:
                self.back, codes = self.colour(codes)
            elif code in (39, 49):
                setattr(self, "text" if code == 39 else "back", None)
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self.text = BASE[code - 30 if code < 90 else code - 82]
            elif 40 <= code <= 47 or 100 <= code <= 107:
                self.back = BASE[code - 40 if code < 100 else code - 92]


def cells(line, style):
    """Each character of a line with its colours."""
    for part in re.split(r"(\x1b\[[0-9;:]*m)", line):
        if part.startswith("\x1b["):
            style.set([int(code or 0) for code in re.split("[;:]", part[2:-1])])
        else:
            for character in part:
                if unicodedata.category(character)[0] != "C":
                    yield character, *style.colours(), style.bold


def runs(line, style):
    """Characters that look alike, with the column where they begin."""
    found = []
    for column, (character, *look) in enumerate(cells(line, style)):
        if found and found[-1][2] == look:
            found[-1][1] += character
        else:
            found.append([column, character, look])
    return found


def draw_run(row, column, text, look):
    colour, back, bold = look
    left, top = MARGIN + column * WIDTH, MARGIN + row * HEIGHT
    if back != BACKGROUND:
        yield f'<rect x="{left}" y="{top}" width="{len(text) * WIDTH}" height="{HEIGHT}" fill="{back}"/>'
    for same in re.finditer(r"([▁-█])\1*", text):
        high = HEIGHT * (ord(same.group(1)) - 0x2580) / 8
        yield (f'<rect x="{left + same.start() * WIDTH}" y="{top + HEIGHT - high:.2f}" '
               f'width="{len(same.group()) * WIDTH}" height="{high:.2f}" fill="{colour}"/>')
    for word in re.finditer(r"[^ ▁-█]+(?: [^ ▁-█]+)*", text):
        weight = ' font-weight="bold"' if bold else ""
        yield (f'<text x="{left + word.start() * WIDTH}" y="{top + 13}" fill="{colour}"{weight} '
               f'textLength="{len(word.group()) * WIDTH}">{escape(word.group())}</text>')


def main():
    lines = sys.stdin.read().rstrip("\n").split("\n")
    style, drawn, columns = Style(), [], 0
    for row, line in enumerate(lines):
        for column, text, look in runs(line, style):
            columns = max(columns, column + len(text.rstrip()))
            drawn += draw_run(row, column, text, look)
    width, height = 2 * MARGIN + columns * WIDTH, 2 * MARGIN + len(lines) * HEIGHT
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
          f'viewBox="0 0 {width} {height}" font-family="monospace" font-size="13.3" xml:space="preserve">')
    print(f"<title>{escape(sys.argv[1])}</title>")
    print(f'<rect width="{width}" height="{height}" rx="6" fill="{BACKGROUND}"/>')
    print("\n".join(drawn))
    print("</svg>")


main()
