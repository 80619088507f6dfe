"""The live page in a real browser: opened, read as a person reads it, and a line to the server that can be cut.

Every visit is watched: a script error, a complaint of the browser (its security policy among them), a dialog, or a request
that leaves the server the page came from fails the test when the visit ends.
"""

from __future__ import annotations

import dataclasses
import decimal
import os
import re
import socket
import threading
import time
import urllib.parse

from playwright.sync_api import Browser, Page

from program import ROOT

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
AXE = ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"

# Notes on the way to the first number, and later every version a panel shows, with the time; before any script of the page.
WATCH = """
window.watched = { firstNumber: null, shown: [] };
new MutationObserver((changes) => {
  const now = performance.timeOrigin + performance.now();
  if (window.watched.firstNumber === null && document.querySelector('.tile-value, .rank-value, tbody td')) {
    window.watched.firstNumber = performance.now();
  }
  for (const { target, attributeName } of changes) {
    if (attributeName === 'data-version') window.watched.shown.push([target.dataset.panel, Number(target.dataset.version), now]);
  }
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-version'] });
"""

ROWS = """(table) => [...table.querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => {
  const time = cell.querySelector('time');
  return time ? time.dateTime : cell.textContent;
}))"""


def number(text: str) -> decimal.Decimal:
    """What a French reader takes it for: "1\u202f234,50 €"."""
    plain = re.sub(r"[\s\u00a0\u202f€]", "", text).replace("\u2212", "-").replace(",", ".")
    return decimal.Decimal(plain)


@dataclasses.dataclass
class Complaint:
    kind: str
    text: str


class Visit:
    """One tab, with what went wrong in it."""

    def __init__(self, browser: Browser, origin: str, path: str, width: int, height: int, **context):
        self.origin = origin.rstrip("/")
        self.context = browser.new_context(viewport={"width": width, "height": height}, locale="fr-FR", timezone_id="UTC", **context)
        self.page: Page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[Complaint] = []
        self.forgives_lost_connections = False
        self.forgives: tuple[str, ...] = ()
        page = self.page
        page.add_init_script(WATCH)
        self.context.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self._complain("script error", str(error)))
        page.on("console", lambda m: self._complain("console", f"{m.text} {m.location.get('url', '')}") if m.type in ("error", "warning") else None)
        page.on("dialog", lambda dialog: (self._complain("dialog", dialog.message), dialog.dismiss()))
        page.on("popup", lambda popup: self._complain("popup", popup.url))
        page.goto(self.origin + path)

    def _complain(self, kind: str, text: str) -> None:
        self.complaints.append(Complaint(kind, text))

    def check(self) -> None:
        """Nothing went wrong, and nothing was asked of anybody else."""
        left = [
            complaint
            for complaint in self.complaints
            if not (self.forgives_lost_connections and re.search(r"net::ERR_|Failed to fetch|network error", complaint.text))
            and not any(text in complaint.text for text in self.forgives)
        ]
        assert not left, left
        strangers = [url for url in self.requests if not url.startswith((self.origin + "/", "data:"))]
        assert not strangers, strangers

    def close(self) -> None:
        self.context.close()

    # ---- what is on the page ----

    def until(self, expression: str, *arguments, timeout: float = 20) -> None:
        """Until the JavaScript function is true. Playwright's own waiting compiles text in the page, which its policy forbids."""
        deadline = time.monotonic() + timeout
        while not self.page.evaluate(expression, *arguments):
            assert time.monotonic() < deadline, f"not in {timeout} s: {expression} {arguments}"
            self.page.wait_for_timeout(20)

    def wait_tile(self, panel: str, column: str, value) -> None:
        """Until the tile shows the whole number."""
        self.until(
            """([panel, column, digits]) => document.querySelector(`[data-panel="${panel}"] [data-column="${column}"] .tile-value`)
                ?.textContent.replace(/\\D/g, '') === digits""",
            [panel, column, str(value)],
        )

    def wait_ready(self) -> "Visit":
        """Every panel has its rows, and the stream is there."""
        self.page.locator(".vital-state", has_text="Live").wait_for()
        self.until("() => document.querySelector('[data-panel]') && !document.querySelector('[data-panel][aria-busy=true]')")
        return self

    def panel(self, panel: str):
        return self.page.locator(f'[data-panel="{panel}"]')

    def tile(self, panel: str, column: str) -> decimal.Decimal:
        return number(self.panel(panel).locator(f'[data-column="{column}"] .tile-value').text_content())

    def rows(self, panel: str) -> list[list[str]]:
        """Of a table; of bars, shares and lines behind their button "Table" too."""
        button = self.panel(panel).get_by_role("button", name="Table of")
        if button.count() and button.get_attribute("aria-pressed") == "false":
            button.click()
        return self.panel(panel).locator("table").evaluate(ROWS)

    def version(self, panel: str) -> int:
        return int(self.panel(panel).get_attribute("data-version"))

    def filter(self, name: str):
        return self.page.locator(f'.filters select[name="{name}"]')

    @property
    def drawer(self):
        return self.page.locator("dialog.drawer")

    def query(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.page.url).query))

    def focused(self) -> str:
        """What has the focus, as a person would name it."""
        return self.page.evaluate(
            "(() => { const e = document.activeElement; return (e.getAttribute('aria-label') ?? e.name ?? '') || e.innerText || e.tagName })()"
        ).strip()

    def sideways(self) -> int:
        """By how many pixels the page can be scrolled sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def wait_at_rest(self) -> None:
        """Until what fades or moves in has come: colours are half transparent on the way."""
        self.until("() => document.getAnimations().every((a) => a.playState !== 'running' || a.effect.getTiming().iterations === Infinity)")

    def axe(self) -> list[str]:
        """What axe finds wrong, rule by rule."""
        self.wait_at_rest()
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text())
        result = self.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        assert len(result["passes"]) > 10, "axe has looked at nothing"
        return [f"{v['id']}: {v['help']}: {n['html'][:200]} {n['failureSummary'][:300]}" for v in result["violations"] for n in v["nodes"]]


class Line:
    """Carries connections to the server until it is cut. The server sees its own address in `Host`."""

    def __init__(self, port: int):
        self._to = port
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.heads: list[bytes] = []  # what clients sent first
        self._listener = self._listen(0)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._sockets += [client, server]
            threading.Thread(target=self._carry, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._carry, args=(server, client, False), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, rename: bool) -> None:
        try:
            while data := source.recv(65536):
                if rename:
                    self.heads.append(data)
                    data = data.replace(f"127.0.0.1:{self.port}".encode(), f"127.0.0.1:{self._to}".encode())
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self, stay_cut: bool = True) -> None:
        """Every connection breaks; with `stay_cut` new ones are refused until `mend`."""
        if stay_cut:
            # Shutting down wakes the accept; closing alone would leave it waiting.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        with self._lock:
            for end in self._sockets:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()
            self._sockets.clear()

    def mend(self) -> None:
        self._listener = self._listen(self.port)

    def last_event_ids(self) -> list[str]:
        """Of the requests for the event stream, in order; "" where there was none."""
        found = []
        for head in self.heads:
            if head.startswith(b"GET /api/v1/events"):
                match = re.search(rb"^last-event-id: *(\S*)\r$", head, re.IGNORECASE | re.MULTILINE)
                found.append(match[1].decode() if match else "")
        return found
