# SPDX-License-Identifier: GPL-2.0-only
"""A headless Chromium, driven over a pipe by its DevTools protocol: pages, keys, the mouse, pictures."""
import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

PROGRAM = os.environ.get("CHROMIUM") or "chromium-headless-shell"
LIMIT = 60  # seconds for one answer
# Puts the two pipe ends where --remote-debugging-pipe wants them, then becomes the browser.
LAUNCHER = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3]]
for end, fd in zip(ends, (3, 4)):
    os.dup2(end, fd)
os.execvp(sys.argv[3], sys.argv[3:])
"""
KEYS = {"ArrowLeft": 37, "ArrowRight": 39, "ArrowUp": 38, "ArrowDown": 40, "PageUp": 33, "PageDown": 34,
        "Home": 36, "End": 35, "Enter": 13, " ": 32, "p": 80}


class Browser:
    """One browser with one page. A context manager: leaving it ends the browser."""

    def __init__(self):
        assert shutil.which(PROGRAM), \
            f"{PROGRAM} is not installed: `make setup` installs it, CHROMIUM=… names another one"
        self.folder = tempfile.mkdtemp(prefix="percpu-picture.")
        self.numbers = itertools.count(1)
        self.buffer = b""
        self.events = []  # what the page told, in order: requests, exceptions
        self.session = None
        self._start()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.call(domain + ".enable")
        self.size(1280, 1000)

    def _start(self):
        child_in, self.to_browser = os.pipe()
        self.from_browser, child_out = os.pipe()
        arguments = [PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                     "--disable-dev-shm-usage", "--disable-background-networking", "--disable-extensions",
                     "--remote-debugging-pipe", "--user-data-dir=" + self.folder]
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, str(child_in), str(child_out), *arguments],
            pass_fds=(child_in, child_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(child_in)
        os.close(child_out)

    def _message(self, deadline):
        """The next message, or None at the deadline."""
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.from_browser], [], [], max(deadline - time.monotonic(), 0))
            if not ready:
                return None
            data = os.read(self.from_browser, 1 << 16)
            assert data, "the browser ended"
            self.buffer += data
        text, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(text)

    def call(self, method, **params):
        """A command and its result; what the page tells meanwhile is kept in events."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to_browser, data):]
        deadline = time.monotonic() + LIMIT
        while True:
            answer = self._message(deadline)
            assert answer, f"{method}: no answer within {LIMIT} s"
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def value(self, expression):
        """What a JavaScript expression gives; a promise is waited for."""
        got = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in got, f"{expression}: {got['exceptionDetails']}"
        return got["result"].get("value")

    def until(self, expression, limit=LIMIT):
        """Waits until the expression holds."""
        deadline = time.monotonic() + limit
        while not self.value(expression):
            assert time.monotonic() < deadline, f"not so within {limit} s: {expression}"
            time.sleep(0.05)

    def open(self, path, hash_part=""):
        """Opens a file as a fresh page and waits until its scripts have run."""
        self.call("Page.navigate", url="about:blank")
        self.events.clear()
        self.call("Page.navigate", url=f"file://{os.path.abspath(path)}{hash_part}")
        self.until("document.readyState === 'complete' && location.protocol === 'file:'")

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=False)

    def scheme(self, name):
        """Has the page believe that the user wants it light or dark."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def key(self, name):
        text = {"Enter": "\r"}.get(name, name if len(name) == 1 else "")
        fields = {"key": name, "windowsVirtualKeyCode": KEYS[name]}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **fields)
        self.call("Input.dispatchKeyEvent", type="keyUp", **fields)

    def mouse(self, kind, x, y):
        """kind: mouseMoved, mousePressed or mouseReleased, at a point of the window."""
        pressed = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)

    def click(self, x, y):
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.mouse(kind, x, y)

    def box(self, selector):
        """(x, y, width, height) of an element in the window, scrolled into it."""
        return self.value(f"""(() => {{
            const found = document.querySelector({json.dumps(selector)});
            found.scrollIntoView({{block: "center"}});
            const box = found.getBoundingClientRect();
            return [box.x, box.y, box.width, box.height];
        }})()""")

    def picture(self, path):
        """What the window shows, as a PNG file."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def told(self, method):
        """The parameters of what the page told of one kind since it was opened."""
        return [event["params"] for event in self.events if event["method"] == method]

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.to_browser)
        os.close(self.from_browser)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
