"""How a person recognises a device of theirs: « Firefox sur Windows ». Read from what the browser says of itself, which is worth no proof.

Left out on purpose: versions and models, which change without the device changing; browsers with fewer than one person in a hundred.
"""

LONGEST = 400
"""Characters of the header that are read."""
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)
"""Marks of the header, the most particular first, since browsers name their ancestors."""
UNKNOWN = "navigateur inconnu"


def device_words(user_agent: str) -> str:
    """`Firefox sur Windows`, `Safari sur iPhone`, `Chrome`, or UNKNOWN."""
    said = user_agent[:LONGEST]
    browser = next((name for mark, name in BROWSERS if mark in said), "")
    system = next((name for mark, name in SYSTEMS if mark in said), "")
    if browser and system:
        return f"{browser} sur {system}"
    return browser or (f"navigateur sur {system}" if system else UNKNOWN)
