"""What every operation gets: the hub, the people, a place for files, and a way to say that a client lacks something."""

import contextlib
import hashlib
import inspect
import os
import random
import uuid
from pathlib import Path


class NotOffered(Exception):
    """This version of the client has no such operation."""


class Session:
    def __init__(self, operation):
        self.operation = operation
        self.endpoint = os.environ["HF_ENDPOINT"]
        self.user = os.environ["OPENSHELF_TEST_USER"]
        self.organisation = os.environ["OPENSHELF_TEST_ORGANISATION"]
        self.token = os.environ["HF_TOKEN"]
        self.token_read = os.environ["OPENSHELF_TEST_TOKEN_READ"]
        self.token_other = os.environ["OPENSHELF_TEST_TOKEN_OTHER"]
        self.folder = Path(os.environ["OPENSHELF_TEST_FOLDER"])
        self.xet = not os.environ.get("HF_HUB_DISABLE_XET")

    @property
    def api(self):
        from huggingface_hub import HfApi

        return HfApi()

    @property
    def other(self):
        """Somebody else, with a token that may write their own repos."""
        from huggingface_hub import HfApi

        return HfApi(token=self.token_other)

    @property
    def anonymous(self):
        from huggingface_hub import HfApi

        return HfApi(token=False)

    @property
    def version(self):
        import huggingface_hub

        return tuple(int(part) for part in huggingface_hub.__version__.split(".")[:2])

    def name(self, namespace=None):
        """A repo id that no other operation uses."""
        return f"{namespace or self.user}/{self.operation.replace('_', '-')[:40]}-{uuid.uuid4().hex[:8]}"

    def repo(self, files=None, kind="model", **options):
        """A new repo, with files in one commit; its id."""
        from huggingface_hub import CommitOperationAdd

        repo_id = self.name()
        if kind == "space":
            options.setdefault("space_sdk", "static")
        self.api.create_repo(repo_id, repo_type=kind, **options)
        if files:
            adds = [CommitOperationAdd(path, content) for path, content in files.items()]
            self.api.create_commit(repo_id, adds, commit_message="Add files", repo_type=kind)
        return repo_id

    def download(self, repo_id, path, kind="model", **options):
        """The bytes of one file."""
        return Path(self.api.hf_hub_download(repo_id, path, repo_type=kind, **options)).read_bytes()

    def write(self, path, content):
        """A file in the folder of this operation."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return target


def noise(size, seed=0):
    """Bytes that do not compress and are the same each time."""
    return random.Random(seed).randbytes(size)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def git_oid(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def offered(owner, name, *parameters):
    """The function ``name`` of ``owner``; NotOffered where this version lacks it or one of its parameters."""
    found = getattr(owner, name, None)
    if found is None:
        raise NotOffered(f"no {name}")
    for parameter in parameters:
        if parameter not in inspect.signature(found).parameters:
            raise NotOffered(f"{name} has no {parameter}")
    return found


class Caught:
    error = None

    def __str__(self):
        return str(self.error)


@contextlib.contextmanager
def refused(kind, says="", status=None):
    """``with refused(HfHubHTTPError, "text", 409):`` the block must raise exactly this."""
    caught = Caught()
    try:
        yield caught
    except kind as error:
        caught.error = error
        message = str(error) + " " + str(getattr(error, "server_message", ""))
        assert says.lower() in message.lower(), f"{says!r} is not in {message!r}"
        if status is not None:
            found = getattr(getattr(error, "response", None), "status_code", None)
            assert found == status, f"status {found} instead of {status}: {message}"
        return
    raise AssertionError(f"was not refused with {getattr(kind, '__name__', kind)}")


def equal(found, wanted):
    assert found == wanted, f"{found!r} instead of {wanted!r}"
