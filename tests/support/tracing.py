"""Stop a process at any of its system calls: a small stepper over ptrace(2), Linux only.

A child runs an operation under trace. The parent steps from system call to system call, counts the
ones that change files, and kills the child (SIGKILL) right before or right after a chosen one. What
the child has acknowledged by then, it has said through a pipe. A killed process leaves the page
cache alone, so this shows orders and half-done work, not what a power cut takes away.
"""

import contextlib
import ctypes
import os
import platform
import select
import signal
import struct
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass

_TRACEME, _PEEKDATA, _GETREGSET, _SYSCALL, _SETOPTIONS = 0, 2, 0x4204, 24, 0x4200
_TRACESYSGOOD, _EXITKILL = 1, 0x100000
_PRSTATUS = 1
_STOPPED = signal.SIGTRAP | 0x80  # a stop at a system call, told apart by TRACESYSGOOD
_WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

# x86_64: name -> number (arch/x86/entry/syscalls/syscall_64.tbl)
_X86 = {
    1: "write",
    18: "pwrite64",
    20: "writev",
    73: "flock",
    74: "fsync",
    75: "fdatasync",
    76: "truncate",
    77: "ftruncate",
    82: "rename",
    83: "mkdir",
    84: "rmdir",
    86: "link",
    87: "unlink",
    88: "symlink",
    90: "chmod",
    91: "fchmod",
    258: "mkdirat",
    263: "unlinkat",
    264: "renameat",
    265: "linkat",
    285: "fallocate",
    316: "renameat2",
    326: "copy_file_range",
    40: "sendfile",
    2: "open",
    257: "openat",
}
# aarch64 and others: name -> number (include/uapi/asm-generic/unistd.h)
_GENERIC = {
    64: "write",
    68: "pwrite64",
    66: "writev",
    32: "flock",
    82: "fsync",
    83: "fdatasync",
    45: "truncate",
    46: "ftruncate",
    34: "mkdirat",
    35: "unlinkat",
    36: "symlinkat",
    37: "linkat",
    38: "renameat",
    276: "renameat2",
    47: "fallocate",
    52: "fchmod",
    53: "fchmodat",
    285: "copy_file_range",
    71: "sendfile",
    56: "openat",
}
SUPPORTED = platform.system() == "Linux" and platform.machine() in {"x86_64", "aarch64"}
_X86_64 = platform.machine() == "x86_64"
_CALLS = _X86 if _X86_64 else _GENERIC


class CannotTrace(Exception):
    """The system does not let a process trace its child."""


class Failed(Exception):
    """The operation raised in the child; the message is its traceback."""


@dataclass(frozen=True)
class Run:
    """What came of one traced run."""

    calls: tuple[str, ...]
    """The state-changing system calls it reached, in order."""
    killed: bool
    said: tuple[str, ...]
    """What the child acknowledged before it ended."""


Operation = Callable[[Callable[[str], None]], None]
"""Gets a function that acknowledges: when it returns, the parent will hear it."""


def run_traced(
    prepare: Callable[[], Operation],
    *,
    stop_at: int | None = None,
    after: bool = False,
    seconds: float = 60.0,
) -> Run:
    """Run an operation in a child of its own; kill it at its `stop_at`-th state-changing call.

    Args:
        prepare: runs in the child before tracing starts, and returns the operation to be traced.
        stop_at: index of the call to be killed at; None runs to the end.
        after: kill when the call has returned, instead of before it has begun.
        seconds: kill and fail after so long.

    Raises:
        CannotTrace: if ptrace is not permitted here.
        Failed: if the operation raised, or `seconds` went by.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of numpy, which hold no lock
        child = os.fork()
    if child == 0:
        _be_the_child(prepare, reader, writer)
    os.close(writer)
    reaped = False
    try:
        calls, killed, status = _step(child, writer, stop_at, after, time.monotonic() + seconds)
        reaped = True
    finally:
        if not reaped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
        said = _all_of(reader)
    errors = [line[1:] for line in said if line.startswith("!")]
    if errors:
        raise Failed(errors[0].replace("\x1f", "\n"))
    if not killed and status != 0:
        raise Failed(f"the child ended with status {status}")
    return Run(calls=calls, killed=killed, said=tuple(said))


def _be_the_child(prepare: Callable[[], Operation], reader: int, writer: int) -> None:
    """Never return: whatever happens here must not run the parent's code."""
    code = 1
    try:
        os.close(reader)
        signal.alarm(120)  # the last resort, should the parent die

        def say(word: str) -> None:
            os.write(writer, f"{word}\n".encode())

        try:
            operation = prepare()
            if _ptrace(_TRACEME, 0, 0, 0) != 0:
                say("!ptrace is not permitted")
                os._exit(2)
            os.kill(os.getpid(), signal.SIGSTOP)
            operation(say)
            code = 0
        except BaseException:  # noqa: BLE001 - the parent raises it
            say("!" + traceback.format_exc().replace("\n", "\x1f"))
    finally:
        os._exit(code)


