"""Full-text search over repos: names, tags and the words of the card."""

from __future__ import annotations

import sqlalchemy as sa

from openshelf.domain.repos import Repo
from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.schema import repos

MAX_TEXT = 4000
MAX_HITS = 5000
_SHORTEST = 3


def index(tx: Transaction, repo: Repo, text: str) -> None:
    """Make ``repo`` findable by its name and tags and by ``text``, of which the beginning is used."""
    remove(tx, repo.seq)
    tx.execute(
        sa.text("INSERT INTO repo_search(rowid, name, tags, text) VALUES (:seq, :name, :tags, :text)"),
        {"seq": repo.seq, "name": repo.full_name, "tags": " ".join(repo.tags), "text": text[:MAX_TEXT]},
    )


def remove(tx: Transaction, seq: int) -> None:
    tx.execute(sa.text("DELETE FROM repo_search WHERE rowid = :seq"), {"seq": seq})


def indexed(tx: Transaction) -> set[int]:
    """``seq`` of every repo that is in the index."""
    return {row[0] for row in tx.execute(sa.text("SELECT rowid FROM repo_search"))}


def find(tx: Transaction, query: str) -> list[int]:
    """``seq`` of the repos that hold every word of ``query``, newest first, at most ``MAX_HITS``.

    Words of fewer than three letters are looked for in names alone.
    """
    words = "".join(c if c.isprintable() else " " for c in query.lower()).split()
    long = [word for word in words if len(word) >= _SHORTEST]
    short = [word for word in words if len(word) < _SHORTEST]
    if long:
        phrase = " AND ".join('"' + word.replace('"', '""') + '"' for word in long)
        found = tx.execute(
            sa.text("SELECT rowid FROM repo_search WHERE repo_search MATCH :q ORDER BY rowid DESC LIMIT :n"),
            {"q": phrase, "n": MAX_HITS},
        )
        hits = [row[0] for row in found]
    else:
        hits = list(tx.scalars(sa.select(repos.c.seq).order_by(repos.c.seq.desc()).limit(MAX_HITS)))
    if short:
        named = sa.and_(*(repos.c.name_key.contains(word, autoescape=True) for word in short))
        allowed = set(tx.scalars(sa.select(repos.c.seq).where(named)))
        hits = [seq for seq in hits if seq in allowed]
    return hits
