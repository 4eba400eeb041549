# SPDX-License-Identifier: MIT
"""Draws results with gnuplot: a row a workload, a dot an allocator, time and memory."""

import shutil
import subprocess

from allocators import LIMIT, OURS

ROW, TOP, BOTTOM, WIDTH = 18, 72, 76, 1200  # pixels
EDGE = 8  # what is above is drawn here
# point type and colour; told apart without colours too
STYLES = [(5, "#d55e00"), (9, "#0072b2"), (13, "#009e73"), (11, "#cc79a7"), (7, "#e69f00")]
OURS_STYLE, LIMIT_STYLE = (7, "#000000"), (2, "#888888")
NOTE = (
    "left of 1: better than every peer; means: to the best single peer; bars: 95% of hakmem;"
    " dashed: the bound; at the edge: off the scale"
)
PANELS = {"time": ("time", 0.135, 0.56, 1.15), "memory": ("peak memory", 0.58, 0.985, 1.35)}


def quote(text):
    """A gnuplot string in which no character is markup."""
    for character in "\\_^{}@&~":
        text = text.replace(character, "\\" + character)
    return "'%s'" % text.replace("'", "''")


def lay_out(summary):
    """(label, description or None) of each row from the top; headings have no description."""
    rows = [("geometric means", None)]
    rows += [("%s (%d)" % (mean["kind"], mean["count"]), mean) for mean in summary["means"]]
    kinds = dict.fromkeys(row["kind"] for row in summary["workloads"])
    for kind in kinds:
        rows.append((kind, None))
        rows += [(row["name"], row) for row in summary["workloads"] if row["kind"] == kind]
    return rows


def tics(rows, shown):
    """Labels at the left of the first panel; the second has none."""
    labels = []
    for at, (label, row) in enumerate(rows):
        text = label if len(label) < 25 else label[:22] + "..."
        text = quote(text) if row else "'{/:Bold %s}'" % quote(text)[1:-1]
        labels.append("%s %d" % (text if shown else "''", -at))
    return "set ytics (%s) scale 0 offset 0.5" % ", ".join(labels)


def points(rows, name, what):
    lines = []
    for at, (_, row) in enumerate(rows):
        if row is None or name not in row[what]["ratio"]:
            continue
        value = min(row[what]["ratio"][name], EDGE)
        low, high = name == OURS and row[what]["interval"] or (value, value)
        lines.append("%g %d %g %g" % (value, -at, min(low, EDGE), min(high, EDGE)))
    return lines


def look(names, name):
    peers = [peer for peer in names if peer not in (OURS, LIMIT)]
    chosen = {peer: STYLES[at % len(STYLES)] for at, peer in enumerate(peers)}
    chosen.update({OURS: OURS_STYLE, LIMIT: LIMIT_STYLE})
    kind, colour = chosen[name]
    return "pt %d ps %g lc '%s'" % (kind, 1.2 if name == OURS else 0.9, colour)


def panel(rows, names, what, height, low):
    title, left, right, bound = PANELS[what]
    script = [
        "set lmargin at screen %g; set rmargin at screen %g" % (left, right),
        "set tmargin at screen %g; set bmargin at screen %g" % (1 - TOP / height, BOTTOM / height),
        "set title %s offset 0,-0.5" % quote(title + ", ratio to the best peer"),
        "set yrange [%g:0.7]; set xrange [%g:%g]" % (0.3 - len(rows), low, EDGE * 1.08),
        tics(rows, what == "time"),
        "unset arrow; unset object",
        "set object 1 rectangle from graph 0,0 to first 1,graph 1 behind fillcolor '#eaf4ea'"
        " fillstyle solid noborder",
        "set arrow from 1,graph 0 to 1,graph 1 nohead back lc '#404040'",
        "set arrow from %g,graph 0 to %g,graph 1 nohead back dt 2 lc '#b03030'" % (bound, bound),
    ]
    for at, (_, row) in enumerate(rows):
        colour = "#e0e0e0" if row else "#909090"
        script.append(
            "set arrow from graph 0,first %d to graph 1,first %d nohead back lc '%s'" % (-at, -at, colour)
        )
    plots = []
    for name in names:  # for the legend alone
        plots.append("NaN with points %s title %s" % (look(names, name), quote(name)))
    for name in [*names[1:], OURS]:  # ours above the others
        lines = points(rows, name, what)
        block = "$%s_%d" % (what, names.index(name))
        script += ["%s << END" % block, *lines, "END"]
        if not lines:
            continue
        if name == OURS:
            plots.append("%s with xerrorbars lw 1.5 pt 7 ps 0.1 lc '#000000' notitle" % block)
        plots.append("%s with points %s notitle" % (block, look(names, name)))
    return [*script, "plot " + ", \\\n  ".join(plots)]


def caption(results):
    host = results.host
    parts = ["hakmem " + results.version, host["cpu"], "%d cores" % host["cores"]]
    parts += ["Linux " + host["kernel"], "medians of %d rounds" % results.rounds, results.date[:10]]
    return ", ".join(parts)


def write_script(results, summary, terminal, path, height):
    rows, names = lay_out(summary), results.names()
    ratios = [
        row[what]["ratio"][name] for _, row in rows if row for what in PANELS for name in row[what]["ratio"]
    ]
    low = max(0.125, min([0.5, *(ratio * 0.9 for ratio in ratios)]))
    script = [
        "set terminal %s size %d,%d" % (terminal, WIDTH, height),
        "set output '%s'" % path.replace("'", "''"),
        "set multiplot",
        "set logscale x 2; set border 3 lc '#404040'; set tics nomirror out",
        "set xtics ('0.125' 0.125, '0.25' 0.25, '0.5' 0.5, '0.7' 0.7, '1' 1, '1.4' 1.4, '2' 2,"
        " '3' 3, '4' 4, '6' 6, '%d+' %d)" % (EDGE, EDGE),
        "set label 1 %s at screen 0.5,%g center" % (quote(caption(results)), 28 / height),
        "set label 2 %s at screen 0.5,%g center" % (quote(NOTE), 11 / height),
        "set key at screen 0.5,%g center top horizontal maxrows 1 Left reverse width 2" % (1 - 12 / height),
    ]
    script += panel(rows, names, "time", height, low)
    script += ["unset key; unset label"]
    script += panel(rows, names, "memory", height, low)
    return "\n".join([*script, "unset multiplot", ""])


def draw(results, summary, basename):
    """Writes BASENAME.svg and BASENAME.png, if gnuplot is there."""
    if shutil.which("gnuplot") is None:
        print("gnuplot is not installed: no picture")
        return
    height = TOP + BOTTOM + ROW * len(lay_out(summary))
    for suffix, terminal in (("svg", "svg font 'sans,11' background '#ffffff'"), ("png", "pngcairo font 'sans,9'")):
        script = write_script(results, summary, terminal, "%s.%s" % (basename, suffix), height)
        done = subprocess.run(
            ["gnuplot"], input=script, stderr=subprocess.PIPE, universal_newlines=True, check=False
        )
        if done.returncode != 0:
            print("gnuplot could not draw %s.%s: %s" % (basename, suffix, done.stderr.strip()))
