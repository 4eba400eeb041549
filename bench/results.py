# SPDX-License-Identifier: MIT
"""Workloads, what was measured of them, and what the figures say."""

import datetime
import fnmatch
import json
import math
import random
import statistics

from allocators import LIMIT, OURS, present, stop

TIME_BOUND, MEMORY_BOUND, NOISE_BOUND = 1.15, 1.35, 0.15
RAW = ("throughput", "peak", "elapsed", "processor")


# ---- statistics ----------------------------------------------------------------


def quantile(values, share):
    values = sorted(values)
    at = share * (len(values) - 1)
    low = values[math.floor(at)]
    return low + (values[math.ceil(at)] - low) * (at - math.floor(at))


def spread(values):
    return (quantile(values, 0.75) - quantile(values, 0.25)) / statistics.median(values)


def interval(ours, theirs):
    """95% interval of median(ours) / median(theirs), measured in pairs; one round has none."""
    rounds = min(len(ours), len(theirs))
    if rounds < 2:
        return None
    draw = random.Random(20240501).random  # the one method that no version of Python changes
    ratios = []
    for _ in range(1000):
        drawn = [int(draw() * rounds) for _ in range(rounds)]
        ratios.append(
            statistics.median([ours[i] for i in drawn])
            / statistics.median([theirs[i] for i in drawn])
        )
    return [quantile(ratios, 0.025), quantile(ratios, 0.975)]


def geometric_mean(values, weights):
    logs = sum(weight * math.log(value) for value, weight in zip(values, weights))
    return math.exp(logs / sum(weights))


# ---- workloads and what was measured -------------------------------------------


class Workload:
    """One workload: what it runs, and by allocator its figures, round by round."""

    def __init__(self, name, kind, weight, command, runs=None, failed=None):
        self.name, self.kind, self.weight, self.command = name, kind, weight, command
        self.runs = runs or {}  # allocator -> {"throughput": [...], "peak": [...], ...}
        self.failed = failed or {}  # allocator -> exit status or what else was wrong

    def figures(self, allocator, what):
        """Times or peaks of all rounds; none where it failed or did not run."""
        run = self.runs.get(allocator)
        if run is None or allocator in self.failed:
            return []
        return run["peak"] if what == "memory" else [1 / rate for rate in run["throughput"]]

    def medians(self, what):
        figures = {name: self.figures(name, what) for name in self.runs}
        return {name: statistics.median(values) for name, values in figures.items() if values}

    def counts(self):
        """Whether it enters the means: it ran on all but perhaps the yardstick."""
        return OURS in self.runs and not set(self.failed) - {LIMIT}

    def add_round(self, figures):
        for allocator, figure in figures.items():
            run = self.runs.setdefault(allocator, {key: [] for key in RAW})
            for key in RAW:
                run[key].append(figure[key])


