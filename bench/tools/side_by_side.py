#!/usr/bin/env python3
"""The table of docs/performance.md, from result files of `driver --vs`: medians of the rounds.
side_by_side.py DEFAULT.json P1.json BOUND.json > TABLE.md    (- for one that is not there)"""
import json
import re
import statistics
import sys

OURS = "latchwork"


def medians(path):
    """Metrics by scenario and server, each the median of all rounds."""
    found = {}
    if path == "-":
        return found
    for run in json.load(open(path))["runs"]:
        for row in run["rows"]:
            # What the profile decides is no part of the name.
            name = re.sub(r" \+.*| n=[23]0*$", "", row["scenario"])
            for metric, value in row["metrics"].items():
                found.setdefault((name, run["server"] == OURS), {}).setdefault(metric, []).append(value)
    return {key: {metric: statistics.median(values) for metric, values in metrics.items()}
            for key, metrics in found.items()}


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio(ours, theirs, metric):
    """How much better ours is: a rate by being more, everything else by being less."""
    if not ours or not theirs or metric not in ours or metric not in theirs or not theirs[metric]:
        return "-"
    better = ours[metric] / theirs[metric]
    better = better if metric == "rate" else 1 / better
    return f"{better:.1f}x" if better < 20 else f"{better:.0f}x"


def main():
    default, p1, bound = map(medians, sys.argv[1:4])
    print("| scenario | ours a second | p50 / p99 ms | CPU ms each | default: a second | rate | p50 | p99 | CPU "
          "| p1: rate | p50 | CPU | of the bound's rate |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, is_ours in default:
        if not is_ours or "rate" not in default[name, True]:
            continue
        ours, theirs = default[name, True], default.get((name, False))
        cells = [name, number(ours["rate"]), f'{number(ours.get("p50_ms"))} / {number(ours.get("p99_ms"))}',
                 number(ours.get("cpu_server_ms_per_op")), number((theirs or {}).get("rate"))]
        cells += [ratio(ours, theirs, metric) for metric in ("rate", "p50_ms", "p99_ms", "cpu_server_ms_per_op")]
        pair = p1.get((name, True)), p1.get((name, False))
        cells += [ratio(*pair, metric) for metric in ("rate", "p50_ms", "cpu_server_ms_per_op")]
        beside, limit = bound.get((name, True)), bound.get((name, False))
        cells.append(f'{100 * beside["rate"] / limit["rate"]:.0f}%' if beside and limit else "-")
        print("| " + " | ".join(cells) + " |")


main()
