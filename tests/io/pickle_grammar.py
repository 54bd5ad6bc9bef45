"""Pickles made from a grammar, read under an audit hook: run as a script, so that a crash ends only this process.

Usage: ``python pickle_grammar.py SEED COUNT FOLDER``. Ends with status 0 and prints how many programs were read and
refused; with another one if a program reached anything but plain data, or made Python import, open, compile or run
anything.
"""

from __future__ import annotations

import contextlib
import io
import random
import struct
import sys
import zipfile
from pathlib import Path

NAMES = (
    ("numpy", "ndarray"), ("numpy", "dtype"), ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"), ("numpy.core.numeric", "_frombuffer"), ("collections", "OrderedDict"),
    ("builtins", "set"), ("builtins", "object"), ("copyreg", "_reconstructor"), ("_codecs", "encode"),
    ("scipy.sparse._csc", "csc_matrix"), ("chumpy.ch", "Ch"), ("chumpy.reordering", "Select"), ("builtins", "bytes"),
    ("os", "system"), ("builtins", "eval"), ("builtins", "getattr"), ("numpy", "load"), ("numpy", "fromfile"),
    ("numpy", "memmap"), ("numpy.ctypeslib", "as_array"), ("ctypes", "string_at"), ("operator", "methodcaller"),
)  # fmt: skip
"""Those that plain data may name come first, and often."""
DTYPES = ("f8", "i4", "O", "O8", "U2", "S3", "V8", "M8", "b1", "f8,O", "?")
EVENTS = ("import", "open", "exec", "compile", "os.", "subprocess.", "ctypes.", "pickle.", "marshal.", "socket.")


