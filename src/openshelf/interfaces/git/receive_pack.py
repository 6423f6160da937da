"""The server's side of a git push: requests read, answers written (gitprotocol-pack(5), gitprotocol-http(5)).

The decisions are made in ``services.git_push``; see the decision record "A git push is received by the hub itself".
"""

from __future__ import annotations

import contextvars
import queue
import re
import threading
from collections.abc import Iterator, Mapping

import structlog

from openshelf import __version__
from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo
from openshelf.errors import InvalidUpload, OpenshelfError, TooLarge
from openshelf.interfaces.git.pkt_lines import FLUSH, Incomplete, PacketReader, band, keep_alive, packet
from openshelf.interfaces.http.errors import public_message
from openshelf.services.accept import RefUpdate
from openshelf.services.git_push import MAX_COMMANDS, Outcome, Push
from openshelf.services.hub import Hub
from openshelf.storage.durable import fault_of

KEEP_ALIVE_SECONDS = 5.0
MAX_COMMAND_BYTES = 8 * 1024 * 1024
CAPABILITIES = (
    f"report-status delete-refs side-band-64k quiet atomic ofs-delta object-format=sha1 agent=openshelf/{__version__}"
)
_NOTHING = "0" * 40
_COMMAND = re.compile(rb"([0-9a-f]{40}) ([0-9a-f]{40}) ([^\0\n]{1,1024})\n?\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")

log = structlog.get_logger("openshelf.git")


def advertisement(targets: Mapping[str, str]) -> bytes:
    """What is told before a push: refs and what they name, and what this side of the protocol can do."""
    lines = [f"{oid} {name}" for name, oid in targets.items()] or [f"{_NOTHING} capabilities^{{}}"]
    lines[0] += "\0" + CAPABILITIES
    refs = b"".join(packet(line + "\n") for line in lines)
    return packet("# service=git-receive-pack\n") + FLUSH + refs + FLUSH


class ReceivePack:
    """Takes the body of a push piece by piece, then gives the answer piece by piece."""

    def __init__(self, hub: Hub, actor: Actor, repo: Repo) -> None:
        self._hub, self._actor, self._repo = hub, actor, repo
        self._reader = PacketReader()
        self._updates: list[RefUpdate] = []
        self._capabilities: frozenset[str] = frozenset()
        self._command_bytes = 0
        self._push: Push | None = None

    def write(self, data: bytes, /) -> None:
        """Raises InvalidUpload and TooLarge for a request that is no push."""
        if self._push is None:
            self._command_bytes += len(data)
            self._reader.feed(data)
            data = self._read_commands()
        if self._push is not None and data:
            self._push.write(data)

    def discard(self) -> None:
        """Forget what came, unless it was accepted. Call it in every case."""
        if self._push is not None:
            self._push.discard()

    def answer(self) -> Iterator[bytes]:
        """The result of the push, after signs of life while it is made. Raises InvalidUpload for a cut request."""
        if self._push is None:
            if self._updates or self._reader.rest():
                raise InvalidUpload("The request ends in the middle of its commands.")
            # git asks with an empty request whether a large one would be let in.
            return iter(())
        return self._answer(self._push)

    def _answer(self, push: Push) -> Iterator[bytes]:
        speaks = "side-band-64k" in self._capabilities
        said: queue.SimpleQueue[str | Outcome] = queue.SimpleQueue()
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(_finish, push, said), name="git-push")
        thread.start()
        try:
            while True:
                try:
                    item = said.get(timeout=KEEP_ALIVE_SECONDS)
                except queue.Empty:
                    if speaks:
                        yield keep_alive()
                    continue
                if isinstance(item, Outcome):
                    break
                if speaks and "quiet" not in self._capabilities:
                    yield from band(2, _readable(item).encode() + b"\n")
        finally:
            # A client that leaves now has sent everything: the push is finished without it.
            thread.join()
            push.discard()
        yield from self._report(item, speaks)

    def _report(self, outcome: Outcome, speaks: bool) -> Iterator[bytes]:
        if speaks:
            for line in outcome.lines:
                yield from band(2, _readable(line).encode() + b"\n")
        report = b""
        if "report-status" in self._capabilities:
            report = packet(f"unpack {_readable(outcome.unpack_error) or 'ok'}\n")
            for update in self._updates:
                reason = outcome.refused.get(update.name)
                line = f"ng {update.name} {_readable(reason)}\n" if reason else f"ok {update.name}\n"
                report += packet(line)
            report += FLUSH
        if speaks:
            yield from band(1, report)
            yield FLUSH
        else:
            yield report

    def _read_commands(self) -> bytes:
        """Read as many commands as there are; what comes after the last is the pack."""
        try:
            while (line := self._reader.next()) is not None:
                self._command(line)
        except Incomplete:
            if self._command_bytes > MAX_COMMAND_BYTES:
                raise TooLarge("The commands of this push are too long.") from None
            return b""
        if not self._updates:
            return self._after_probe()
        atomic = "atomic" in self._capabilities
        self._push = Push(self._hub, self._actor, self._repo, self._updates, atomic=atomic)
        return self._reader.rest()

    def _after_probe(self) -> bytes:
        if self._reader.rest():
            raise InvalidUpload("The push has a pack, but no command that says what to do with it.")
        return b""

    def _command(self, line: bytes) -> None:
        if line.startswith(b"shallow "):
            # What a shallow clone lacks must be here already, and git checks that with the pack.
            return
        if not self._updates:
            line, _, capabilities = line.partition(b"\0")
            self._capabilities = frozenset(capabilities.decode("utf-8", "replace").split())
        match = _COMMAND.match(line)
        if match is None:
            raise InvalidUpload(f"The push has a command that cannot be read: {line[:200]!r}")
        old, new = match[1].decode(), match[2].decode()
        try:
            name = match[3].decode()
        except UnicodeDecodeError:
            raise InvalidUpload(f"The ref name {match[3][:200]!r} is not UTF-8.") from None
        if old == new:
            raise InvalidUpload(f"The push moves {name} from {old} to itself.")
        if len(self._updates) >= MAX_COMMANDS:
            raise TooLarge(f"One push may move at most {MAX_COMMANDS} refs; push fewer at a time.")
        self._updates.append(RefUpdate(name, _or_none(old), _or_none(new)))


def _finish(push: Push, said: queue.SimpleQueue[str | Outcome]) -> None:
    try:
        said.put(push.finish(said.put))
    except OpenshelfError as error:
        log.error("push failed", fault=error.message)
        said.put(push.give_up(public_message(error)))
    except OSError as error:
        log.error("push failed", fault=str(error))
        said.put(push.give_up(public_message(fault_of(error))))
    except Exception:
        log.exception("push failed")
        said.put(push.give_up("The hub failed to take this push; the fault is logged."))


def _or_none(oid: str) -> str | None:
    return None if oid == _NOTHING else oid


def _readable(text: str | None) -> str:
    """One line that a terminal may be given."""
    return _CONTROL.sub(" ", text or "").rstrip()
