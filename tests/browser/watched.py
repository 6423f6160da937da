"""A page of Chromium under watch: no error on its console, no request that fails or leaves the hub."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.hubs import PASSWORD


class Watched:
    """One browser with its own cookies, on the hub at ``url``; ``page`` is its only tab."""

    browser: ClassVar[Browser]
    made: ClassVar[list[Watched]]

    def __init__(
        self,
        url: str,
        *,
        name: str = "",
        width: int = 1280,
        colours: Literal["light", "dark"] = "light",
        scripts: bool = True,
    ) -> None:
        self.url = url
        self.complaints: list[str] = []
        self.context = self.browser.new_context(
            base_url=url,
            viewport={"width": width, "height": 900},
            color_scheme=colours,
            java_script_enabled=scripts,
            permissions=["clipboard-read", "clipboard-write"] if scripts else [],
        )
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self._note(_is_bad(message), message.text))
        self.page.on("pageerror", lambda error: self._note(True, str(error)))
        self.page.on("request", lambda request: self._note(not request.url.startswith((url, "data:")), request.url))
        self.page.on("requestfailed", lambda request: self._note(request.failure != "net::ERR_ABORTED", request.url))
        self.made.append(self)
        if name:
            self.sign_in(name)

    def _note(self, is_bad: bool, text: str) -> None:
        if is_bad:
            self.complaints.append(text)

    def sign_in(self, name: str) -> None:
        self.go("/login")
        self.page.get_by_label("User name").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("main").get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(self.url + "/")

    def go(self, path: str) -> None:
        self.page.goto(path)

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)

    def close(self) -> None:
        self.context.close()


def _is_bad(message: ConsoleMessage) -> bool:
    # A form that was refused comes back with this status; Chromium reports it as if a resource had failed.
    return message.type in ("error", "warning") and "status of 422" not in message.text
