"""Fills a data folder with many made-up repos, as they look in the catalogue: ``python -m bench.many_repos DATA``.

They have no files. Names, tags, cards and numbers of downloads are spread as on a real hub: a few words and owners are
everywhere, most are rare (Zipf).
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from openshelf.domain.names import RepoKind
from openshelf.domain.people import Account, AccountKind
from openshelf.domain.repos import Visibility
from openshelf.services.hub import now
from openshelf.storage.catalogue import Transaction, accounts, facets
from openshelf.storage.catalogue.ids import new_id
from openshelf.storage.catalogue.schema import repos
from openshelf.storage.store import open_storage

_AT_ONCE = 5_000
OWNERS = 200
_WORDS_EACH = 28
TASKS = ("text-generation", "text-classification", "image-classification", "translation", "fill-mask", "summarization")
_LIBRARIES = ("transformers", "diffusers", "sentence-transformers", "timm", "keras", "gguf")
LICENCES = ("apache-2.0", "mit", "cc-by-4.0", "openrail", "other")
_LANGUAGES = ("en", "de", "fr", "sw", "hi", "zh", "ar", "pt")
_KINDS = (RepoKind.MODEL, RepoKind.MODEL, RepoKind.MODEL, RepoKind.DATASET)
_SYLLABLES = (
    "ba",
    "co",
    "di",
    "fu",
    "ge",
    "ha",
    "ki",
    "lo",
    "mi",
    "nu",
    "pe",
    "ra",
    "so",
    "ti",
    "vu",
    "we",
    "xa",
    "zo",
)


@dataclass(frozen=True)
class MadeUp:
    """What is said of one repo."""

    kind: RepoKind
    owner: int
    name: str
    tags: list[str]
    text: str
    downloads: int
    age: timedelta


class Words:
    """A vocabulary of made-up words; a word's rank says how common it is."""

    def __init__(self, source: random.Random, size: int = 20_000) -> None:
        self._source = source
        self.ranked = ["".join(source.choices(_SYLLABLES, k=source.randint(2, 4))) + str(n % 10) for n in range(size)]
        self._weights = list(accumulate(1 / rank for rank in range(1, size + 1)))

    def some(self, count: int) -> list[str]:
        return self._source.choices(self.ranked, cum_weights=self._weights, k=count)


def made_up(count: int, seed: int = 1) -> Iterator[MadeUp]:
    source = random.Random(seed)
    words = Words(source)
    for number in range(count):
        licence, language = source.choice(LICENCES), source.choice(_LANGUAGES)
        tags = [source.choice(TASKS), source.choice(_LIBRARIES), f"license:{licence}", language, *words.some(2)]
        yield MadeUp(
            source.choice(_KINDS),
            min(int(source.paretovariate(0.8)) - 1, OWNERS - 1),
            f"{'-'.join(words.some(2))}-{number}",
            tags,
            " ".join(words.some(_WORDS_EACH)),
            int(source.paretovariate(0.7)) if source.random() < 0.6 else 0,
            timedelta(minutes=source.randrange(2_000_000)),
        )


def fill(data: Path, count: int) -> None:
    """Write ``count`` repos of as many owners as are usual into the catalogue of a data folder."""
    storage = open_storage(data, create=False)
    try:
        with storage.catalogue.write() as tx:
            owners = [_add_owner(tx, number) for number in range(OWNERS)]
        source = made_up(count)
        while batch := list(islice(source, _AT_ONCE)):
            with storage.catalogue.write() as tx:
                _add(tx, owners, batch)
        with storage.catalogue.write() as tx:
            facets.rebuild(tx)
    finally:
        storage.close()


def _add_owner(tx: Transaction, number: int) -> str:
    account = Account(
        id=new_id(),
        kind=AccountKind.USER,
        name=f"owner-{number}",
        full_name=f"Owner {number}",
        created_at=now(),
    )
    accounts.insert(tx, account)
    return account.id


def _add(tx: Transaction, owners: list[str], batch: list[MadeUp]) -> None:
    """All in a few statements: one by one would take ten times as long."""
    by_id = {new_id(): repo for repo in batch}
    tx.execute(repos.insert(), [_row(repo_id, owners[repo.owner], repo) for repo_id, repo in by_id.items()])
    numbers = {row.id: row.seq for row in tx.execute(sa.select(repos.c.id, repos.c.seq).where(repos.c.id.in_(by_id)))}
    tx.execute(
        sa.text("INSERT INTO repo_search(rowid, name, tags, text) VALUES (:seq, :name, :tags, :text)"),
        [
            {
                "seq": numbers[key],
                "name": f"owner-{repo.owner}/{repo.name}",
                "tags": " ".join(repo.tags),
                "text": repo.text,
            }
            for key, repo in by_id.items()
        ],
    )


def _row(repo_id: str, owner_id: str, repo: MadeUp) -> dict[str, Any]:
    at = now() - repo.age
    task, library, licence, language = repo.tags[:4]
    answers = {"task": [task], "library": [library], "license": [licence.partition(":")[2]], "language": [language]}
    return {
        "id": repo_id,
        "kind": repo.kind.value,
        "owner_id": owner_id,
        "name": repo.name,
        "name_key": repo.name.lower(),
        "visibility": Visibility.PUBLIC.value,
        "created_at": at,
        "updated_at": at,
        "downloads": repo.downloads,
        "facts": {"pipeline_tag": task, "library_name": library},
        "tags": repo.tags,
        "facets": answers,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.many_repos", description=__doc__)
    parser.add_argument("data", type=Path, help="a data folder that is there; stop its server first")
    parser.add_argument("--repos", type=int, default=100_000)
    asked = parser.parse_args()
    fill(asked.data, asked.repos)
    return 0


if __name__ == "__main__":
    sys.exit(main())