def read_workloads(path):
    workloads = {}
    with open(present(path), encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            fields = line.split("#")[0].split()
            if not fields:
                continue
            try:
                name, kind, weight = fields[0], fields[1], float(fields[2])
                if name in workloads or weight <= 0 or len(fields) < 4:
                    raise ValueError
            except (IndexError, ValueError):
                stop("%s:%d: not a new NAME, KIND, WEIGHT, PROGRAM" % (path, number))
            workloads[name] = Workload(name, kind, weight, fields[3:])
    return list(workloads.values())


def select(workloads, patterns, kind):
    def matches(workload, pattern):
        return pattern == workload.kind or fnmatch.fnmatchcase(workload.name, pattern)

    for pattern in patterns:
        if not any(matches(workload, pattern) for workload in workloads):
            stop("no workload is called '%s' or of that kind" % pattern)
    chosen = [w for w in workloads if not patterns or any(matches(w, p) for p in patterns)]
    chosen = [w for w in chosen if kind in (None, w.kind)]
    return chosen or stop("no workload of kind '%s' is chosen" % kind)


class Results:
    """All that -o writes and --from reads."""

    def __init__(self, allocators, rounds, version, host, calibration=(), date=None):
        self.allocators = allocators  # name -> path, in the order of the tables
        self.rounds, self.version, self.host = rounds, version, host
        self.calibration = list(calibration)  # seconds of the calibration loop, round by round
        self.date = date or datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        self.workloads = []

    def peers(self):
        return [name for name in self.allocators if name not in (OURS, LIMIT)]

    def names(self):
        """Ours first, the yardstick last."""
        ends = [name for name in (LIMIT,) if name in self.allocators]
        return [OURS, *self.peers(), *ends]

    def to_json(self, summary):
        document = {key: value for key, value in vars(self).items() if key != "workloads"}
        document["workloads"] = [
            dict(vars(w), medians={what: w.medians(what) for what in ("time", "memory")})
            for w in self.workloads
        ]
        return dict(document, summary=summary)


def read_results(paths):
    """The results of several files of one machine as one."""
    results = None
    for path in paths:
        try:
            with open(present(path), encoding="utf-8") as file:
                document = json.load(file)
            fields = ("allocators", "rounds", "version", "host", "calibration", "date")
            more = Results(*(document[key] for key in fields))
            fields = ("name", "kind", "weight", "command", "runs", "failed")
            more.workloads = [Workload(*(w[key] for key in fields)) for w in document["workloads"]]
        except (KeyError, TypeError, ValueError) as error:
            stop("%s is not a result of this program: %r" % (path, error))
        results = more if results is None else merge(results, more, path)
    return results


def merge(results, more, path):
    for key in ("cpu", "cores"):
        if results.host.get(key) != more.host.get(key):
            stop("%s is from another machine: its %s differs" % (path, key))
    if more.version not in results.version.split(", "):
        results.version += ", " + more.version
    united = {workload.name: workload for workload in results.workloads + more.workloads}
    results.workloads = list(united.values())
    results.allocators.update(more.allocators)
    results.calibration += more.calibration
    results.rounds = min(results.rounds, more.rounds)
    results.date = max(results.date, more.date)
    return results


# ---- what the figures say ------------------------------------------------------


def describe_workload(results, workload):
    return {
        "name": workload.name,
        "kind": workload.kind,
        "counted": workload.counts(),
        "time": compare_figures(results, workload, "time"),
        "memory": compare_figures(results, workload, "memory"),
    }


def compare_figures(results, workload, what):
    """Ratios to the best peer, and how sure ours is; little where one of them is missing."""
    medians = workload.medians(what)
    best = min((n for n in results.peers() if n in medians), key=medians.get, default=None)
    row = {"ratio": {}, "best": best, "interval": None, "spread": None, "noisy": False}
    row["above"] = False
    if best is None:
        return row
    row["ratio"] = {name: value / medians[best] for name, value in medians.items()}
    if OURS in medians:
        ours, theirs = workload.figures(OURS, what), workload.figures(best, what)
        row["interval"], row["spread"] = interval(ours, theirs), spread(ours)
        if what == "time":
            row["above"] = row["interval"] is not None and row["interval"][0] > TIME_BOUND
            row["noisy"] = max(row["spread"], spread(theirs)) > NOISE_BOUND
        else:
            row["above"] = row["ratio"][OURS] > MEMORY_BOUND
    return row


def compare_means(results, workloads, what):
    """Geometric means over workloads, as ratios to that of the best single peer, and of the
    ratios to the best peer of each workload."""
    medians = [workload.medians(what) for workload in workloads]
    weights = [workload.weight for workload in workloads]
    means = {
        name: geometric_mean([values[name] for values in medians], weights)
        for name in results.names()
        if medians and all(name in values for values in medians)
    }
    bests = [min((v[n] for n in results.peers() if n in v), default=None) for v in medians]
    by_row = geometric_mean(bests, weights) if bests and None not in bests else None
    best = min((n for n in results.peers() if n in means), key=means.get, default=None)
    if best is None or OURS not in means:
        return {"ratio": {}, "by_row": {}, "best": best, "interval": None}

    def by_round(name):
        rounds = zip(*(workload.figures(name, what) for workload in workloads))
        return [geometric_mean(figures, weights) for figures in rounds]

    return {
        "ratio": {name: mean / means[best] for name, mean in means.items()},
        "by_row": {name: mean / by_row for name, mean in means.items()},
        "best": best,
        "interval": interval(by_round(OURS), by_round(best)),
    }


def summarize(results):
    counted = [workload for workload in results.workloads if workload.counts()]
    groups = {}
    for workload in counted:
        groups.setdefault(workload.kind, []).append(workload)
    groups["all"] = counted
    return {
        "workloads": [describe_workload(results, workload) for workload in results.workloads],
        "means": [
            {
                "kind": kind,
                "count": len(members),
                "time": compare_means(results, members, "time"),
                "memory": compare_means(results, members, "memory"),
            }
            for kind, members in groups.items()
        ],
        "calibration_spread": spread(results.calibration) if results.calibration else None,
    }
