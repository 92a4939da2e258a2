#!/usr/bin/env python3
"""Writes the dashboards as Classic JSON into the folder given, by default beside this file; needs requirements.txt."""

import json
import pathlib
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from exporter import exporter
from overview import overview
from posture import posture
from target import target

BOARDS = [overview, target, posture, exporter]


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    for make in BOARDS:
        made = make().build()
        for place, panel in enumerate(made.panels, start=1):
            panel.id_val = place
        text = json.dumps(made, cls=JSONEncoder, indent=2, ensure_ascii=False)
        (folder / f"{made.uid}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
