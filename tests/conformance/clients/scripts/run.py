"""``python run.py FAMILY.MODULE.OPERATION``: one operation of one client; the last line printed is its result (JSON).

Runs inside the environment of the client, so it may use only what is there. The hub and the people are in the
environment: HF_ENDPOINT, HF_TOKEN, and the OPENSHELF_TEST_* names that session.py reads.
"""

import importlib
import json
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from session import NotOffered, Session


def main(name):
    module, _, operation = name.rpartition(".")
    started = time.monotonic()
    try:
        run = getattr(importlib.import_module(module), operation)
        result = {"outcome": "pass", "facts": run(Session(operation)) or {}}
    except NotOffered as reason:
        result = {"outcome": "not offered", "why": str(reason)}
    except BaseException as error:
        result = {"outcome": "fail", "why": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
    result["seconds"] = round(time.monotonic() - started, 2)
    sys.stderr.flush()
    print("\n" + json.dumps(result, default=str), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
