"""Uses the status page in headless Chromium as a person would, and prints what was seen as JSON.

    browser.py CHROMIUM URL TEXT

Types TEXT into the filter, opens the first target that is left, and has it probed. Chromium is driven by its
DevTools protocol over a pipe, so nothing but Python's own library is needed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

PATIENCE = 30  # seconds, on two cores that run other tests too


class Browser:
    def __init__(self, program, profile):
        from_us, self.to_it = os.pipe()
        self.from_it, from_it = os.pipe()

        def place():
            # The pipe's ends are 3 and 4; neither may be closed by placing the other.
            here, there = os.dup(from_us), os.dup(from_it)
            os.dup2(here, 3)
            os.dup2(there, 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", f"--user-data-dir={profile}", "--remote-debugging-pipe"],
            preexec_fn=place, pass_fds=(3, 4), stderr=subprocess.DEVNULL)
        os.close(from_us)
        os.close(from_it)
        self.rest = b""
        self.count = 0
        self.session = None
        self.complaints = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **params):
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_it, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.count:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]
            # Whatever a page logs, throws or pops up is something wrong with it.
            if answer.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown",
                                        "Runtime.consoleAPICalled", "Page.javascriptDialogOpening"):
                self.complaints.append(answer["params"])

    def read(self):
        while b"\0" not in self.rest:
            more = os.read(self.from_it, 65536)
            if not more:
                sys.exit("Chromium has ended")
            self.rest += more
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def value(self, expression):
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            return None
        return result["result"].get("value")

    def until(self, expression):
        deadline = time.monotonic() + PATIENCE
        while not self.value(expression):
            if time.monotonic() > deadline:
                sys.exit(f"never true: {expression}; the page: {self.value('document.body.innerText')}")
            time.sleep(0.05)

    def open(self, url):
        self.ask("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def key(self, key):
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, text=key if kind == "keyDown" else "")


ROWS = "[...document.querySelectorAll('#rows tbody tr a')].map(a => a.textContent)"


def use(browser, url, text):
    browser.open(url)
    seen = {"before": browser.value(ROWS)}
    browser.key("/")
    browser.ask("Input.insertText", text=text)
    browser.until(f"{ROWS}.length < {len(seen['before'])}")
    seen["filtered"] = browser.value(ROWS)
    seen["address"] = browser.value("location.search")
    browser.value("document.querySelector('#rows tbody a').click()")
    browser.until("location.pathname === '/target' && document.readyState === 'complete'")
    seen["title"] = browser.value("document.querySelector('h1').textContent")
    seen["target"] = browser.value("document.body.innerText")
    browser.value("window.before = true; document.querySelector('form button').click()")
    browser.until("!window.before && location.pathname === '/target' && document.readyState === 'complete'")
    seen["probed"] = browser.value("document.querySelector('h1').textContent")
    seen["images"] = browser.value("document.images.length")
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(f"{url}{seen['address']}")
    seen["without_script"] = browser.value(ROWS)
    seen["complaints"] = browser.complaints
    return seen


def main():
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(sys.argv[1], profile)
        try:
            print(json.dumps(use(browser, sys.argv[2], sys.argv[3])))
        finally:
            browser.process.kill()
            browser.process.wait()


if __name__ == "__main__":
    main()
