"""The first card of a repo: what it should say, for somebody to fill in."""

from __future__ import annotations

from openshelf.domain.names import RepoKind

_HEADS = {
    RepoKind.MODEL: """\
license: {licence}
# What the filters of the hub and its clients go by; take the # away and fill in:
# language: [en]
# library_name: transformers
# pipeline_tag: text-classification
# base_model: owner/name
# datasets: [owner/name]
""",
    RepoKind.DATASET: """\
license: {licence}
# What the filters of the hub and its clients go by; take the # away and fill in:
# language: [en]
# task_categories: [text-classification]
# size_categories: [1K<n<10K]
# pretty_name: A name for people
""",
    RepoKind.SPACE: """\
title: "{title}"
sdk: static
license: {licence}
# models: [owner/name]
# datasets: [owner/name]
""",
    RepoKind.KERNEL: """\
license: {licence}
tags: [kernel]
""",
}
_BODIES = {
    RepoKind.MODEL: """\
One sentence: what this model does, and for whom.

## How to use it

## What it was trained on

The data, where it comes from, and the licence of each part.

## How good it is

Figures, the data and the commands that they were measured with.

## What it is not good for

Known errors, biases and uses to avoid.
""",
    RepoKind.DATASET: """\
One sentence: what is in here, and what it is good for.

## What it holds

Files, columns and their meaning, number of rows.

## Where it comes from

Sources, how it was gathered and cleaned, and the licence of each part.

## Whom it concerns

Personal data, consent, and how to have something taken out.

## What it is not good for

Gaps, biases and uses to avoid.
""",
    RepoKind.SPACE: """\
One sentence: what this shows.

## How to run it
""",
    RepoKind.KERNEL: """\
One sentence: what this kernel computes, and on which devices.

## How to use it

## How fast it is

Figures, the devices and the commands that they were measured with.
""",
}


def first_card(kind: RepoKind, name: str, licence: str = "") -> str:
    """README.md for a repo of ``kind`` called ``name``; ``licence`` is an id, or empty for a line to fill in."""
    head = _HEADS[kind].format(licence=licence or "other", title=name)
    if not licence:
        hint = "# The terms that others may use this by, such as apache-2.0, mit or cc-by-4.0:\nlicense:"
        head = head.replace("license: other", hint)
    return f"---\n{head}---\n\n# {name}\n\n{_BODIES[kind]}"
