#!/usr/bin/env python3
"""Draws how the cost of a call grows with what is stored (scenarios G1 to G4), and writes the
table of it.  growth.py RESULT.json PICTURE.svg > TABLE.md"""
import json
import math
import sys

PANELS = [
    ("G1", "call, beside completed invocations", "invocations stored"),
    ("G2", "call of an object that has state, of many keys", "keys"),
    ("G3", "call, beside other deployments", "deployments"),
    ("G4", "step of one call, for long journals", "steps in the journal"),
]
LINES = [("p50_ms_each", "#2563eb", "time (p50)"), ("cpu_server_ms_per_op", "#d97706", "server's processor")]
WIDTH, HEIGHT, MARGIN = 430, 230, 52


def points(rows, scenario):
    """Sizes, and the metrics of each, of one scenario."""
    found = [row["metrics"] for row in rows if row["scenario"].startswith(scenario)]
    return sorted((metrics for metrics in found if "size" in metrics), key=lambda it: it["size"])


def count(number):
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if number >= unit:
            return f"{number / unit:g}{name}"
    return f"{number:g}"


def text(x, y, words, anchor="middle", size=11, color="#374151", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{color}" '
            f'font-weight="{weight}">{words}</text>')


def panel(left, top, title, axis, found):
    """One scenario: sizes to the right in powers of ten, milliseconds upwards from 0."""
    width, height = WIDTH - MARGIN - 16, HEIGHT - 84
    left, top = left + MARGIN, top + 40
    high = max(metrics[name] for metrics in found for name, _, _ in LINES) * 1.15
    # A size of 0 stands one power of ten before the first.
    least = min(metrics["size"] for metrics in found if metrics["size"] > 0)
    spot = [math.log10(max(metrics["size"], least / 10)) for metrics in found]
    span = (spot[-1] - spot[0]) or 1
    x = [left + width * (at - spot[0]) / span for at in spot]
    y = lambda value: top + height * (1 - value / high)
    out = [text(left - MARGIN + 8, top - 20, title, "start", 13, "#111827", "bold")]
    for part in range(5):
        value = high * part / 4
        out.append(f'<line x1="{left}" x2="{left + width}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#e5e7eb"/>')
        out.append(text(left - 6, y(value) + 4, f"{value:.2g}", "end"))
    for at, metrics in zip(x, found):
        out.append(text(at, top + height + 16, count(metrics["size"])))
    out.append(text(left + width / 2, top + height + 33, axis))
    for name, color, _ in LINES:
        line = " ".join(f"{at:.1f},{y(metrics[name]):.1f}" for at, metrics in zip(x, found))
        out.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        out += [f'<circle cx="{at:.1f}" cy="{y(metrics[name]):.1f}" r="3" fill="{color}"/>'
                for at, metrics in zip(x, found)]
    return out


def main():
    result, picture = sys.argv[1:3]
    rows = [row for run in json.load(open(result))["runs"] for row in run["rows"]]
    drawn, table = [], []
    for scenario, title, axis in PANELS:
        found = points(rows, scenario)
        if not found:
            continue
        at = len(drawn)
        drawn.append(panel(at % 2 * WIDTH, 28 + at // 2 * HEIGHT, f"{title}, ms", axis, found))
        for metrics in found:
            table.append(f'| {title} | {int(metrics["size"]):,} {axis} | {metrics["p50_ms_each"]:.3g} | '
                         f'{metrics["cpu_server_ms_per_op"]:.3g} | {metrics["rss_peak_mb"]:.0f} |')
    width, height = 2 * WIDTH, 28 + (len(drawn) + 1) // 2 * HEIGHT
    legend = []
    for number, (_, color, words) in enumerate(LINES):
        left = 20 + number * 130
        legend.append(f'<circle cx="{left}" cy="18" r="4" fill="{color}"/>')
        legend.append(text(left + 10, 22, words, "start"))
    body = "\n".join(sum(drawn, legend))
    with open(picture, "w") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
                   f'font-family="system-ui, sans-serif">\n<rect width="100%" height="100%" fill="#ffffff"/>\n'
                   f'{body}\n</svg>\n')
    print("| what | beside | p50 ms | CPU ms | peak RSS MB |\n| --- | --- | --: | --: | --: |")
    print("\n".join(table))


main()
