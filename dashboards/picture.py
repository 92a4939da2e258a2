#!/usr/bin/env python3
"""Draws a board without Grafana: its own queries, asked of a Prometheus, drawn as HTML and photographed by Chromium.

    picture.py http://localhost:9090 kube-https-overview.json overview.png

It knows the panels and settings that the boards here use, and no more: good enough to see what a board shows.
"""

import html
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

# Grafana's grid: 24 columns, and rows of 30 pixels with gaps of 8 between.
WIDTH, ROW, GAP = 1600, 30, 8
# Shown over time: as far back as a demo that has just begun goes.
SPAN_SECONDS = 300
STEP_SECONDS = 5
COLOURS = {"green": "#73BF69", "red": "#F2495C", "orange": "#FF9830", "blue": "#5794F2", "gray": "#8E8E8E"}
SERIES = ["#73BF69", "#F2CC0C", "#8AB8FF", "#FF780A", "#F2495C", "#B877D9"]
STYLE = """
body{margin:0;background:#111217;color:#ccccdc;font:13px 'DejaVu Sans',sans-serif}
.p{position:absolute;background:#181b1f;border:1px solid #2c3235;border-radius:2px;overflow:hidden;box-sizing:border-box}
.p h2{font-size:13px;font-weight:500;margin:6px 8px;white-space:nowrap;overflow:hidden}
.r{position:absolute;font-size:15px;font-weight:600;padding:6px 8px}
table{border-collapse:collapse;width:100%;font-size:12px}td,th{text-align:left;padding:3px 8px;border-bottom:1px solid #22262b;white-space:nowrap}
th{color:#6e9fff;font-weight:500}.s{display:flex;justify-content:space-around;align-items:center;height:66%}
.s div{text-align:center}.s b{font-size:30px;display:block;font-weight:600}
.b{display:grid;grid-template-columns:110px 1fr 50px;gap:6px;align-items:center;padding:2px 8px}.b i{height:18px;display:block}
"""


def ask(prometheus, expr, over_time):
    for name in ("$cluster", "$namespace", "$source", "$host"):
        expr = expr.replace(name, ".*")
    now = time.time()
    asked = {"query": expr.replace("$__rate_interval", "30s"), "time": now}
    if over_time:
        asked |= {"start": now - SPAN_SECONDS, "end": now, "step": STEP_SECONDS}
    url = f"{prometheus}/api/v1/query{'_range' if over_time else ''}?{urllib.parse.urlencode(asked)}"
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)["data"]["result"]


def said(value, unit):
    """A value as Grafana's unit writes it."""
    if unit == "percentunit":
        return f"{value * 100:.0f}%"
    if unit == "s":
        size, name = next(((n, word) for n, word in ((86400, "day"), (3600, "hour"), (60, "min"), (1, "s")) if abs(value) >= n), (0.001, "ms"))
        return f"{value / size:.1f} {name}" + ("s" if name in ("day", "hour") and abs(value / size) != 1 else "")
    if unit == "dateTimeAsIso":
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(value / 1000))
    return f"{value:.3g}" + (" /s" if unit == "ops" else "")


def colour_at(value, thresholds):
    reached = [step["color"] for step in thresholds["steps"] if step["value"] is None or value >= step["value"]]
    return COLOURS[reached[-1]]


def legend(target, metric):
    text = target.get("legendFormat", "")
    for name, value in metric.items():
        text = text.replace("{{" + name + "}}", value)
    return "" if text == "__auto" else text


def settings(panel, name):
    """What the board sets for one column or series."""
    found = {}
    for override in panel["fieldConfig"].get("overrides", []):
        if override["matcher"]["options"] == name:
            found |= {one["id"]: one.get("value") for one in override["properties"]}
    return found


def series(panel, answers, colour):
    """Name, value and colour of each series of an instant panel."""
    for target, answer in zip(panel["targets"], answers):
        for one in sorted(answer, key=lambda one: sorted(one["metric"].items())):
            name, value = legend(target, one["metric"]), float(one["value"][1])
            fixed = settings(panel, name).get("color", {}).get("fixedColor")
            yield name, value, COLOURS.get(fixed) or colour(value)


def draw_stat(panel, answers):
    defaults = panel["fieldConfig"]["defaults"]
    found = series(panel, answers, lambda value: colour_at(value, defaults["thresholds"]))
    shown = [f'<div>{html.escape(name)}<b style="color:{colour}">{said(value, defaults["unit"])}</b></div>' for name, value, colour in found]
    return f'<div class="s">{"".join(shown) or "No data"}</div>'


