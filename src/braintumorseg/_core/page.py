"""Pages in one self-contained HTML file: text, tables, and pictures inside."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from html import escape
from io import BytesIO

import pandas as pd
from matplotlib.figure import Figure


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page; the parts are HTML."""
    body = "\n".join(parts)
    return _PAGE.format(title=escape(title), body=body)


def heading(text: str) -> str:
    """Return the heading of a section."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{escape(text)}</p>"


def listing(lines: Iterable[str]) -> str:
    """Return a list, one point a line."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def picture(figure: Figure, alt: str) -> str:
    """Return a figure as a picture that is part of the page; ``alt`` says what it shows to who can't see it."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return f'<img src="data:image/png;base64,{b64encode(buffer.getvalue()).decode()}" alt="{escape(alt)}">'


def table(frame: pd.DataFrame) -> str:
    """Return a table of texts; whatever is in it is escaped."""
    head = "".join(f"<th>{escape(str(column))}</th>" for column in frame.columns)
    rows = (
        "<tr>" + "".join(f"<td>{escape(str(value))}</td>" for value in row) + "</tr>"
        for row in frame.itertuples(index=False)
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font-family: system-ui, sans-serif; line-height: 1.5; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
h2 {{ font-size: 1.2rem; margin: 2rem 0 0; }}
p {{ margin: 0.4rem 0 0.8rem; }}
img {{ max-width: 100%; height: auto; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; padding: 0.15rem 0.7rem 0.15rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }}
footer {{ color: #555; font-size: 0.85rem; margin-top: 2rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
<footer>For research, not for diagnosis.</footer>
</body>
</html>
"""