def _step(
    child: int, pipe: int, stop_at: int | None, after: bool, deadline: float
) -> tuple[tuple[str, ...], bool, int]:
    """Step to the end or to the kill; return the calls, whether it was killed, the exit status."""
    status = _wait(child, deadline)
    if not os.WIFSTOPPED(status):
        return (), False, status
    _must(_ptrace(_SETOPTIONS, child, 0, _TRACESYSGOOD | _EXITKILL))
    calls: list[str] = []
    inside = kill_next = False  # inside: between the entry of a call and its return
    deliver = 0
    while True:
        _must(_ptrace(_SYSCALL, child, 0, deliver))
        status = _wait(child, deadline)
        if not os.WIFSTOPPED(status):
            return tuple(calls), False, status
        stop = os.WSTOPSIG(status)
        deliver = 0 if stop in {_STOPPED, signal.SIGSTOP} else stop
        if stop != _STOPPED:
            continue
        inside = not inside
        if inside:
            name = _changing(child, pipe)
            if name:
                calls.append(name)
            here = bool(name) and len(calls) - 1 == stop_at
            kill = here and not after
            kill_next = here and after
        else:
            kill = kill_next
        if kill:
            os.kill(child, signal.SIGKILL)
            return tuple(calls), True, _wait(child, deadline)


def _changing(child: int, pipe: int) -> str:
    """Return the name of the call the child is about to make if it changes files, else nothing."""
    number, first, second, third = _registers(child)
    name = _CALLS.get(number, "")
    if name == "open" and not second & _WRITING_FLAGS:
        return ""
    if name == "openat" and not third & _WRITING_FLAGS:
        return ""
    if name == "write" and first in {1, 2, pipe}:
        return ""
    return name


def _registers(child: int) -> tuple[int, int, int, int]:
    """Return the number of the system call and its first three arguments."""
    size = 27 * 8 if _X86_64 else 34 * 8
    buffer = ctypes.create_string_buffer(size)
    vector = ctypes.create_string_buffer(struct.pack("@PN", ctypes.addressof(buffer), size))
    _must(_ptrace(_GETREGSET, child, _PRSTATUS, ctypes.addressof(vector)))
    words = struct.unpack(f"<{size // 8}Q", buffer.raw)
    if _X86_64:  # struct user_regs_struct: rdx 12, rsi 13, rdi 14, orig_rax 15
        return words[15], words[14], words[13], words[12]
    return words[8], words[0], words[1], words[2]  # struct user_pt_regs: x8 is the number


def _ptrace(request: int, child: int, address: int, data: int) -> int:
    return int(_libc().ptrace(request, child, address, data))


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    return libc


def _must(result: int) -> None:
    if result < 0:
        raise CannotTrace(os.strerror(ctypes.get_errno()))


def _wait(child: int, deadline: float) -> int:
    """Wait for the child's next stop or end, until the deadline."""
    pause = 0.0
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        if time.monotonic() >= deadline:
            raise Failed("the operation took too long")
        select.select([], [], [], pause)
        pause = min(0.002, pause + 0.00002)


def _all_of(reader: int) -> list[str]:
    with open(reader, "rb") as file:
        return file.read().decode("utf-8").splitlines()


def can_trace() -> bool:
    """Say whether this system lets a process trace its child."""
    if not SUPPORTED:
        return False
    try:
        return run_traced(lambda: lambda say: say("yes")).said == ("yes",)
    except (CannotTrace, Failed):
        return False
