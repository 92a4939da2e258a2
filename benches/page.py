#!/usr/bin/env python3
"""How long the status page takes in a browser, with many targets: until something is painted, and from each key in the filter until the
table follows it. Needs chromium; nothing listens where the targets point.

    page.py EXPORTER [TARGETS]
"""

import json
import pathlib
import statistics
import sys
import tempfile
import time

import kit

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests" / "tools"))
from browser import Browser  # noqa: E402

KEYS = "host-4321"
# What the page waits for after a key (page.js).
WAIT = 120

PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
ROWS = "document.getElementById('rows')"


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    targets = [{"name": f"host-{n}", "url": f"https://host-{n}.example:9", "address": "127.0.0.1"} for n in range(count)]
    config = pathlib.Path(kit.FOLDER) / "config.yaml"
    config.write_text(json.dumps({"targets": targets, "per_address": {"in_flight": 1000, "connections_per_second": 100_000}}))
    port = kit.free_port()
    kit.start([sys.argv[1], f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"], "exporter")
    kit.wait_for(port)
    while kit.get(port, "/-/ready", status=True) != 200:
        time.sleep(0.2)
    url = f"http://127.0.0.1:{port}/"
    took = []
    for _ in range(5):
        started = time.monotonic()
        size = len(kit.get(port, "/"))
        took.append((time.monotonic() - started) * 1000)
    print(f"{kit.machine()}; {count} targets")
    print(f"the page: {size >> 10} KiB, {statistics.median(took):.0f} ms to its last byte")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(kit.program("chromium"), profile)
        try:
            use(browser, url)
        finally:
            browser.process.kill()
            browser.process.wait()


def use(browser, url):
    browser.open(url)
    browser.until(PAINTED)
    print(f"first paint: {browser.value(PAINTED):.0f} ms")
    browser.key("/")
    took = []
    for key in KEYS:
        browser.value(f"window.at = performance.now(); window.took = 0; {ROWS}.dataset.old = 1;"
                      "new MutationObserver((_, me) => { if (!document.getElementById('rows').dataset.old) {"
                      "window.took = performance.now() - window.at; me.disconnect(); } })"
                      ".observe(document.body, {childList: true, subtree: true})")
        browser.ask("Input.insertText", text=key)
        browser.until("window.took")
        took.append(browser.value("window.took") - WAIT)
    print(f"from a key to the table, without the {WAIT} ms that are waited for the next: "
          f"{statistics.median(took):.0f} ms, {max(took):.0f} ms at most")


if __name__ == "__main__":
    main()
