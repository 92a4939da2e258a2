#!/usr/bin/env python3
"""Lints the dashboards beside this file; needs promtool on the PATH.

The rules are those of Grafana's dashboard-linter that apply to a board of targets rather than of scrape jobs, and two of our own:
every query is PromQL, and every metric that a board, an alert or a runbook names stands in docs/metrics.md.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import shape

ROOT = pathlib.Path(__file__).parent.parent
METRIC = re.compile(r"\bkube_https_[a-z0-9_]+")
# What a histogram's family name becomes in queries.
SERIES_SUFFIX = re.compile(r"_(bucket|count|sum)$")
VARIABLES = ["datasource", "cluster", "namespace", "source", "host"]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def panels(board):
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries(board):
    return [target["expr"] for panel in panels(board) for target in panel.get("targets", [])]


def board_faults(board):
    if board["schemaVersion"] != 42:
        yield "schemaVersion is not 42"
    if board["editable"]:
        yield "is editable"
    names = [variable["name"] for variable in board["templating"]["list"]]
    if names != VARIABLES:
        yield f"has the variables {names}, not {VARIABLES}"
    for panel in panels(board):
        for fault in panel_faults(panel):
            yield f"panel {panel.get('title') or panel['id']}: {fault}"


def panel_faults(panel):
    for key in ("title", "description"):
        if not panel.get(key):
            yield f"has no {key}"
    if not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
        yield "has no unit"
    if not panel.get("targets"):
        yield "has no query"
    for part in [panel, *panel.get("targets", [])]:
        if part.get("datasource") != DATASOURCE:
            yield f"asks {part.get('datasource')}, not the chosen data source"
    for target in panel.get("targets", []):
        for window in re.findall(r"\[([^\]]+)\]", target["expr"]):
            if window != "$__rate_interval":
                yield f"has the window {window}, not $__rate_interval"
        if 'cluster=~"$cluster"' not in target["expr"]:
            yield "does not heed the variable cluster"


def promql_faults(found):
    """Asks promtool, which reads queries in rule files only; JSON is YAML."""
    rules = [{"record": "query", "expr": expr.replace("$__rate_interval", "5m"), "labels": {"n": str(n)}} for n, expr in enumerate(found)]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump({"groups": [{"name": "queries", "rules": rules}]}, file)
        file.flush()
        ran = subprocess.run(["promtool", "check", "rules", "--lint=none", file.name], capture_output=True, text=True)
    if ran.returncode:
        yield ran.stderr.strip()


def unknown_metrics(text, documented):
    for name in sorted(set(METRIC.findall(text))):
        if not {name, SERIES_SUFFIX.sub("", name)} & documented:
            yield f"{name} is not in docs/metrics.md"


def faults():
    documented = set(METRIC.findall((ROOT / "docs" / "metrics.md").read_text()))
    for path in sorted([*ROOT.glob("alerts/*.yaml"), *ROOT.glob("docs/runbooks/*.md")]):
        for fault in unknown_metrics(path.read_text(), documented):
            yield f"{path.name}: {fault}"
    for path in sorted(ROOT.glob("dashboards/*.json")):
        board = json.loads(path.read_text())
        exprs = queries(board)
        texts = exprs + [json.dumps(board["templating"])]
        for fault in [*shape.faults(board), *board_faults(board), *promql_faults(exprs), *unknown_metrics("\n".join(texts), documented)]:
            yield f"{path.name}: {fault}"


if __name__ == "__main__":
    found = list(faults())
    sys.exit("\n".join(found) or 0)
