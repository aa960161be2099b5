"""A real headless browser, driven over the WebDriver protocol, and its screenshots decoded."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import struct
import subprocess
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


DRIVER = shutil.which("chromedriver") or ""


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")


WIDE, NARROW = (1000, 760), (380, 760)


ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


"""The key under which WebDriver hands out an element (W3C WebDriver, "Elements")."""


_TEXT = "return document.querySelector(arguments[0]).innerText"


_BOX = (
    "const r = document.querySelector(arguments[0]).getBoundingClientRect();"
    "return [r.x, r.y, r.width, r.height].map(Math.round)"
)


class Rectangle(NamedTuple):
    """A box on the page, in CSS pixels."""

    x: int
    y: int
    width: int
    height: int


class Picture(NamedTuple):
    """A decoded screenshot: rows of RGB triples."""

    width: int
    rows: list[bytearray]

    def at(self, x: float, y: float) -> tuple[int, int, int]:
        """Read one pixel."""
        red, green, blue = self.rows[int(y)][int(x) * 3 : int(x) * 3 + 3]
        return red, green, blue

    def column(self, x: int) -> Counter[tuple[int, int, int]]:
        """Count the colors of a column."""
        return Counter(self.at(x, y) for y in range(len(self.rows)))

    def brightness(self) -> float:
        """Give the mean of all values, 0 to 255."""
        return sum(map(sum, self.rows)) / (len(self.rows) * self.width * 3)


def decode(png: bytes) -> Picture:
    """Decode a PNG of eight bits a channel without interlacing, RGB or RGBA (W3C PNG, "Filtering")."""
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", png[16:29])
    assert (depth, interlaced) == (8, 0)
    size = {2: 3, 6: 4}[kind]
    packed, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        packed += png[at + 8 : at + 8 + length] if png[at + 4 : at + 8] == b"IDAT" else b""
        at += length + 12
    data, stride = zlib.decompress(packed), width * size
    rows, above = [], bytearray(stride)
    for y in range(height):
        start = y * (stride + 1)
        line = bytearray(data[start + 1 : start + 1 + stride])
        _unfilter(data[start], line, above, size)
        above = line
        rows.append(line if size == 3 else bytearray(value for x, value in enumerate(line) if x % 4 != 3))
    return Picture(width, rows)


def _unfilter(kind: int, line: bytearray, above: bytearray, size: int) -> None:
    """Undo a row's filter in place."""
    for x in range(len(line) if kind else 0):
        left, corner = (line[x - size], above[x - size]) if x >= size else (0, 0)
        up = above[x]
        if kind == 4:
            by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
            least = min(by_left, by_up, by_corner)
            guess = left if by_left == least else up if by_up == least else corner
        else:
            guess = (0, left, up, (left + up) // 2)[kind]
        line[x] = (line[x] + guess) & 255


class Refused(Exception):
    """The driver could not do that, now."""


class Browser:
    """The few words of WebDriver that a person's way needs."""

    def __init__(self, driver: httpx.Client, profile: Path) -> None:
        switches = (
            "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
            "--disable-component-update --disable-sync --no-proxy-server --hide-scrollbars"
        ).split()
        options = {"binary": BROWSER, "args": [*switches, f"--user-data-dir={profile}"]}
        self._driver = driver
        self._session = ""
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self._session = f"/session/{self.call('POST', '/session', **wanted)['sessionId']}"

    def call(self, method: str, path: str, **body: Any) -> Any:
        """Send a command; returns its value, or raises `Refused`."""
        answer = self._driver.request(method, f"{self._session}{path}", json=body if method == "POST" else None)
        value = answer.json()["value"]
        if answer.status_code != 200:
            raise Refused(value["message"])
        return value

    def chrome(self, cmd: str, **params: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return self.call("POST", "/goog/cdp/execute", cmd=cmd, params=params)

    def view(self, size: tuple[int, int], scheme: str = "light") -> None:
        """Look at the page in a window of this size, in the light or dark color scheme."""
        width, height = size
        self.chrome("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.chrome("Emulation.setEmulatedMedia", features=features)

    def open(self, url: str) -> None:
        """Go to an address."""
        self.call("POST", "/url", url=url)

    def find(self, css: str) -> str:
        """Find an element."""
        found: str = self.call("POST", "/element", using="css selector", value=css)[ELEMENT]
        return found

    def type(self, css: str, text: str) -> None:
        """Replace what a field holds, by keys; a field for a start takes them as an American types a date and time."""
        element = self.find(css)
        self.call("POST", f"/element/{element}/clear")
        self.call("POST", f"/element/{element}/value", text=text)

    def click(self, css: str) -> None:
        """Click on the middle of an element; the page that a form leads to comes later."""
        self.call("POST", f"/element/{self.find(css)}/click")

    def text(self, css: str) -> str:
        """Read an element as a person sees it."""
        found: str = self.call("POST", "/execute/sync", script=_TEXT, args=[css])
        return found

    def run(self, script: str) -> Any:
        """Run a script in the page."""
        return self.call("POST", "/execute/sync", script=script, args=[])

    def box(self, css: str) -> Rectangle:
        """Say where an element is in the window."""
        return Rectangle(*self.call("POST", "/execute/sync", script=_BOX, args=[css]))

    def picture(self) -> Picture:
        """Take a screenshot of the window."""
        return decode(base64.b64decode(self.call("GET", "/screenshot")))


@contextlib.contextmanager
def a_browser(profile: Path) -> Iterator[Browser]:
    """Start a browser with this profile folder. Its driver chooses a free port and says it on its first lines."""
    command, surroundings = [DRIVER, "--port=0"], {**os.environ, "LANGUAGE": "en_US"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=surroundings) as process:
        assert process.stdout is not None
        try:
            line = next(line for line in process.stdout if "successfully on port" in line)
            port = line.rpartition("port ")[2].strip(" .\n")
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as driver:
                browser = Browser(driver, profile)
                yield browser
                browser.call("DELETE", "")
        finally:
            process.terminate()
