"""Which passwords are taken (NIST SP 800-63B): long enough and hard to guess, of any characters.

How hard a password is to guess is estimated by zxcvbn, offline: it knows 30,000 passwords that leaked most often,
names, words, keyboard rows, dates and the usual replacements of letters, and is told the words of this hub and of the
account.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from openshelf.errors import Invalid

MIN_PASSWORD = 10
MAX_PASSWORD = 1024
# Words that suggest themselves on a hub of models; those of the account and the hub's own name are added to them.
CONTEXT_WORDS = tuple(
    "openshelf shelf hub model models dataset datasets space kernel huggingface hugging face hf transformers "
    "pytorch tensorflow admin administrator operator root library".split()
)
# Guesses below a million (score 0 and 1 of 4) are made online in days, by a thousand addresses in an hour.
_LEAST_SCORE = 2
# The estimate takes more than linear time; what follows the first words of a phrase cannot make it easier to guess.
_ESTIMATED_CHARACTERS = 72


def check_password(password: str, words: Iterable[str] = ()) -> None:
    """Raises Invalid for a password that is too short, too long or easy to guess.

    ``words``: what belongs to the account and the hub, such as names; they count as known to whoever guesses.
    """
    if len(password) < MIN_PASSWORD:
        raise Invalid(f"A password needs at least {MIN_PASSWORD} characters; a few words in a row make a good one.")
    if len(password) > MAX_PASSWORD:
        raise Invalid(f"A password may have at most {MAX_PASSWORD} characters.")
    # Imported here: its lists take 16 MB, and most processes never set a password.
    from zxcvbn import zxcvbn

    parts = [part for word in words for part in (word, *re.split(r"[^\w]+", word)) if part]
    known = [part.lower() for part in (*CONTEXT_WORDS, *parts)]
    if zxcvbn(password[:_ESTIMATED_CHARACTERS], user_inputs=known)["score"] < _LEAST_SCORE:
        raise Invalid(
            "This password is easy to guess: it is on lists of common ones, or made of a name, a row of keys or a "
            "repetition. A few words in a row that do not belong together make a good one."
        )
