"""A release of the widget: the sources made smaller by esbuild, measured, hashed, and written where they stay.

A version that was published is never written again with other content: pages hold its hash. Left out on purpose: source maps,
which would be one more file for partners to trust; the sources are in the repository.

`mag-login.js` fetches `mag-inline.js` and holds its hash: what vouches for the one vouches for the other.
"""

import gzip
import re
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import orjson

from idp.errors import RefusedError
from widget.releases import DONE, FOLDER, INLINE, LIST, LOGIN, Release, integrity, releases, short_integrity

SOURCES = Path(__file__).parent
BUDGETS = {LOGIN: (6144, 3000), DONE: (512, 512), INLINE: (4096, 2048)}
"""Bytes, as they are and by `gzip -9`."""
PROOF = re.compile(rb'(?<=\.integrity=")(?=")')
"""Where the element says what its other file must be."""
WORDED = {LOGIN: re.compile(r"^const WORDS = \{\n(.*?)^\};$", re.M | re.S), INLINE: re.compile(r"^const (TITLE = .*);$", re.M)}
"""Where each source says its words."""
WORD = re.compile(r"""^(\w+)(?::| =) \[("[^"\\]*[^"\\\s][^"\\]*"), ("[^"\\]*[^"\\\s][^"\\]*")\],?$""")
"""A word in French, then in English, neither empty."""
STYLE = re.compile(r"(?<=replaceSync\(`)[^`]*(?=`\))")
OPTIONS = ("--bundle", "--minify", "--format=esm", "--target=es2022", "--charset=utf8", "--legal-comments=none", "--log-level=error")


class PublicationRefusedError(RefusedError):
    """The release cannot be made, or would change what pages already load."""

    code = "publication_refusee"
    number = "M900400"
    remedy = "Exploitant : corrigez ce que le message nomme, ou changez la version dans widget/package.json."


def version() -> str:
    """Of the sources."""
    return str(orjson.loads((SOURCES / "package.json").read_bytes())["version"])


def built(esbuild: Path) -> dict[str, bytes]:
    """The files of a release, within their budgets, no word missing in either language. Raises PublicationRefusedError."""
    for name in WORDED:
        check_words(name, (SOURCES / name).read_text("utf-8"))
    made = {name: _smaller(esbuild, SOURCES / name) for name in BUDGETS}
    proof = short_integrity(made[INLINE]).encode()
    made[LOGIN] = PROOF.sub(proof, made[LOGIN])
    for name, content in made.items():
        sizes = (len(content), len(gzip.compress(content, 9, mtime=0)))
        most, most_small = BUDGETS[name]
        if sizes[0] > most or sizes[1] > most_small:
            raise PublicationRefusedError(
                f"{name}: {sizes} bytes",
                public=f"{name} est trop lourd : {sizes[0]} octets ({sizes[1]} compressés), au plus {most} ({most_small}).",
            )
    if made[LOGIN].count(proof) != 1:
        raise PublicationRefusedError(f"{LOGIN} without a hash", public=f"{LOGIN} ne dit pas, une fois, l'empreinte de {INLINE}.")
    return made


def check_words(name: str, source: str) -> None:
    """Each word of a source has two texts: what lacks one would be shown as nothing. Raises PublicationRefusedError."""
    found = WORDED[name].search(source)
    lines = [line.strip() for line in found[1].splitlines()] if found else []
    missing = [line.partition(":")[0] for line in lines if not WORD.match(line)]
    if missing or not lines:
        said = ", ".join(missing) or "tous"
        raise PublicationRefusedError(f"{name}: words {said}", public=f"{name} : il manque un texte, en français ou en anglais ({said}).")


def _smaller(esbuild: Path, source: Path) -> bytes:
    try:
        done = subprocess.run([str(esbuild), str(source), *OPTIONS], capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise PublicationRefusedError(f"esbuild: {type(error).__name__}", public=f"esbuild n'a pas abouti : {error}") from error
    return STYLE.sub(lambda found: squeezed(found[0]), done.stdout.decode()).encode()


def squeezed(style: str) -> str:
    """A style sheet without the spaces that mean nothing."""
    return re.sub(r" ?([{};:,]) ?", r"\1", " ".join(style.split())).replace(";}", "}")


def publish(made: dict[str, bytes], date: str, folder: Path = FOLDER, *, again: bool = False) -> Release:
    """Write a release and its line in the list. `again`: the version was not served anywhere yet. Raises PublicationRefusedError."""
    files = {name: {"integrity": integrity(content), "bytes": len(content)} for name, content in made.items()}
    known = releases(folder)
    held = next((one for one in known if one.version == version()), None)
    if held is not None and held.files != files and not again:
        raise PublicationRefusedError(
            f"{held.version} was published with other content", public=f"La version {held.version} est déjà publiée."
        )
    release = replace(held, files=files) if held else Release(version(), date, None, files)
    for name, content in made.items():
        path = folder / release.version / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    rows = [asdict(one) for one in (release, *(one for one in known if one is not held))]
    (folder / LIST).write_bytes(orjson.dumps({"releases": rows}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return release
