"""Everything voxfeed refuses: one class per cause, with the sentences that Node has for it."""

from __future__ import annotations

from typing import Any


class VoxfeedWarning(UserWarning):
    """Something that goes on, but not as it should."""


class VoxfeedError(Exception):
    """What voxfeed refuses.

    Attributes
    ----------
    code : str
        Stable, machine-readable cause, for example ``VOXFEED_BAD_OPTION``.
    where, what, action : str
        The file, option or case concerned, what is wrong, and what can be done about it.
    node_stack : str or None
        Where in Node it was raised, if it was.
    """

    code = "VOXFEED"

    def __init__(self, where: str, what: str, action: str, node_stack: str | None = None) -> None:
        super().__init__(f"{where}: {what}. {action}")
        self.where = where
        self.what = what
        self.action = action
        self.node_stack = node_stack

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.where, self.what, self.action, self.node_stack)


class OptionError(VoxfeedError, ValueError):
    """An option or argument that cannot be used."""

    code = "VOXFEED_BAD_OPTION"


class DatasetError(VoxfeedError):
    """A raw data set that cannot be read as a whole."""

    code = "VOXFEED_BAD_DATASET"


class CaseError(VoxfeedError):
    """One case whose image or label cannot be used."""

    code = "VOXFEED_BAD_CASE"


class PlansError(VoxfeedError):
    """A plans file that cannot be read or followed."""

    code = "VOXFEED_BAD_PLANS"


class StoreError(VoxfeedError):
    """A preprocessed store that is missing, damaged, or was written for other options."""

    code = "VOXFEED_BAD_STORE"


class FileError(VoxfeedError, OSError):
    """A file that cannot be read or written for a reason outside its contents."""

    code = "VOXFEED_FILE"

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.action}"


class MemoryLimitError(VoxfeedError):
    """The run does not fit into the memory it may use."""

    code = "VOXFEED_MEMORY"


class StateError(VoxfeedError):
    """A saved state that belongs to another stream."""

    code = "VOXFEED_BAD_STATE"


class SampleError(VoxfeedError):
    """One sample that failed twice."""

    code = "VOXFEED_SAMPLE_FAILED"


class WorkerError(VoxfeedError):
    """Worker threads that cannot be kept alive."""

    code = "VOXFEED_WORKERS"


class ClosedError(VoxfeedError):
    """A loader that was used after it was closed, or in a process that has only a copy of it."""

    code = "VOXFEED_CLOSED"


class ProtocolError(VoxfeedError):
    """The two sides are of different versions."""

    code = "VOXFEED_PROTOCOL"


class NodeError(VoxfeedError):
    """There is no Node that voxfeed can run on."""

    code = "VOXFEED_NODE"


class GoneError(VoxfeedError):
    """The Node process ended; the message has its last words."""

    code = "VOXFEED_GONE"


class FeedTimeoutError(VoxfeedError, TimeoutError):
    """The Node process says nothing."""

    code = "VOXFEED_TIMEOUT"

    __str__ = FileError.__str__


class HeldError(VoxfeedError):
    """All batches in memory are held, so that no other can come."""

    code = "VOXFEED_HELD"


class TransformError(VoxfeedError):
    """A transform of a trainer that voxfeed has no equal for."""

    code = "VOXFEED_TRANSFORM"


def _all(cause: type[VoxfeedError]) -> list[type[VoxfeedError]]:
    return [cause, *(each for sub in cause.__subclasses__() for each in _all(sub))]


CAUSES: dict[str, type[VoxfeedError]] = {cause.code: cause for cause in _all(VoxfeedError)}


def unpack(packed: dict[str, Any]) -> VoxfeedError:
    """The exception for an error as Node sends it: ``{code, where, what, action, stack}``."""
    cause = CAUSES.get(packed.get("code") or "")
    stack = packed.get("stack")
    if cause is None:
        # No refusal but a fault: of voxfeed's, or of a transform of the user's.
        return VoxfeedError("voxfeed", packed.get("what") or "unknown error", f"In Node: {stack}", stack)
    return cause(packed["where"], packed["what"], packed["action"], stack)
