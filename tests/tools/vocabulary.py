#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether all forms of the statistics have the same names: vocabulary.py SOURCE OUTPUTS.

What the tables lib/core/stats.def and tools/stat_parts.def name is looked for in the header, in the manual, and in
what vocabulary.sh has written to the folder OUTPUTS."""

import json
import pathlib
import re
import sys

SOURCE, OUTPUTS = map(pathlib.Path, sys.argv[1:])


def fail(where, wrong):
    sys.exit(f"vocabulary.py: {where}: {wrong}")


def same(where, found, wanted):
    found, wanted = list(found), list(wanted)
    if sorted(found) != sorted(wanted):
        fail(where, f"missing {sorted(set(wanted) - set(found))}, unknown {sorted(set(found) - set(wanted))}")


def rows(path, kinds):
    pattern = rf"^HAK_(?:{kinds})\([A-Z0-9_]+, ([a-z0-9_]+),"
    return re.findall(pattern, (SOURCE / path).read_text(encoding="utf-8"), re.MULTILINE)


GAUGES = rows("lib/core/stats.def", "GAUGE")
COUNTERS = rows("lib/core/stats.def", "COUNTER")
SUMS = rows("lib/core/stats.def", "SUM")
TOTALS = rows("tools/stat_parts.def", "TOTAL")
PARTS = rows("tools/stat_parts.def", "PART")
CLASS = ["slabs", "capacity", "free", "cached", "live", "starter"]


def between(path, start, end):
    text = (SOURCE / path).read_text(encoding="utf-8")
    return text[text.index(start):].split(end)[0]


def load(name):
    return json.loads((OUTPUTS / name).read_text(encoding="ascii"))


def text(name):
    return (OUTPUTS / name).read_text(encoding="ascii")


def check_struct():
    fields = between("include/hakmem/hakmem.h", "rows of lib/core/stats.def", "/* end of rows */")
    same("hak_stats_t", re.findall(r"uint64_t ([a-z0-9_]+);", fields), GAUGES + COUNTERS + SUMS)


def check_manual():
    for start, names in (('.\\" gauges', GAUGES), ('.\\" counters', COUNTERS + SUMS)):
        same("hakmem(7)", re.findall(r"^\.It Va (\w+)", between("man/hakmem.7", start, '.\\" end'), re.M), names)
    parts = between("man/hakmem.1", '.\\" parts', '.\\" end')
    same("hakmem(1)", re.findall(r"^\.It Va (\w+)", parts, re.M), TOTALS + PARTS)


def check_statistics(where, found, has_process):
    others = {"version", "program", "pid", "counters", "locks", "classes", "process"}
    same(where, [name for name in found if name not in others], GAUGES)
    same(f"{where}, counters", found["counters"], COUNTERS + SUMS)
    if has_process:
        same(f"{where}, process", found["process"], TOTALS + PARTS)
    for row in found.get("classes", []):
        same(f"{where}, classes", row, ["size"] + CLASS)


def check_json():
    check_statistics("hakmem stat --json", load("stat.json"), True)
    check_statistics("stats=json at exit", load("exit.json"), False)
    for process in load("top.json"):
        rates = process.pop("rates", {})
        check_statistics("hakmem top --json", process, True)
        known = {"milliseconds", "rss_bytes"}.union(GAUGES, COUNTERS)
        if set(rates) - known or "requested_bytes" not in rates:
            fail("hakmem top --json, rates", sorted(rates))
    for thread in (threads := load("threads.json"))["threads"] + [threads["others"]]:
        same("hakmem stat --threads", set(thread) - {"tid", "name", "rates"}, ["cached_bytes", "requested_bytes"])
        same("hakmem stat --threads, rates", thread["rates"], ["requested_bytes"])
    same("hakmem map --json", load("map.json")["process"], [*TOTALS[:2], *PARTS])
    for part in load("map.json")["parts"]:
        unknown = {name for name in part if name.endswith("_rss_bytes")} - set(PARTS)
        if unknown or "cached_rss_bytes" not in part:
            fail("hakmem map --json, parts", sorted(part))


def check_metrics():
    names = set(re.findall(r"^hakmem_(\w+)\{", text("metrics"), re.M))
    wanted = {"info", "lock_acquisitions_total", "lock_waits_total"}
    wanted |= set(GAUGES) | {f"{name}_total" for name in COUNTERS} | {f"process_{name}" for name in TOTALS + PARTS}
    wanted |= {"class_slabs"} | {f"class_{name}_blocks" for name in CLASS[1:]}
    wanted |= {"thread_cached_bytes", "thread_requested_bytes_total"}
    same("metrics", names, wanted)
    for name in names:
        kind = "counter" if name.endswith("_total") else "gauge"
        if f"# TYPE hakmem_{name} {kind}\n" not in text("metrics"):
            fail("metrics", f"hakmem_{name} is not said to be a {kind}")


def check_guide():
    guide = (SOURCE / "doc/guides/watching.md").read_text(encoding="utf-8")
    queries = re.findall(r"^\|.*`(.*hakmem_.*)`", guide, re.M)
    named = set(re.findall(r"\bhakmem_(\w+)", " ".join(queries)))
    unknown = named - set(re.findall(r"^hakmem_(\w+)\{", text("metrics"), re.M))
    if unknown or len(queries) < 5:
        fail("watching.md", f"metrics that there are not: {sorted(unknown)}")


def check_text():
    counters = text("stat.text").split("\n  counter ")[1].split("\n\n")[0].split("\n")[1:]
    same("hakmem stat --counters", [line.split()[0] for line in counters], COUNTERS + SUMS)


def check_exit():
    lines = text("exit.text").split("\nlocks")[0].split("\n")[1:]
    at = lines.index("counters")
    same("stats=text at exit", [line.split()[0] for line in lines[:at]], GAUGES)
    same("stats=text at exit, counters", [line.split()[0] for line in lines[at + 1:]], COUNTERS + SUMS)
    for line in lines[:at] + lines[at + 1:]:
        if not re.fullmatch(r"  [a-z0-9_]+ +[0-9]+", line):
            fail("stats=text at exit", line)


def check_classes():
    names = text("exit.text").split("\nclasses (size: ")[1].split(" blocks)")[0]
    same("stats=text at exit, classes", names.split(", "), CLASS)
    manual = between("man/hakmem.7", ".Ss Size classes", ".El")
    same("hakmem(7), classes", re.findall(r"^\.It Va (\w+)", manual, re.M), ["size"] + CLASS)
    fields = between("include/hakmem/hakmem.h", "typedef struct hak_class_stats {", "}")
    wanted = ["block_size", "slabs"] + [f"{name}_blocks" for name in CLASS[1:]]
    same("hak_class_stats_t", re.findall(r"uint64_t ([a-z_]+);", fields), wanted)


def check_gdb():
    lines = text("gdb").split("\nclasses")[0].split("\n")[1:]
    if not lines:
        return
    at = lines.index("counters")
    unknown = {line.split()[0] for line in lines[:at]} - set(GAUGES)
    if unknown or at == 0:
        fail("hak stats of gdb", f"unknown {sorted(unknown)}")
    same("hak stats of gdb, counters", [line.split()[0] for line in lines[at + 1:] if line], COUNTERS)


def main():
    if len(GAUGES) < 10 or len(COUNTERS) < 20 or len(PARTS) < 7:
        fail("the tables", "they have no rows")
    for check in (check_struct, check_manual, check_json, check_metrics, check_guide, check_text, check_exit,
                  check_classes, check_gdb):
        check()


main()
