"""A ``voxfeed serve`` of this process: the conversation that docs/serve.md describes, and its end in every case."""

from __future__ import annotations

import atexit
import collections
import json
import os
import queue
import signal
import socket
import subprocess
import tempfile
import threading
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from .errors import ClosedError, FeedTimeoutError, GoneError, NodeError, ProtocolError, VoxfeedWarning, unpack
from .lease import Mapping, open_memory
from .node import INSTALL, find_node, program

PROTOCOL = 1
#: What a process that is told to end gets for it, in seconds.
GRACE = 10.0
#: How much of what the process said last goes into an error.
TAIL = 4000

_alive: weakref.WeakSet[Feed] = weakref.WeakSet()


class Feed:
    """One Node process, its memory, and two threads: one reads what it says, one says what is to be said.

    Parameters
    ----------
    request
        What ``open`` takes besides the protocol's version: store, options, state, start, slots.
    node
        See `find_node`.
    timeout
        Seconds after which silence is an error.

    Attributes
    ----------
    ready : dict
        What Node answered to ``open``.
    memory : Mapping
        The memory that batches lie in.
    tickets : list of queue
        Of each stream: batches that are ready, or why there are none any more.
    """

    def __init__(self, request: dict[str, Any], *, node: str | os.PathLike[str] | None = None, timeout: float = 120.0) -> None:
        self.timeout = timeout
        self.closed = False
        self._pid = os.getpid()
        self._outbox: queue.SimpleQueue[tuple[bytes, Any] | None] = queue.SimpleQueue()
        self._notes: collections.deque[str] = collections.deque()
        #: Where a device copies from the memory on its own: makes an event that is over when the copies asked for until now are.
        self.fence: Callable[[], Any] | None = None
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self.tickets: list[queue.SimpleQueue[dict[str, Any] | Exception]] = [queue.SimpleQueue(), queue.SimpleQueue()]
        opened: queue.SimpleQueue[dict[str, Any] | Exception] = queue.SimpleQueue()
        self._opened = opened
        fd, is_memfd = open_memory()
        try:
            self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
            self._start(fd, find_node(node), program())
            _alive.add(self)
            atexit.register(_close_weakly, weakref.ref(self))
            for target in (self._listen, self._talk):
                threading.Thread(target=target, name="voxfeed", daemon=True).start()
            self.say({"op": "open", "protocol": PROTOCOL, "map": is_memfd, **request})
            try:
                answer = self.wait(opened, "opening the store")
                if isinstance(answer, Exception):
                    raise answer
                if answer["protocol"] != PROTOCOL:
                    raise ProtocolError(
                        str(program()),
                        f"its voxfeed {answer.get('version')} speaks version {answer['protocol']} of the protocol, "
                        f"this is version {PROTOCOL}",
                        "Install the same version of voxfeed on both sides",
                    )
                self.ready = answer
                self.memory = Mapping(fd, answer["bytes"])
            except BaseException:
                self.close()
                raise
        finally:
            os.close(fd)

    def _start(self, fd: int, node: str, main_file: Path) -> None:
        self._socket, theirs = socket.socketpair()
        words = ["serve", "--socket", str(theirs.fileno()), "--memory", str(fd), "--parent", str(os.getpid())]
        try:
            # A session of its own: Ctrl-C reaches this process alone. What a user's transform prints goes to the standard error.
            self.process = subprocess.Popen(
                [node, str(main_file), *words],
                pass_fds=(theirs.fileno(), fd),
                stdin=subprocess.DEVNULL,
                stdout=2,
                stderr=self._stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise NodeError(node, f"it cannot be started ({error.strerror})", INSTALL) from error
        finally:
            theirs.close()

    # --- saying ---

    def say(self, request: dict[str, Any]) -> None:
        """Sends a request, later: it never waits and never fails, so that arrays that die may do it wherever they are."""
        self._outbox.put(((json.dumps(request, allow_nan=False) + "\n").encode(), None))

    def release(self, slot: int) -> None:
        """Gives a slot back, when the device has read what it was asked to copy from there."""
        event = self.fence() if self.fence is not None else None
        self._outbox.put((json.dumps({"op": "release", "slot": slot}).encode() + b"\n", event))

    def _talk(self) -> None:
        outbox, wire = self._outbox, self._socket
        while (entry := outbox.get()) is not None:
            line, event = entry
            if event is not None:
                event.synchronize()
            try:
                wire.sendall(line)
            except OSError:
                return  # The listener tells what happened.

    # --- hearing ---

    def _listen(self) -> None:
        try:
            with self._socket.makefile("r", encoding="utf-8") as lines:
                for line in lines:
                    self._hear(json.loads(line))
        except OSError:
            pass  # It was killed.
        except ValueError:
            self._end(ProtocolError(str(program()), "it said something that is no JSON", "Install voxfeed anew"))
        self._end(ClosedError("loader", "it is closed", "Create a new one") if self.closed else self._obituary())

    def _hear(self, message: dict[str, Any]) -> None:
        if "batch" in message:
            self.tickets[message["batch"]["stream"]].put(message["batch"])
        elif "ready" in message:
            self._opened.put(message["ready"])
        elif "failed" in message:
            error = unpack(message["failed"]["error"])
            stream = message["failed"].get("stream")
            if stream is None:
                self._end(error)
            else:
                self.tickets[stream].put(error)
        elif "warning" in message:
            self._notes.append(message["warning"]["message"])
        elif (answer := self._answers.pop(message.get("id", -1), None)) is not None:
            answer.put(message)

    def _end(self, error: Exception) -> None:
        """Whoever waits learns why there is nothing to wait for."""
        self._opened.put(error)
        for stream in self.tickets:
            stream.put(error)
        for answer in list(self._answers.values()):
            answer.put({"exception": error})

    def _obituary(self) -> GoneError:
        try:
            code = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return GoneError("voxfeed serve", f"process {self.process.pid} closed its socket", "Report this, please")
        how = f"with status {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        hint = " (by the system for want of memory, if it was nobody else)" if code == -signal.SIGKILL else ""
        tail = self.stderr()
        words = f"Its last words:\n{tail}" if tail else "It said nothing"
        return GoneError("voxfeed serve", f"process {self.process.pid} was ended {how}{hint}", words)

    def stderr(self) -> str:
        """The end of what the process wrote to its standard error."""
        end = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, end - TAIL))
        return self._stderr.read().decode(errors="replace").strip()

    # --- waiting ---

    def check(self) -> None:
        """Passes on warnings. Raises `ClosedError` after `close`, and in a process forked from the loader's own."""
        if os.getpid() != self._pid:
            raise ClosedError(
                "loader",
                f"it belongs to process {self._pid}, this is a fork of it",
                "Create the loader where it is used. It has workers of its own: leave num_workers of a DataLoader at 0",
            )
        if self.closed:
            raise ClosedError("loader", "it is closed", "Create a new one; `state()` says where to continue")
        # Warnings of Node belong to whoever uses the loader: here they may be made errors.
        while self._notes:
            warnings.warn(self._notes.popleft(), VoxfeedWarning, stacklevel=3)

    def wait(self, box: queue.SimpleQueue[Any], what: str) -> Any:
        """What comes into a box. Raises `FeedTimeoutError` where nothing does."""
        try:
            return box.get(timeout=self.timeout)
        except queue.Empty:
            raise self.silence(what) from None

    def silence(self, what: str) -> FeedTimeoutError:
        """The error for having waited too long."""
        return FeedTimeoutError(
            "voxfeed serve",
            f"process {self.process.pid} has not answered for {self.timeout:g} seconds ({what})",
            "See whether it is stopped or the machine overloaded, or raise `timeout`",
        )

    def ask(self, op: str, **rest: Any) -> dict[str, Any]:
        """What Node answers to a request."""
        self.check()
        box: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._answers[id(box)] = box
        if self.process.poll() is not None:
            raise self._obituary()
        self.say({"op": op, "id": id(box), **rest})
        answer: dict[str, Any] = self.wait(box, op)
        if "exception" in answer:
            raise answer["exception"]
        if "error" in answer:
            raise unpack(answer["error"])
        return answer

    # --- ending ---

    def close(self) -> None:
        """Ends the process. What still waits for a batch raises `ClosedError`; arrays stay as they are."""
        if self.closed or os.getpid() != self._pid:
            return
        self.closed = True
        self.say({"op": "close"})
        try:
            self.process.wait(GRACE if self.process.poll() is None and hasattr(self, "ready") else 1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._outbox.put(None)
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def forked(self) -> None:
        """In a forked child: lets go of the socket, which is the parent's."""
        self._outbox = queue.SimpleQueue()
        self._socket.close()


def _close_weakly(feed: weakref.ref[Feed]) -> None:
    if (alive := feed()) is not None:
        alive.close()


def _close_forked() -> None:
    for feed in list(_alive):
        feed.forked()


os.register_at_fork(after_in_child=_close_forked)
