"""The catalogue: accounts, repos, refs, blobs and events in SQL.

Each module holds the queries of one subject as functions of a :data:`Transaction`. What git says of a ref
comes first; the catalogue follows it.
"""

from openshelf.storage.catalogue.engine import Catalogue, Transaction

__all__ = ["Catalogue", "Transaction"]
