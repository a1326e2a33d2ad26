r"""What the site's build adds to mkdocs.

Formulas, \( inline \) and \[ display \], become MathML, which browsers show without scripts or fonts from elsewhere. The
code of each page runs in an empty folder of its own. A site that fetches anything from elsewhere fails its build. Pages
use ``image`` and ``console``, as in ``from mkdocs_hooks import image``.
"""

import io
import logging
import os
import re
import shlex
import sys
from base64 import b64encode
from contextlib import redirect_stderr, redirect_stdout
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from latex2mathml.converter import convert
from PIL import Image

from braintumorseg.cli import main

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_FORMULA = re.compile(r"\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
# What a browser fetches on its own; links that a reader may follow are none of it.
_FETCHED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\s\"'>]+"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|preconnect|icon|manifest))[^>]*\bhref=[\"']?(?:https?:)?//[^\s\"'>]+"
    r"|@import\s+[\"']?(?:url\()?[\"']?(?:https?:)?//[^\s\"')]+"
    r"|url\([\"']?(?:https?:)?//[^\s\"')]+"
)
_WIDTH = 960
_log = logging.getLogger("mkdocs.hooks")
_home = Path.cwd()
_scratch: list[TemporaryDirectory[str]] = []


def on_config(config: Any, **_: object) -> Any:
    """Let the code of pages import this file."""
    sys.path.insert(0, str(Path(__file__).parent))
    return config


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace the formulas of one page, outside code, and let its code run in a folder of its own."""
    _scratch.append(TemporaryDirectory(prefix="page-", ignore_cleanup_errors=True))
    os.chdir(_scratch[-1].name)
    parts = re.split(r"(```.*?```|`[^`\n]*`)", markdown, flags=re.DOTALL)
    return "".join(part if part.startswith("`") else _FORMULA.sub(_convert, part) for part in parts)


def on_env(env: Any, **_: object) -> Any:
    """Leave the folders of the pages, all of whose code has run."""
    os.chdir(_home)
    while _scratch:
        _scratch.pop().cleanup()
    return env


def on_post_build(config: Any, **_: object) -> None:
    """Warn, which ends a strict build, of each file that makes a browser fetch something from elsewhere."""
    site = Path(config["site_dir"])
    for path in sorted(site.rglob("*")):
        if path.suffix in (".html", ".css"):
            for found in _FETCHED.findall(path.read_text(encoding="utf-8")):
                _log.warning("%s fetches from elsewhere: %s", path.relative_to(site), found[:200])


def image(picture: Any, alt: str) -> str:
    """Return a matplotlib figure, or a picture's file, as an element of the page that needs no other file."""
    buffer = io.BytesIO()
    if isinstance(picture, (str, Path)):
        buffer.write(Path(picture).read_bytes())
    else:
        picture.savefig(buffer, dpi=120)
    pixels = Image.open(buffer).convert("RGB")
    if pixels.width > _WIDTH:
        pixels = pixels.resize((_WIDTH, round(pixels.height * _WIDTH / pixels.width)), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    pixels.save(packed, "webp", quality=85, method=6)
    data = b64encode(packed.getvalue()).decode()
    size = f'width="{pixels.width}" height="{pixels.height}"'
    return f'<p><img src="data:image/webp;base64,{data}" alt="{escape(alt)}" {size}></p>'


def console(*commands: str) -> str:
    """Run commands of ``braintumorseg`` in this process, and return them with what they print.

    Raises:
        RuntimeError: If one ends with another exit code than 0.
    """
    lines = []
    for command in commands:
        printed, arguments = io.StringIO(), shlex.split(command)
        before, sys.argv = sys.argv, arguments
        os.environ["COLUMNS"] = "100"
        try:
            with redirect_stdout(printed), redirect_stderr(printed):
                main()
        except SystemExit as end:
            if end.code:
                msg = f"{command} ended with {end.code}: {printed.getvalue()}"
                raise RuntimeError(msg) from end
        finally:
            sys.argv = before
            del os.environ["COLUMNS"]
        lines += [f"$ {command}", printed.getvalue().rstrip(), ""]
    return "\n".join(lines)


def _convert(match: re.Match[str]) -> str:
    inline, display = match.groups()
    return convert(inline or display, display="inline" if inline else "block")
