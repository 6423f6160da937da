"""What the pages show of text: tables, lines of JSON, JSON trees, notebooks."""

from __future__ import annotations

import json

from openshelf.analysis.files.json_tree import read_json
from openshelf.analysis.files.notebooks import read_notebook
from openshelf.analysis.files.ranges import UnreadableFile
from openshelf.analysis.files.texts import decode
from openshelf.analysis.tables.delimited import read_delimited
from openshelf.analysis.tables.json_lines import read_json_lines
from tests.fuzz.target import Target


def run(data: bytes) -> None:
    try:
        read_notebook(data)
    except UnreadableFile as error:
        assert str(error)
    for is_whole in (True, False):
        text = decode(data, is_whole=is_whole)
        if text is None:
            continue
        for read in (read_delimited, read_json_lines):
            try:
                read(text.text, is_whole=is_whole, size=len(data))
            except UnreadableFile as error:
                assert str(error)
        try:
            read_json(text.text, is_whole=is_whole)
        except UnreadableFile as error:
            assert str(error)


def _seeds() -> list[bytes]:
    cell = {"cell_type": "code", "source": ["x"], "outputs": [{"output_type": "stream", "text": "y"}]}
    notebook = {"nbformat": 4, "metadata": {"kernelspec": {"language": "python"}}, "cells": [cell]}
    lines = b'{"a":1,"b":[2]}\n{"a":null,"c":{"d":1e400}}\n'
    return [
        json.dumps(notebook).encode(),
        lines,
        b'a,b\n1,"x ""y"" z"\n2,\n',
        b"a\tb\n1\t2\n",
        b'[[1,{"a":"\\u00e9"}]]',
    ]


TARGET = Target(run, _seeds, memory=16 * 1024 * 1024, per_byte=2000)
