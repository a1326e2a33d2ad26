r"""What the site's build adds to mkdocs.

Formulas, \( inline \) and \[ display \], become MathML, which browsers show without scripts or fonts from elsewhere. The
code of each page runs in an empty folder of its own. A site that fetches anything from elsewhere fails its build. Pages
use the functions without underscore below, as in ``from mkdocs_hooks import image``.
"""

import inspect
import io
import json
import logging
import os
import re
import shlex
import subprocess
import sys
from base64 import b64encode
from contextlib import redirect_stderr, redirect_stdout
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import Any

from latex2mathml.converter import convert
from PIL import Image

import braintumorseg
from braintumorseg.cli import main

ROOT = Path(__file__).parent
_scratch: list[TemporaryDirectory[str]] = []
_cache = TemporaryDirectory(prefix="hub-", ignore_cleanup_errors=True)
# Read at the imports of TensorFlow and of the Hub's client, which come with the first page that needs them.
os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "HF_HOME": _cache.name, "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
os.environ |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_TOKEN_PATH": os.devnull}

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
_hubs: list[Any] = []


def on_config(config: Any, **_: object) -> Any:
    """Let the code of pages import this file, as this very module."""
    sys.modules["mkdocs_hooks"] = sys.modules[__name__]
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
    while _hubs:
        _hubs.pop().__exit__(None, None, None)
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


def drawing(figure: Any, alt: str) -> str:
    """Return a matplotlib figure as a drawing in the page, sharp at every size."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    svg = buffer.getvalue()
    return f'<div role="img" aria-label="{escape(alt)}">{svg[svg.index("<svg") :]}</div>'


def script(name: str, code: str) -> str:
    """Write a script, run it in a process of its own, and return both as Markdown.

    Raises:
        RuntimeError: If it fails.
    """
    code = dedent(code).strip()
    Path(name).write_text(code, encoding="utf-8")
    # A network runs here once or twice: JAX would compile it for a minute, and for 15 seconds without most optimisations.
    environment = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "true"}
    done = subprocess.run([sys.executable, name], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        msg = f"{name} ended with {done.returncode}: {done.stderr}"
        raise RuntimeError(msg)
    return f'```python title="{name}"\n{code}\n```\n\n```console\n$ python {name}\n{done.stdout.rstrip()}\n```\n'


def notebook(name: str, cells: int | None = None) -> str:
    """Return the code of the first cells of one of the examples' notebooks as Markdown; of all, if not said of how many."""
    everything = json.loads((ROOT / "examples" / name).read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in everything if cell["cell_type"] == "code"]
    return "\n\n".join(f"```python\n{source}\n```" for source in sources[:cells])


def reference_tables() -> tuple[list[str], list[str]]:
    """Return the rows of the reference's index: the names at the top of the package, and its namespaces."""
    pages = {
        name: page.stem
        for page in (ROOT / "docs" / "reference").glob("*.md")
        for name in re.findall(r"^::: braintumorseg\.([\w.]+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    names, namespaces = [], []
    for name in sorted(set(braintumorseg.__all__) - {"__version__"}, key=str.lower):
        value = getattr(braintumorseg, name)
        first = (inspect.getdoc(value) or "").partition("\n")[0].replace("``", "`").replace("|", "\\|")
        if inspect.ismodule(value):
            namespaces.append(f"| [`bts.{name}`]({name}.md) | {first} |")
        else:
            names.append(f"| [`{name}`]({pages[name]}.md#braintumorseg.{name}) | {first} |")
    return names, namespaces


def local_hub() -> None:
    """Start the Hub of the tests, and let all that follows take it for the Hub, with the right to write."""
    sys.path.insert(0, str(ROOT / "tests"))
    from zoo.hub_server import TOKEN, Hub

    serving = Hub().serve()
    os.environ |= {"HF_ENDPOINT": serving.__enter__().url, "HF_TOKEN": TOKEN}
    _hubs.append(serving)


def _convert(match: re.Match[str]) -> str:
    inline, display = match.groups()
    return convert(inline or display, display="inline" if inline else "block")
