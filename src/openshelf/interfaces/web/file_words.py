"""Words for kinds of files and for the figures of columns, in the reader's language."""

from __future__ import annotations

from openshelf.analysis.files import sniffing
from openshelf.analysis.files.sniffing import Kind
from openshelf.analysis.tables.table import Column
from openshelf.interfaces.web.languages import Language

_MOST_BINS_SAID = 24


class FileWords:
    """The words of one language."""

    def __init__(self, language: Language) -> None:
        self._ = language.gettext

    def file_kind(self, kind: Kind) -> str:
        """A kind of file as a noun; names of formats are the same everywhere."""
        _ = self._
        said = {
            sniffing.TEXT: _("text"),
            sniffing.EMPTY: _("empty file"),
            sniffing.UNKNOWN: _("binary data"),
            sniffing.NOTEBOOK: _("Jupyter notebook"),
            sniffing.PICKLE: _("Python pickle"),
            sniffing.NPY: _("NumPy array"),
            sniffing.ZIP: _("ZIP archive"),
            sniffing.TAR: _("tar archive"),
            sniffing.PDF: _("PDF document"),
            sniffing.SVG: _("SVG image"),
            sniffing.SQLITE: _("SQLite database"),
            sniffing.ELF: _("program for Linux (ELF)"),
            sniffing.WINDOWS: _("program for Windows"),
        }
        return said.get(kind, kind.name)

    def viewer(self, kind: Kind) -> str:
        """What the way to show a kind of file is called, beside its source."""
        _ = self._
        said = {
            "markdown": _("Rendered"),
            "notebook": _("Notebook"),
            "json": _("Tree"),
            "json_lines": _("Table"),
            "delimited": _("Table"),
            "image": _("Picture"),
        }
        return said.get(kind.view, _("Shown"))

    def table_fact(self, name: str) -> str:
        _ = self._
        said = {
            "Delimiter": _("delimiter"),
            "Row groups": _("row groups"),
            "Packed with": _("packed with"),
            "Written by": _("written by"),
        }
        return said.get(name, name)

    def bins_of(self, column: Column) -> str:
        """What the bars of a column count."""
        _ = self._
        said = {"values": _("Values"), "lengths": _("Lengths"), "common values": _("Common values")}
        return said.get(column.bins_of, _("Values"))

    def histogram(self, column: Column) -> str:
        return self._("%(what)s of %(column)s") % {"what": self.bins_of(column), "column": column.name}

    def histogram_data(self, column: Column) -> str:
        """The bars in words."""
        others = self._("all others")
        said = [f"{found.label or others}: {found.count:,}" for found in column.bins[:_MOST_BINS_SAID]]
        return "; ".join(said)

    def column_range(self, column: Column) -> str:
        """What the head of a column says under its bars."""
        _ = self._
        if column.bins_of == "lengths" and column.bins:
            return _("lengths %(range)s") % {"range": _ends(column)}
        if column.bins_of == "common values" and column.distinct:
            return _("%(n)s distinct") % {"n": f"{column.distinct:,}"}
        if column.minimum and column.maximum:
            return f"{column.minimum} – {column.maximum}"
        if column.distinct:
            more = "+" if column.has_more_distinct else ""
            return _("%(n)s distinct") % {"n": f"{column.distinct:,}{more}"}
        return ""


def _ends(column: Column) -> str:
    first, last = column.bins[0].low, column.bins[-1].high
    if first is None or last is None:
        return ""
    return f"{first:,.0f} – {last:,.0f}" if first != last else f"{first:,.0f}"
