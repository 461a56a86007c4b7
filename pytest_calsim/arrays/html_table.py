"""Lay out small tables in HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["html_table"]


def html_table(title: str, rows: Iterable[Iterable[object]], header: Iterable[object] = ()) -> str:
    """Lay out a table that follows the notebook's own style, light or dark.

    Parameters
    ----------
    title
        Text above the table.
    rows
        Cells, row by row; their text is escaped.
    header
        Names of the columns; none by default.
    """
    style = 'style="text-align:left;vertical-align:top;white-space:normal"'
    head = "".join(f"<th {style}>{escape(str(name))}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td {style}>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    thead = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f"<div><strong>{escape(title)}</strong><table>{thead}<tbody>{body}</tbody></table></div>"
