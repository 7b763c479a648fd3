"""Where a request comes from, and where a person may be sent: this site, or nowhere.

Browsers say where a request comes from in `Sec-Fetch-Site` (Fetch Metadata), and in `Origin` before they knew it.
"""

from flask import request


def same_origin_path(unverified: str, default: str) -> str:
    """A path of this very site, or the default: never `//evil`, `/\\evil`, `javascript:…`, nor what browsers would read as such."""
    text = unverified if len(unverified) <= 1000 and unverified.isascii() and unverified.isprintable() else ""
    is_path = text.startswith("/") and not text.startswith("//") and "\\" not in text and " " not in text
    return text if is_path else default


def is_same_origin(origin: str) -> bool:
    """Whether this request comes from a page of this site, as browsers say: the first header if they send it, else the second."""
    site = request.headers.get("Sec-Fetch-Site")
    return site in ("same-origin", "none") if site is not None else request.headers.get("Origin", origin) == origin


def is_own_script(origin: str) -> bool:
    """Whether a script of this site sent it: what says nothing of where it comes from is refused."""
    site = request.headers.get("Sec-Fetch-Site")
    return site == "same-origin" if site is not None else request.headers.get("Origin") == origin
