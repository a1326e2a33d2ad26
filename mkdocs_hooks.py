r"""Turn formulas, \( inline \) and \[ display \], into MathML, which browsers show without scripts or fonts from elsewhere."""

import re

from latex2mathml.converter import convert

_FORMULA = re.compile(r"\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace the formulas of one page, outside code."""
    parts = re.split(r"(```.*?```|`[^`\n]*`)", markdown, flags=re.DOTALL)
    return "".join(part if part.startswith("`") else _FORMULA.sub(_convert, part) for part in parts)


def _convert(match: re.Match[str]) -> str:
    inline, display = match.groups()
    return convert(inline or display, display="inline" if inline else "block")
