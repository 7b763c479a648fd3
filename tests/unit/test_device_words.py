"""Devices, as their owners call them."""

import pytest

from idp.authentication.device_words import UNKNOWN, device_words

WINDOWS, MAC, LINUX = "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64"
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (f"Mozilla/5.0 ({WINDOWS}; rv:144.0) Gecko/20100101 Firefox/144.0", "Firefox sur Windows"),
        (f"Mozilla/5.0 ({WINDOWS}) {CHROME}", "Chrome sur Windows"),
        (f"Mozilla/5.0 ({WINDOWS}) {CHROME} Edg/141.0.0.0", "Edge sur Windows"),
        (f"Mozilla/5.0 ({LINUX}) {CHROME} OPR/125.0.0.0", "Opera sur Linux"),
        (f"Mozilla/5.0 ({MAC}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15", "Safari sur Mac"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/18.6 Mobile/15E148 Safari/604.1",
            "Safari sur iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15; SM-S931B) AppleWebKit/537.36 SamsungBrowser/28.0 Chrome/130 Safari/537.36",
            "Samsung Internet sur Android",
        ),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/141 Safari/537.36", "Chrome sur ChromeOS"),
        ("curl/8.5.0", UNKNOWN),
        ("", UNKNOWN),
        ("<script>alert(1)</script> Firefox/1", "Firefox"),
        ("Something (Linux)", "navigateur sur Linux"),
        ("x" * 5000 + "Firefox/1", UNKNOWN),
    ],
)
def test_a_device_is_told_in_a_few_words_of_ours(user_agent, words):
    assert device_words(user_agent) == words
