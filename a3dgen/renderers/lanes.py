"""Vector instructions of what draws: eight samples at a time.

Rows of triangles: most cover a sample or two, and a loop over those spends its time on guessing where it ends. Here
every row of the box around a triangle is tested whole.
Formulas: written in Python on ``Lanes``, as eight numbers at once; their precision is that of the same formula on
single numbers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 8
"""Buffers must have so many elements to spare at their end: a row is read and written in whole blocks."""
_INT = ir.IntType(32)
_INTS = ir.VectorType(_INT, LANES)
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)


def _spread(builder: Any, value: Any, kind: Any) -> Any:
    """Return a vector of equal numbers."""
    lane = builder.insert_element(ir.Constant(kind, ir.Undefined), value, _INT(0))
    return builder.shuffle_vector(lane, ir.Constant(kind, ir.Undefined), ir.Constant(_INTS, [0] * LANES))


def _emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    b = builder
    depth, ids = (context.make_array(signature.args[i])(context, b, args[i]).data for i in range(2))
    place, count, name = args[2:5]
    lines = [(_spread(b, args[i], _DOUBLES), _spread(b, args[i + 1], _DOUBLES)) for i in (5, 7, 9, 11)]
    ramp = ir.Constant(_DOUBLES, [float(i) for i in range(LANES)])
    numbers = ir.Constant(_INTS, list(range(LANES)))
    names, counts = _spread(b, name, _INTS), _spread(b, count, _INTS)
    zero = ir.Constant(_DOUBLES, [0.0] * LANES)
    before, block, after = b.basic_block, b.append_basic_block("block"), b.append_basic_block("after")
    b.branch(block)

    b.position_at_end(block)
    k = b.phi(_INT)
    k.add_incoming(_INT(0), before)
    lane = b.fadd(ramp, _spread(b, b.sitofp(k, ir.DoubleType()), _DOUBLES))
    *weights, near = (b.fadd(start, b.fmul(lane, slope)) for start, slope in lines)
    take = b.icmp_signed("<", b.add(numbers, _spread(b, k, _INTS)), counts)
    for weight in weights:
        take = b.and_(take, b.fcmp_ordered(">=", weight, zero))
    near = b.fptrunc(near, _FLOATS)
    at = b.add(place, b.sext(k, place.type))
    to_depth = b.bitcast(b.gep(depth, [at]), _FLOATS.as_pointer())
    to_ids = b.bitcast(b.gep(ids, [at]), _INTS.as_pointer())
    old, owner = b.load(to_depth, align=4), b.load(to_ids, align=4)
    take = b.and_(take, b.fcmp_ordered(">", near, old))
    b.store(b.select(take, near, old), to_depth, align=4)
    b.store(b.select(take, names, owner), to_ids, align=4)
    following = b.add(k, _INT(LANES))
    k.add_incoming(following, block)
    b.cbranch(b.icmp_signed("<", following, count), block, after)

    b.position_at_end(after)
    return context.get_dummy_value()


def _keep_nearest(
    typing: Any, depth: Any, ids: Any, place: Any, count: Any, name: Any,
    u: Any, du: Any, v: Any, dv: Any, w: Any, dw: Any, n: Any, dn: Any,
) -> Any:  # fmt: skip
    """Keep the nearness and name of a face at the samples of one row that it covers and where it is nearest.

    Along the row u, v, w (weights of the corners, covered where none is negative) and n (nearness) grow by their steps.

    Args:
        depth, ids: C arrays f4 and u4, with ``LANES`` elements of memory behind them. place: of the row's first
            sample, flattened. count: samples, 1 or more. name: of the face.
        u, v, w, n: at the first sample, f8. du, dv, dw, dn: their steps, f8.
    """
    arrays = ((depth, types.float32), (ids, types.uint32))
    if not all(isinstance(a, types.Array) and a.dtype == kind and a.layout == "C" for a, kind in arrays):
        return None
    return types.void(depth, ids, types.intp, types.int32, types.uint32, *[types.float64] * 8), _emit


keep_nearest = intrinsic(inspect.unwrap(_keep_nearest))


class Lanes:
    """Eight numbers of a formula, f4 or f8: with f8, or with a plain number, f4 becomes f8."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def wide(self) -> Lanes:
        """Return f8."""
        if self.value.type == _DOUBLES:
            return self
        return Lanes(self.builder, self.builder.fpext(self.value, _DOUBLES))

    def _with(self, other: Lanes | float) -> tuple[Any, Any]:
        if not isinstance(other, Lanes):
            return self.wide().value, ir.Constant(_DOUBLES, [float(other)] * LANES)
        if self.value.type == other.value.type:
            return self.value, other.value
        return self.wide().value, other.wide().value

    def _made(self, instruction: str, *values: Any) -> Lanes:
        return Lanes(self.builder, getattr(self.builder, instruction)(*values))

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._made("fadd", *self._with(other))

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._made("fsub", *self._with(other))

    def __rsub__(self, other: float) -> Lanes:
        return self._made("fsub", *self._with(other)[::-1])

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._made("fmul", *self._with(other))

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._made("fdiv", *self._with(other))

    def __rtruediv__(self, other: float) -> Lanes:
        return self._made("fdiv", *self._with(other)[::-1])

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Lanes:
        return self._made("fneg", self.value)

    def is_(self, comparison: str, other: Lanes | float) -> Any:
        """Return in which lanes a comparison holds."""
        return self.builder.fcmp_ordered(comparison, *self._with(other))

    def most(self, other: Lanes | float) -> Lanes:
        """Return the greater one, lane by lane."""
        a, b = self._with(other)
        return self._made("select", self.builder.fcmp_ordered(">", b, a), b, a)

    def least(self, other: Lanes | float) -> Lanes:
        """Return the smaller one, lane by lane."""
        a, b = self._with(other)
        return self._made("select", self.builder.fcmp_ordered("<", b, a), b, a)

    def where(self, chosen: Any, other: Lanes | float) -> Lanes:
        """Return these numbers in the lanes ``chosen``, others elsewhere."""
        return self._made("select", chosen, *self._with(other))

    def size(self) -> Lanes:
        """Return absolute values."""
        return self.most(-self)

    def root(self) -> Lanes:
        """Return square roots, f8."""
        value = self.wide().value
        function = cgutils.get_or_insert_function(
            self.builder.module, ir.FunctionType(_DOUBLES, [_DOUBLES]), f"llvm.sqrt.v{LANES}f64"
        )
        return Lanes(self.builder, self.builder.call(function, [value]))