def draw_bargauge(panel, answers):
    defaults = panel["fieldConfig"]["defaults"]
    found = list(series(panel, answers, lambda value: colour_at(value, defaults["thresholds"])))
    most = max((value for _, value, _ in found), default=1) or 1
    bars = [f'<div class="b">{html.escape(name)}<i style="background:{colour};width:{max(value / most * 100, 0.5)}%"></i>{said(value, "short")}</div>'
            for name, value, colour in found]  # fmt: skip
    return "".join(bars) or '<div class="s">No data</div>'


def merged(panel, answers):
    """The rows of all queries, joined where they agree on the labels that they share, with the columns' shown names."""
    shared = set.intersection(*({key for one in answer for key in one["metric"]} for answer in answers if answer))
    found = {}
    for target, answer in zip(panel["targets"], answers):
        value = f"Value #{target['refId']}" if len(answers) > 1 else "Value"
        for one in answer:
            key = tuple(sorted((label, one["metric"].get(label)) for label in shared))
            found.setdefault(key, {}).update(one["metric"] | {value: float(one["value"][1])})
    names = next(part["options"]["renameByName"] for part in panel["transformations"] if part["id"] == "organize")
    return list(names.values()), [{shown: row.get(name, "") for name, shown in names.items()} for row in found.values()]


def cell(panel, name, value):
    chosen = settings(panel, name)
    text = said(value, chosen.get("unit", "short")) if isinstance(value, float) else value
    background = ""
    if "thresholds" in chosen and isinstance(value, float):
        background = colour_at(value, chosen["thresholds"])
    for mapping in chosen.get("mappings", []):
        meant = mapping["options"].get(text, {})
        text, background = meant.get("text", text), COLOURS.get(meant.get("color"), background)
    return f'<td style="background:{background};color:{"#111" if background else "inherit"}">{html.escape(text)}</td>'


def draw_table(panel, answers):
    if not any(answers):
        return '<div class="s">No data</div>'
    columns, found = merged(panel, answers)
    by = panel["options"]["sortBy"][0]
    found.sort(key=lambda row: row[by["displayName"]], reverse=by["desc"])
    body = "".join("<tr>" + "".join(cell(panel, name, row[name]) for name in columns) + "</tr>" for row in found)
    return "<table><tr>" + "".join(f"<th>{name}</th>" for name in columns) + f"</tr>{body}</table>"


def draw_timeseries(panel, answers):
    drawn = [(legend(target, one["metric"]), [(float(at), float(value)) for at, value in one["values"] if value != "NaN"])
             for target, answer in zip(panel["targets"], answers) for one in answer]  # fmt: skip
    end = time.time()
    most = max((value for _, points in drawn for _, value in points), default=1) or 1
    lines, names = "", ""
    for (name, points), colour in zip(drawn, SERIES * len(drawn)):
        path = " ".join(f"{(at - end + SPAN_SECONDS) / SPAN_SECONDS * 100:.2f},{98 - value / most * 92:.2f}" for at, value in points)
        lines += f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5" vector-effect="non-scaling-stroke"/>'
        names += f'<span style="color:{colour}">━ </span>{html.escape(name)}&nbsp; '
    scale = said(most, panel["fieldConfig"]["defaults"]["unit"])
    return f'<small style="margin:8px">{scale}</small><svg viewBox="0 0 100 100" preserveAspectRatio="none" style="width:100%;height:58%">{lines}</svg><div style="margin:4px 8px">{names}</div>'


DRAW = {"stat": draw_stat, "bargauge": draw_bargauge, "table": draw_table, "timeseries": draw_timeseries, "state-timeline": draw_timeseries}

OVER_TIME = ("timeseries", "state-timeline")


def placed(panel):
    place, column = panel["gridPos"], WIDTH / 24
    height = place["h"] * (ROW + GAP) - GAP
    return f'style="left:{place["x"] * column + GAP / 2}px;top:{place["y"] * (ROW + GAP)}px;width:{place["w"] * column - GAP}px;height:{height}px"'


def draw(prometheus, panel):
    title = html.escape(panel["title"])
    if panel["type"] == "row":
        return f'<div class="r" {placed(panel)}>{title}</div>'
    answers = [ask(prometheus, target["expr"], panel["type"] in OVER_TIME) for target in panel["targets"]]
    return f'<div class="p" {placed(panel)}><h2>{title}</h2>{DRAW[panel["type"]](panel, answers)}</div>'


def main(prometheus, board, picture):
    board = json.loads(pathlib.Path(board).read_text())
    panels = "".join(draw(prometheus, panel) for panel in board["panels"])
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) * (ROW + GAP)
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder) / "board.html"
        page.write_text(f'<meta charset="utf-8"><style>{STYLE}</style>{panels}')
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}", f"--window-size={WIDTH},{height}"]
        subprocess.run(["chromium", *options, f"--screenshot={picture}", page.as_uri()], check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main(*sys.argv[1:])
