"""What goes wrong around a loader, and what is said about it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import voxfeed
from voxfeed.errors import ClosedError, FeedTimeoutError, GoneError, NodeError, OptionError, ProtocolError, StoreError
from voxfeed.node import find_node

OPTIONS = {"fold": 0, "seed": 7, "workers": 1, "batchSize": 2, "patchSize": [16, 24, 20]}


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def gone(pid: int) -> bool:
    """Whether a process ends, sooner or later: a second on a machine that has time for it."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except FileNotFoundError:
            return True
        if stat.rpartition(")")[2].split()[0] == "Z":  # ended; nobody has looked yet
            return True
        time.sleep(0.05)
    return False


def python(store: Path, code: str, **more: object) -> subprocess.Popen[str]:
    """A Python with a loader in a session of its own; it prints the process of Node first."""
    begin = f"""
        import os, signal, sys, time, voxfeed
        signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background have it ignored
        loader = voxfeed.Loader({str(store)!r}, arrays="numpy", **{OPTIONS!r})
        next(loader.training)
        print(loader.pid, flush=True)
    """
    words = [sys.executable, "-c", textwrap.dedent(begin) + textwrap.dedent(code)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **more)  # type: ignore[call-overload]


def first_line(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None and process.stderr is not None
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return int(line)


def test_torch_is_asked_for_and_missing(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(OptionError, match="'torch' was asked for, which this Python does not have"):
        voxfeed.Loader(store, arrays="torch", **OPTIONS)
    with voxfeed.Loader(store, **OPTIONS) as loader:
        assert type(next(loader.training).data).__module__ == "numpy"


def test_other_arrays() -> None:
    with pytest.raises(OptionError, match="'jax' is neither"):
        voxfeed.Loader("store", arrays="jax")  # type: ignore[arg-type]


def test_node_is_missing(store: Path) -> None:
    with pytest.raises(NodeError, match=r"needs Node 24 or newer; there is none.*voxfeed\[node\]"):
        voxfeed.Loader(store, node="/nowhere/node")


def test_node_is_too_old(store: Path, tmp_path: Path) -> None:
    old = script(tmp_path / "node", "#!/bin/sh\necho v20.19.1\n")
    with pytest.raises(NodeError, match=rf"{old} is version 20\.19\.1"):
        voxfeed.Loader(store, node=old)


def test_node_does_not_run(store: Path, tmp_path: Path) -> None:
    broken = script(tmp_path / "node", "#!/bin/sh\nexit 127\n")
    with pytest.raises(NodeError, match="does not run"):
        voxfeed.Loader(store, node=broken)


def test_node_dies_at_start(store: Path, tmp_path: Path) -> None:
    dying = script(tmp_path / "node", '#!/bin/sh\n[ "$1" = --version ] && echo v24.0.0 && exit\necho "no such library" >&2\nexit 3\n')
    with pytest.raises(GoneError, match="was ended with status 3.*\nno such library"):
        voxfeed.Loader(store, node=dying)


def test_the_program_is_of_another_version(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "main.mjs"
    other.write_text(
        """import { Socket } from 'node:net';
        const socket = new Socket({ fd: Number(process.argv[process.argv.indexOf('--socket') + 1]) });
        socket.on('data', () => socket.write(JSON.stringify({ ready: { protocol: 2, version: '9.0.0', bytes: 1, streams: [] } }) + '\\n'));
        socket.on('close', () => process.exit(0));"""
    )
    monkeypatch.setenv("VOXFEED_PROGRAM", str(other))
    with pytest.raises(ProtocolError, match=r"its voxfeed 9\.0\.0 speaks version 2 of the protocol, this is version 1"):
        voxfeed.Loader(store)


def test_the_store_is_none_or_lacks_the_configuration(store: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="voxfeed preprocess"):
        voxfeed.Loader(tmp_path, **OPTIONS)
    with pytest.raises(voxfeed.VoxfeedError, match="3d_lowres"):
        voxfeed.Loader(store, config="3d_lowres")


def test_options_are_refused_with_the_sentences_of_node(store: Path) -> None:
    with pytest.raises(OptionError, match="^typo: there is no such option. The options are `store`, `config`"):
        voxfeed.Loader(store, typo=1, **OPTIONS)
    with pytest.raises(voxfeed.VoxfeedError, match=r"maxMemoryBytes: the loader needs .* the limit is 976\.6 KiB") as caught:
        voxfeed.Loader(store, maxMemoryBytes=1_000_000, **OPTIONS)
    assert caught.value.code == "VOXFEED_MEMORY" and caught.value.where == "maxMemoryBytes" and caught.value.node_stack


def test_the_child_is_killed(store: Path) -> None:
    with voxfeed.Loader(store, **OPTIONS) as loader:
        next(loader.training)
        os.kill(loader.pid, signal.SIGKILL)
        with pytest.raises(GoneError, match="was ended by SIGKILL .by the system for want of memory"):
            for _ in loader:
                pass
        with pytest.raises(GoneError, match="SIGKILL"):
            loader.state()


def test_the_child_is_stopped(store: Path) -> None:
    with voxfeed.Loader(store, **OPTIONS) as loader:
        next(loader.training)
        loader._feed.timeout = 2
        os.kill(loader.pid, signal.SIGSTOP)
        with pytest.raises(FeedTimeoutError, match=r"has not answered for 2 seconds \(a training batch\)"):
            for _ in loader:
                pass
        with pytest.raises(TimeoutError, match=r"\(state\)"):
            loader.state()
        os.kill(loader.pid, signal.SIGCONT)
        loader._feed.timeout = 120
        assert next(loader.training).data.shape == (2, 1, 16, 24, 20)


def test_the_child_runs_out_of_memory(store: Path, tmp_path: Path) -> None:
    small = script(tmp_path / "node", f'#!/bin/sh\nexec {find_node()} --max-old-space-size=60 "$@"\n')
    module = tmp_path / "hoards.mjs"
    module.write_text("const all = []; export default { draw() { for (;;) all.push(Array(1e5).fill({})); }, apply() {} };")
    steps = [{"transform": "custom", "module": str(module)}]
    # While it opens or at the first batch: batches are planned ahead.
    with (
        pytest.raises(GoneError, match="(?s)was ended by SIGABRT.*heap out of memory"),
        voxfeed.Loader(store, node=small, augmentation=steps, **OPTIONS) as loader,
    ):
        next(loader.training)


def test_a_sample_that_cannot_be_made_ends_the_stream_and_nothing_else(store: Path, tmp_path: Path) -> None:
    module = tmp_path / "throws.mjs"
    module.write_text("export default { draw: () => ({}), apply: () => { throw new Error('no good'); } };")
    steps = [{"transform": "custom", "module": str(module)}]
    with voxfeed.Loader(store, augmentation=steps, validation={"augmentation": "none"}, **OPTIONS) as loader:
        for _ in range(2):
            with pytest.raises(voxfeed.VoxfeedError, match="no good") as caught:
                next(loader.training)
            assert caught.value.code == "VOXFEED_SAMPLE_FAILED"
        assert next(loader.validation).index == 0


def test_the_parent_is_killed(store: Path) -> None:
    parent = python(store, "time.sleep(600)")
    node = first_line(parent)
    parent.kill()
    assert gone(node)
    parent.wait()


def test_the_parent_is_killed_while_a_forked_child_holds_the_socket(store: Path) -> None:
    # The C library's fork: Python's own would let go of the socket in the child.
    parent = python(store, "import ctypes\nif ctypes.CDLL(None).fork() == 0: time.sleep(600); os._exit(0)\ntime.sleep(600)")
    node = first_line(parent)
    time.sleep(0.5)
    parent.kill()
    assert gone(node)
    os.killpg(parent.pid, signal.SIGKILL)


def test_ctrl_c_reaches_the_parent_alone_and_once(store: Path) -> None:
    parent = python(
        store,
        """
        try:
            with loader:
                print(0, flush=True)
                for batch in loader: time.sleep(0.01)
        except KeyboardInterrupt:
            print("interrupted", loader._feed.process.returncode, flush=True)
        """,
    )
    first_line(parent)
    first_line(parent)  # the loop is entered: a signal before would end the script itself
    os.killpg(parent.pid, signal.SIGINT)
    out, err = parent.communicate(timeout=300)
    assert (out, err, parent.returncode) == ("interrupted 0\n", "", 0)


def test_an_exception_in_the_training_loop_ends_the_child(store: Path) -> None:
    with pytest.raises(ZeroDivisionError), voxfeed.Loader(store, **OPTIONS) as loader:
        for batch in loader:
            _ = 1 // batch.index
    assert loader.closed and gone(loader.pid)


def test_the_interpreter_ends_without_close(store: Path) -> None:
    parent = python(store, "batch = next(loader.training)")
    node = first_line(parent)
    out, err = parent.communicate(timeout=300)
    assert (out, err, parent.returncode) == ("", "", 0)
    assert gone(node)


def test_the_loader_is_used_in_a_fork(store: Path) -> None:
    parent = python(
        store,
        """
        batch = next(loader.training)
        if (pid := os.fork()) == 0:
            del batch  # must not give the parent's slot back
            try:
                next(loader.training)
            except voxfeed.VoxfeedError as error:
                print(error, flush=True)
            loader.close()  # does nothing to the parent's
            sys.exit(0)
        os.waitpid(pid, 0)
        print([next(loader.training).index for _ in range(10)], flush=True)
        """,
    )
    first_line(parent)
    out, err = parent.communicate(timeout=300)
    assert "this is a fork of it" in out and out.endswith(f"{list(range(2, 12))}\n") and err == ""


def test_a_memfd_is_refused(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "memfd_create", refuse)
    with voxfeed.Loader(store, **OPTIONS) as loader:
        assert loader.copied == "no file was given"
        assert next(loader.training).data.shape == (2, 1, 16, 24, 20)


def test_a_loader_of_another_thread_is_closed_while_it_waits(store: Path) -> None:
    import threading

    loader = voxfeed.Loader(store, **OPTIONS, ring=2)
    kept = [next(loader.training), next(loader.training)]
    threading.Timer(0.5, loader.close).start()
    with pytest.raises(ClosedError):
        next(loader.training)
    assert len(kept) == 2