class Grammar:
    """Draws programs: mostly well-formed pieces, put together in ways that no pickler would."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def program(self) -> bytes:
        """Return one pickle."""
        rng = self.rng
        parts = [rng.choice((b"", b"\x80\x02", b"\x80\x04"))]
        parts += [self.piece(rng.randrange(5)) for _ in range(rng.randrange(1, 7))]
        if rng.random() < 0.5:
            parts += [self.effect() for _ in range(rng.randrange(1, 6))]
        return b"".join(parts) + b"."

    def piece(self, depth: int) -> bytes:
        """Return instructions that leave one value on the stack."""
        makers = [self.number, self.text, self.name, self.array, self.crafted, self.recalled]
        if depth > 0:
            makers += [self.tuple, self.list, self.dict, self.call, self.call, self.built, self.instance, self.frozen]
        made = self.rng.choice(makers)(depth - 1)
        if self.rng.random() < 0.2:
            made += b"q" + bytes([self.rng.randrange(4)])
        return made + (self.effect() if self.rng.random() < 0.1 else b"")

    def number(self, _: int) -> bytes:
        rng = self.rng
        return rng.choice((
            b"N", b"\x88", b"K" + bytes([rng.randrange(256)]), b"J" + struct.pack("<i", rng.choice((-1, 0, 2**31 - 1))),
            b"\x8a\x09" + b"\xff" * 8 + b"\x7f", b"G" + struct.pack(">d", rng.choice((1.5, float("nan")))), b"I01\n",
        ))  # fmt: skip

    def text(self, _: int) -> bytes:
        rng = self.rng
        raw = rng.choice((b"x", b"O", b"f8", b"shape", b"data", b"__class__", b"__dict__", b"__setstate__", b"b" * 8))
        return rng.choice((
            b"X" + struct.pack("<I", len(raw)) + raw, b"\x8c" + bytes([len(raw)]) + raw, b"S'" + raw + b"'\n",
            b"C" + bytes([len(raw)]) + raw, b"U" + bytes([len(raw)]) + raw,
            b"\x96" + struct.pack("<Q", len(raw)) + raw,
        ))  # fmt: skip

    def name(self, _: int) -> bytes:
        rng = self.rng
        module, name = rng.choice(NAMES[:14] if rng.random() < 0.9 else NAMES)
        if rng.random() < 0.5:
            return f"c{module}\n{name}\n".encode()
        return b"".join(b"\x8c" + bytes([len(w)]) + w.encode() for w in (module, name)) + b"\x93"

    def dtype(self) -> bytes:
        code = self.rng.choice(DTYPES).encode()
        made = b"cnumpy\ndtype\n(\x8c" + bytes([len(code)]) + code + b"\x89\x88tR"
        state = self.rng.choice(
            (b"", b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb", b"(K\x03Ntb")
        )
        return made + state

    def shape(self) -> bytes:
        return self.rng.choice((b")", b"K\x01\x85", b"K\x02K\x01\x86", b"\x8a\x08" + b"\xff" * 7 + b"\x7f\x85", b"N"))

    def array(self, depth: int) -> bytes:
        """The way arrays are really written, with data of any kind in it."""
        rng = self.rng
        start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
        data = rng.choice((b"C\x08" + b"\x41" * 8, b"]", b"](K\x01e", b"](" + self.piece(min(depth, 1)) + b"e", b"N"))
        order = rng.choice((b"\x89", b"\x88"))
        return start + b"(K\x01" + self.shape() + self.dtype() + order + data + b"t" + rng.choice((b"b", b"b", b""))

    def crafted(self, _: int) -> bytes:
        """The class itself, called with a buffer of bytes that it is to take for objects."""
        buffer = b"C\x10" + bytes(self.rng.randrange(256) for _ in range(16))
        return b"cnumpy\nndarray\n(" + self.shape() + self.dtype() + buffer + b"t" + self.rng.choice((b"R", b"\x81"))

    def recalled(self, _: int) -> bytes:
        return self.rng.choice(
            (b"h\x00", b"h\x01", b"g2\n", b"j\x03\x00\x00\x00", b"2", b"\x82\x01", b"Px\n", b"K\x01Q")
        )

    def tuple(self, depth: int) -> bytes:
        return b"(" + b"".join(self.piece(depth) for _ in range(self.rng.randrange(4))) + b"t"

    def list(self, depth: int) -> bytes:
        return b"](" + b"".join(self.piece(depth) for _ in range(self.rng.randrange(4))) + b"e"

    def dict(self, depth: int) -> bytes:
        return b"}(" + b"".join(self.piece(depth) for _ in range(2 * self.rng.randrange(3))) + b"u"

    def frozen(self, depth: int) -> bytes:
        return b"(" + b"".join(self.piece(depth) for _ in range(2)) + self.rng.choice((b"\x91", b"d", b"l"))

    def call(self, depth: int) -> bytes:
        callee = self.name(0) if self.rng.random() < 0.8 else self.piece(depth)
        args = self.tuple(depth) if self.rng.random() < 0.9 else self.piece(depth)
        end = self.rng.choice((b"R", b"R", b"\x81", b"}\x92"))
        return callee + args + end

    def instance(self, depth: int) -> bytes:
        module, name = self.rng.choice(NAMES)
        if self.rng.random() < 0.5:
            return b"(" + self.piece(depth) + f"i{module}\n{name}\n".encode()
        return b"(" + self.name(0) + self.piece(depth) + b"o"

    def built(self, depth: int) -> bytes:
        return self.piece(depth) + self.piece(depth) + b"b"

    def effect(self) -> bytes:
        """Instructions that change what is there already, whatever it is."""
        return self.rng.choice((
            b"0", b"1", b"2", b"(", b"b", b"R", b"\x81", b"a", b"e", b"s", b"u", b"\x90", b"\x91", b"\x94", b"t", b"d",
            b"l", b"\x85", b"\x86", b"\x87", b"\x93", b"\x97", b"\x98", b"\x92", b"o", b"q\x00", b"h\x00",
        ))  # fmt: skip


def plain_types() -> tuple[type, ...]:
    """Return the types that may come out."""
    from collections import OrderedDict

    import numpy as np
    import scipy.sparse as sp

    containers = (dict, OrderedDict, list, tuple, set, frozenset)
    return (type(None), bool, int, float, str, bytes, np.ndarray, sp.csc_matrix, sp.csr_matrix, np.dtype, *containers)


def check_plain(value: object, types: tuple[type, ...], depth: int = 0) -> None:
    """Raise AssertionError if anything but plain data is in a value; what is an array of objects is looked into."""
    import numpy as np

    assert type(value) in types or isinstance(value, (np.generic, np.dtype)), f"a {type(value)} came out"
    if isinstance(value, dict):
        items: list[object] = [*value, *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        items = list(value)
    else:
        items = list(value.ravel()) if isinstance(value, np.ndarray) and value.dtype == object else []
    for item in items[:50]:
        check_plain(item, types, depth + 1)
    repr(value)  # an object that is none would crash here


def in_npz(program: bytes, path: Path) -> None:
    """Write an npz of one object array that holds ``program``."""
    import numpy as np

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("imgname.npy", header.getvalue() + program)


def main(seed: int, count: int, folder: Path) -> None:
    """Read ``count`` programs as pickles and inside npz files."""
    from a3dgen.core.errors import DataError
    from a3dgen.io.npz import read
    from a3dgen.io.unpickle import plain_data

    types, grammar = plain_types(), Grammar(random.Random(seed))
    read_count = refused = 0
    watching = False

    def watch(event: str, args: tuple[object, ...]) -> None:
        if watching and event.startswith(EVENTS):
            raise SystemExit(f"the program made Python do '{event}' {args[:2]}")

    sys.addaudithook(watch)
    for number in range(-1, count):  # the first one imports whatever is imported late
        program = b"K\x01." if number < 0 else grammar.program()
        try:
            watching = number >= 0
            value = plain_data(program, "x.pkl")
            watching = False
            check_plain(value, types)
            read_count += 1
        except DataError as error:
            watching = False
            message = str(error)
            refused += 1
            if "\n" in message or len(message) > 300:
                raise SystemExit(f"not one line: {message}") from None
        if number % 10 == 0:
            in_npz(program, folder / "x.npz")
            with contextlib.suppress(DataError):
                check_plain(read(folder / "x.npz", objects=bool(number % 20)), types)
    print(f"{read_count} read, {refused} refused")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
