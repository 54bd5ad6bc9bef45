"""Read pickles as plain data: a stack machine that cannot call anything.

A pickle is a program. The standard library's reader runs it by calling what it names. This one has no instruction that
calls, looks up or changes anything: a name stays text (``Name``), a call stays a note of what was asked for (``Call``),
and dicts and sets stay lists of their entries, so that not even a hash is taken of anything in the file. What the notes
stand for is worked out afterwards, in ``pickle_standins``. All protocols and Python 2 pickles (latin1 byte strings) are
read; extension codes, persistent ids and out-of-band buffers are refused. Opcodes: ``pickletools``.
"""

from __future__ import annotations

import codecs
import io
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from a3dgen.core.errors import DataError
from a3dgen.io.damage import is_not_the_file
from a3dgen.io.pickle_notes import Call, Dict, Name, Refused, Set, shown
from a3dgen.io.pickle_standins import check_name, plain
from a3dgen.io.regular import read_bytes

_SHORT_TEXT, _TEXT, _MEMOIZE, _PUT, _LONG_PUT = 0x8C, ord("X"), 0x94, ord("q"), ord("r")
_STOP, _STRING = ord("."), ord("S")
_MAX_BITS = 512


class Machine:
    """The stack, the marks and the memo of one pickle."""

    def __init__(self, program: bytes) -> None:
        self._program = program
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Execute up to STOP and return what lies on top of the stack: primitives, tuples, lists and notes."""
        program, memo, position = self._program, self.memo, 0
        while True:
            code, position = program[position], position + 1
            # these five are nearly all there is in an array of a million names
            if code == _SHORT_TEXT:
                end = position + 1 + program[position]
                self.push(self._text(position + 1, end))
                position = end
            elif code == _TEXT:
                end = position + 4 + int.from_bytes(program[position : position + 4], "little")
                self.push(self._text(position + 4, end))
                position = end
            elif code == _MEMOIZE:
                memo[len(memo)] = self.stack[-1]
            elif code == _PUT:
                memo[program[position]], position = self.stack[-1], position + 1
            elif code == _LONG_PUT:
                memo[int.from_bytes(program[position : position + 4], "little")] = self.stack[-1]
                position += 4
            elif code == _STOP:
                return self.stack.pop()
            else:
                position = self._other(code, position)

    def _other(self, code: int, position: int) -> int:
        op = pickletools.code2op.get(chr(code))  # type: ignore[attr-defined]
        if op is None or op.name not in _OPS:
            raise Refused(f"the instruction {op.name if op else hex(code)}")
        argument: Any = None
        if op.arg is not None:
            rest = io.BytesIO(self._program)
            rest.seek(position)
            argument = _old_string(rest.readline()) if code == _STRING else op.arg.reader(rest)
            position = rest.tell()
        self._do(op.name, argument)
        return position

    def step(self, name: str, argument: Any) -> None:
        """Execute one instruction as ``pickletools.genops`` gives it, for programs that are read as they run."""
        if name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name in ("SHORT_BINUNICODE", "BINUNICODE"):
            self.push(argument)
        elif name != "STOP":
            if name not in _OPS:
                raise Refused(f"the instruction {name}")
            self._do(name, argument)

    def _do(self, name: str, argument: Any) -> None:
        if isinstance(argument, int) and argument.bit_length() > _MAX_BITS:
            raise Refused("a number of thousands of digits")
        _OPS[name](self, argument)

    def _text(self, start: int, end: int) -> str:
        if end > len(self._program):
            raise EOFError("a text is cut short")
        return self._program[start:end].decode("utf-8", "surrogatepass")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self, _: Any) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def popped(self) -> list[Any]:
        """Return everything above the last mark."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    def drop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.popped()

    def name(self, module: Any, name: Any) -> Name:
        check_name(module, name)
        return Name(module, name)

    def stack_name(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.push(self.name(module, name))

    def call(self, what: Any, args: Any) -> None:
        if not isinstance(what, Name) or not isinstance(args, tuple):
            raise Refused(f"a call of {shown(what)}")
        if what.name == "_reconstructor":  # copyreg: an instance of the class that is its first argument
            if not args or not isinstance(args[0], Name):
                raise Refused("an object of an unknown class")
            what, args = args[0], ()
        self.push(Call(what, args))

    def reduce(self, _: Any) -> None:
        args, what = self.stack.pop(), self.stack.pop()
        self.call(what, args)

    def old_instance(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.call(self.name(module, name), tuple(self.popped()))

    def old_object(self, _: Any) -> None:
        what, *args = self.popped()
        self.call(what, tuple(args))

    def build(self, _: Any) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, Call) or target.state is not None:
            raise Refused(f"the state of {shown(target)} to be changed")
        target.state = state

    def append(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise Refused(f"something to be appended to {shown(self.stack[-1])}")
        self.stack[-1].extend(items)

    def set_items(self, flat: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, (Dict, Call)) or len(flat) % 2:
            raise Refused(f"an entry to be set in {shown(target)}")
        target.pairs.extend(zip(flat[::2], flat[1::2], strict=True))

    def add_items(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], Set):
            raise Refused(f"something to be added to {shown(self.stack[-1])}")
        self.stack[-1].items.extend(items)

    def last(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError("the stack is empty")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items


def _old_string(line: bytes) -> str:
    """Return the text of a quoted Python 2 string with its escapes."""
    quoted = line.removesuffix(b"\n").strip(b" ")
    if len(quoted) < 2 or quoted[:1] != quoted[-1:] or quoted[:1] not in (b"'", b'"'):
        raise ValueError("a string without its quotes")
    return codecs.escape_decode(quoted[1:-1])[0].decode("latin1")


def _new_dict(m: Machine, flat: list[Any]) -> None:
    m.push(Dict())
    m.set_items(flat)


_VALUES = (
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "STRING", "UNICODE", "BINUNICODE8",
)  # fmt: skip
_OPS: dict[str, Callable[[Machine, Any], Any]] = {
    **dict.fromkeys(_VALUES, Machine.push),
    "PROTO": lambda m, a: None,
    "FRAME": lambda m, a: None,
    "NONE": lambda m, a: m.push(None),
    "NEWTRUE": lambda m, a: m.push(True),
    "NEWFALSE": lambda m, a: m.push(False),
    "MARK": Machine.mark,
    "POP": Machine.drop,
    "POP_MARK": lambda m, a: m.popped(),
    "DUP": lambda m, a: m.push(m.stack[-1]),
    "PUT": lambda m, a: m.memo.__setitem__(a, m.stack[-1]),
    "GET": lambda m, a: m.push(m.memo[a]),
    "BINGET": lambda m, a: m.push(m.memo[a]),
    "LONG_BINGET": lambda m, a: m.push(m.memo[a]),
    "EMPTY_LIST": lambda m, a: m.push([]),
    "EMPTY_TUPLE": lambda m, a: m.push(()),
    "EMPTY_DICT": lambda m, a: m.push(Dict()),
    "EMPTY_SET": lambda m, a: m.push(Set()),
    "LIST": lambda m, a: m.push(m.popped()),
    "TUPLE": lambda m, a: m.push(tuple(m.popped())),
    "TUPLE1": lambda m, a: m.push(tuple(m.last(1))),
    "TUPLE2": lambda m, a: m.push(tuple(m.last(2))),
    "TUPLE3": lambda m, a: m.push(tuple(m.last(3))),
    "DICT": lambda m, a: _new_dict(m, m.popped()),
    "FROZENSET": lambda m, a: m.push(Set(m.popped(), frozen=True)),
    "APPEND": lambda m, a: m.append(m.last(1)),
    "APPENDS": lambda m, a: m.append(m.popped()),
    "SETITEM": lambda m, a: m.set_items(m.last(2)),
    "SETITEMS": lambda m, a: m.set_items(m.popped()),
    "ADDITEMS": lambda m, a: m.add_items(m.popped()),
    "GLOBAL": lambda m, a: m.push(m.name(*a.split(" ", 1))),
    "STACK_GLOBAL": Machine.stack_name,
    "REDUCE": Machine.reduce,
    "NEWOBJ": Machine.reduce,
    "INST": Machine.old_instance,
    "OBJ": Machine.old_object,
    "BUILD": Machine.build,
}
"""Everything the machine can do. Not in it, and so refused: EXT1-4, PERSID, BINPERSID, NEWOBJ_EX, NEXT_BUFFER."""


def read_pickle(path: str | Path) -> Any:
    """Read a pickle file as plain data; nothing in it is executed.

    Returns:
        dicts (byte-string keys decoded), lists, tuples, numbers, text, NumPy arrays and scalars, SciPy sparse
        matrices; chumpy arrays as plain arrays.

    Raises:
        DataError: if the file is missing, damaged, or holds or calls anything else.
    """
    return plain_data(read_bytes(path), str(path))


def plain_data(pickled: bytes, where: str) -> Any:
    """Read a pickle in memory, as ``read_pickle`` does; ``where`` names it in errors."""
    try:
        return plain(Machine(pickled).run())
    except Exception as error:  # a program of random bytes fails in many ways
        other = is_not_the_file(pickled[:512]) or _line_ends(pickled)
        if other:
            raise DataError(f"{where}: {other}") from None
        if isinstance(error, Refused):
            raise DataError(
                f"{where}: the pickle asks for {error}, which is not plain data; it was not executed and is not read"
            ) from None
        raise DataError(
            f"{where}: not a pickle, or a damaged one ({type(error).__name__}: {shown(str(error))})"
        ) from None


def _line_ends(pickled: bytes) -> str:
    """Say so if every line end of a text pickle (protocol 0) has become Windows'."""
    if pickled[:1] == b"\x80" or not 0 < pickled.count(b"\n") == pickled.count(b"\r\n"):
        return ""
    return "its line ends were changed to Windows' (CR LF), which damages a pickle; fetch it as binary, or run dos2unix"
