"""The browser of a person whom a Python or an Apache site sends to MAG: cookies, redirects, forms."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests


class Browser:
    """Cookies by origin, whatever their attributes: a browser trusts 127.0.0.1 with Secure cookies, `requests` does not."""

    def __init__(self) -> None:
        self.jars: dict[str, dict[str, str]] = {}

    def get(self, url: str, **options: Any) -> requests.Response:
        return self.request("GET", url, **options)

    def request(self, method: str, url: str, *, sent: Mapping[str, str] | None = None, **options: Any) -> requests.Response:
        """`sent`: headers, beside the cookies."""
        jar = self.jars.setdefault(urlsplit(url).netloc, {})
        cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())} if jar else {}
        response = requests.request(method, url, headers={**(sent or {}), **cookies}, allow_redirects=False, timeout=20, **options)
        for line in response.raw.headers.getlist("Set-Cookie"):
            name, _, value = line.split(";")[0].partition("=")
            ended = not value or "max-age=0" in line.lower() or "01 jan 1970" in line.lower()
            jar.pop(name, None) if ended else jar.__setitem__(name, value)
        return response

    def follow(self, url: str, until: str = "") -> requests.Response:
        """To the end of the redirects, or to the one that leads to an address that begins so, which is not visited."""
        for _ in range(12):
            response = self.get(url)
            if response.status_code not in (301, 302, 303):
                return response
            url = urljoin(url, response.headers["Location"])
            if until and url.startswith(until):
                return response
        raise AssertionError(f"too many redirects, at {url}")

    def submit(self, page: requests.Response, until: str = "", *, to: str = "", **fields: str) -> requests.Response:
        """Send the first form of a page that leads to an address that ends with `to`, and follow; a page in answer is where it ends."""
        action = re.search(rf'<form[^>]*action="([^"]*{to})"(.*?)</form>', page.text, re.DOTALL)
        assert action is not None, page.text
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', action[2])
        data = {name: unescape(value) for name, value in hidden} | fields
        response = self.request("POST", urljoin(page.url, unescape(action[1])), data=data)
        if response.status_code == 200:
            return response
        assert response.status_code in (302, 303), response.text
        return self.follow(urljoin(response.url, response.headers["Location"]), until)

    def sign_in(self, address: str, identity: dict[str, str], until: str) -> str:
        """The person signs in unless they are already; where the partner's own address begins, with its answer."""
        page = self.follow(address, until)
        if page.status_code == 200:
            page = self.submit(page, until, **identity)
        return page.headers["Location"]
