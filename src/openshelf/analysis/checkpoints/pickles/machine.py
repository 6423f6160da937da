"""Reads pickles of all protocols without executing them: every import is a token, every call a description.

The machine of PEP 307, 3154 and 574 (Python's ``pickletools`` lists its opcodes), with bounds on all that it holds.
Nothing is imported, called, hashed or compared, whatever a pickle asks for.
"""

from __future__ import annotations

from openshelf.analysis.checkpoints.pickles.opcodes import OPCODES
from openshelf.analysis.checkpoints.pickles.state import Payload, PickleState
from openshelf.analysis.checkpoints.pickles.stream import PickleStream
from openshelf.analysis.checkpoints.pickles.values import Pickle
from openshelf.analysis.files.ranges import RangeReader

MAX_OPCODES = 8_000_000
_STOP = 0x2E


def read_pickle(
    file: RangeReader, name: str, start: int = 0, end: int | None = None, payload: Payload | None = None
) -> Pickle:
    """The pickle that begins at byte ``start`` of ``file``, called ``name`` in errors, and ends at ``end`` or earlier.

    Raises UnreadableCheckpoint for what is no pickle, is cut, or needs more than the limits allow. Takes about half a
    microsecond an opcode; long texts and bytes are passed over, not read.
    """
    return run(PickleStream(file, name, start, file.size if end is None else end), payload)


def run(stream: PickleStream, payload: Payload | None = None) -> Pickle:
    """The pickle that begins where ``stream`` is; the stream is after its end then."""
    state = PickleState(stream, payload)
    for _ in range(MAX_OPCODES):
        at = stream.at
        if at >= len(stream.window):
            stream.fill(1)
            at = 0
        code = stream.window[at]
        stream.at = at + 1
        if code == _STOP:
            break
        handler = OPCODES[code]
        if handler is None:
            raise state.error(f"{code:#04x} is no opcode of a pickle")
        try:
            handler(state)
        except IndexError:
            raise state.error("its pickle takes a value where none is left") from None
    else:
        raise state.error(f"its pickle has more than {MAX_OPCODES:,} opcodes")
    if len(state.stack) != 1 or state.marked:
        raise state.error("its pickle ends with other than one value")
    names = tuple(f"{module}.{name}" for module, name in state.tokens)
    return Pickle(state.stack[0], names, state.protocol, stream.place, tuple(state.references))