class Sheet:
    """What a formula reads and writes: rows of eight numbers ``given`` (f4) and ``work`` (f8), and single constants."""

    def __init__(self, builder: Any, given: Any, work: Any, constants: Any) -> None:
        self.builder, self._given, self._work, self._constants = builder, given, work, constants

    def _at(self, array: Any, row: int, kind: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(array, [ir.IntType(64)(row * LANES)]), kind.as_pointer())

    def given(self, row: int) -> Lanes:
        """Return a row of what is given, f4."""
        return Lanes(self.builder, self.builder.load(self._at(self._given, row, _FLOATS), align=4))

    def work(self, row: int) -> Lanes:
        """Return a row of what has been worked out, f8."""
        return Lanes(self.builder, self.builder.load(self._at(self._work, row, _DOUBLES), align=8))

    def put(self, row: int, numbers: Lanes) -> None:
        """Write a row of ``work``."""
        self.builder.store(numbers.wide().value, self._at(self._work, row, _DOUBLES), align=8)

    def constant(self, place: int) -> Lanes:
        """Return a constant in all lanes, f8."""
        value = self.builder.load(self.builder.gep(self._constants, [ir.IntType(64)(place)]))
        return Lanes(self.builder, _spread(self.builder, value, _DOUBLES))

    def both(self, one: Any, other: Any) -> Any:
        """Return in which lanes both conditions hold."""
        return self.builder.and_(one, other)


def formula(write: Callable[[Sheet], None]) -> Any:
    """Make a formula callable from compiled code: (given (n, 8) f4, work (m, 8) f8, constants (k,) f8)."""
    kinds = (types.float32, types.float64, types.float64)

    def typed(typing: Any, given: Any, work: Any, constants: Any) -> Any:
        arrays = (given, work, constants)
        if not all(
            isinstance(a, types.Array) and a.dtype == kind and a.layout == "C"
            for a, kind in zip(arrays, kinds, strict=True)
        ):
            return None

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = (context.make_array(signature.args[i])(context, builder, args[i]).data for i in range(3))
            write(Sheet(builder, *data))
            return context.get_dummy_value()

        return types.void(*arrays), emit

    return intrinsic(inspect.unwrap(typed))
