"""A headless Chromium, driven over plain WebDriver by its own chromedriver; nothing else is needed."""

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
)
KEYS = {"Tab": "\ue004", "End": "\ue010", "Home": "\ue011", "Left": "\ue012", "Right": "\ue014", "Enter": "\ue007"}
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One window; its profile and its driver go with it."""

    def __init__(self):
        self._ends = contextlib.ExitStack()
        profile = self._ends.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._server = f"http://127.0.0.1:{port}"
        driver = subprocess.Popen([DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._ends.callback(driver.wait)
        self._ends.callback(driver.terminate)
        options = {"binary": CHROMIUM, "args": [*SWITCHES, f"--user-data-dir={profile}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        try:
            self._wait_for_driver(driver)
            session = self._send("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self._session = f"/session/{session['sessionId']}"
            self._ends.callback(self._send, "DELETE", self._session)
        except BaseException:
            self._ends.close()
            raise

    def _wait_for_driver(self, driver):
        for _ in range(600):
            with contextlib.suppress(OSError):
                if self._send("GET", "/status")["ready"]:
                    return
            assert driver.poll() is None, "chromedriver ended at once"
            time.sleep(0.1)
        raise TimeoutError("chromedriver does not answer")

    def _send(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._server + path, data, {"Content-Type": "application/json"}, method=method)
        # Never through a proxy, whatever the environment says.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=180) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from error

    def command(self, path, **body):
        return self._send("POST", self._session + path, body)

    def protocol(self, name, **parameters):
        """Send a command of the DevTools protocol."""
        return self.command("/goog/cdp/execute", cmd=name, params=parameters)

    def open(self, path):
        self.log("browser")
        self.log("performance")
        self.command("/url", url=path.resolve().as_uri())

    def run(self, script, *arguments):
        """Run the body of a function, and return what it returns."""
        return self.command("/execute/sync", script=script, args=list(arguments))

    def log(self, kind):
        """Return what was logged since it was last asked for."""
        return self.command("/se/log", type=kind)

    def requests(self):
        """Return the addresses that were asked for since the page was opened."""
        messages = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        return [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]

    def click(self, selector):
        found = self.command("/element", using="css selector", value=selector)
        self.command(f"/element/{found[ELEMENT]}/click")

    def press(self, *keys):
        """Press keys where the focus is."""
        actions = []
        for key in (KEYS.get(key, key) for key in keys):
            actions += [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.command("/actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def resize(self, width, height, *, phone=False):
        self.protocol(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )
        self.protocol("Emulation.setTouchEmulationEnabled", enabled=phone)

    def theme(self, name):
        feature = {"name": "prefers-color-scheme", "value": name}
        self.protocol("Emulation.setEmulatedMedia", features=[feature])

    def close(self):
        self._ends.close()


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM or not DRIVER:
        pytest.skip("no chromium and chromedriver on the PATH (Debian: apt-get install chromium chromium-driver)")
    opened = Browser()
    yield opened
    opened.close()
