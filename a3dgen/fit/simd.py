"""Single-precision linear algebra, eight lanes at a time.

Loops over a few dozen numbers are too short for what a compiler makes of them by itself: it unrolls for thousands and
does most of a short row one by one. These primitives write the vector instructions out. Their order of summation is
fixed, so that results do not depend on where they are inlined; products are fused with sums where the machine can.

What is written here is part of the kernels that use it: the digest of compiled code covers it (see the line that reads
"import kernel" here, which ``a3dgen.core.compiled`` looks for).

Matrices are C-contiguous float32; leading dimensions count as one, so that (row, column) address them. Columns are
given by their first one and a number of blocks of eight: whoever calls has to leave room for whole blocks.
"""

from __future__ import annotations

import inspect
import platform
from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 8
_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_UNROLL = 9
"""A number of terms or blocks that is known and at most this is written out."""


def padded(columns: int) -> int:
    """Return the least multiple of a block that has room for so many columns."""
    return -(-columns // LANES) * LANES


def _is_matrix(array: Any) -> bool:
    return isinstance(array, types.Array) and array.dtype == types.float32 and array.layout == "C" and array.ndim >= 2


def _known(number: Any) -> int | None:
    value = getattr(number, "literal_value", None)
    return value if value is not None and value <= _UNROLL else None


def _can_fuse() -> bool:
    return platform.machine().lower() in ("aarch64", "arm64") or binding.get_host_cpu_features().get("fma", False)


class _Emitter:
    """Writes instructions of one primitive: addresses, loads, fused products, loops."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self.context, self.builder, self.signature, self.args = context, builder, signature, args
        self.fuse = _can_fuse()

    def number(self, i: int) -> Any:
        """Return argument i as a 64-bit integer."""
        return self.context.cast(self.builder, self.args[i], self.signature.args[i], types.intp)

    def scalar(self, i: int) -> Any:
        """Return argument i as a vector of equal numbers."""
        return self.spread(self.context.cast(self.builder, self.args[i], self.signature.args[i], types.float32))

    def constant(self, value: int) -> Any:
        return ir.Constant(ir.IntType(64), value)

    def pointer(self, i: int, row: Any, column: Any) -> tuple[Any, Any]:
        """Return the address of an element of the matrix that is argument i, and the matrix' number of columns."""
        array = self.context.make_array(self.signature.args[i])(self.context, self.builder, self.args[i])
        columns = cgutils.unpack_tuple(self.builder, array.shape)[-1]
        offset = self.builder.add(self.builder.mul(row, columns), column)
        return self.builder.gep(array.data, [offset]), columns

    def at(self, pointer: Any, offset: Any) -> Any:
        return self.builder.gep(pointer, [offset])

    def load(self, pointer: Any) -> Any:
        return self.builder.load(self.builder.bitcast(pointer, _VECTOR.as_pointer()), align=4)

    def store(self, value: Any, pointer: Any) -> None:
        self.builder.store(value, self.builder.bitcast(pointer, _VECTOR.as_pointer()), align=4)

    def spread(self, value: Any) -> Any:
        lane = self.builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(lane, ir.Constant(_VECTOR, ir.Undefined), zeros)

    def product_sum(self, a: Any, b: Any, c: Any) -> Any:
        """Return a b + c."""
        if self.fuse:
            kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
            fused = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.fma.v{LANES}f32")
            return self.builder.call(fused, (a, b, c))
        return self.builder.fadd(self.builder.fmul(a, b), c)

    def zero(self) -> Any:
        return ir.Constant(_VECTOR, [0.0] * LANES)

    def each(self, count: Any, literal: int | None, body: Any) -> None:
        """Write ``body(number)`` for 0 <= number < count, as a loop unless the count is known."""
        if literal is not None:
            for n in range(literal):
                body(self.constant(n))
            return
        with cgutils.for_range(self.builder, count, intp=ir.IntType(64)) as loop:
            body(loop.index)


def _combine(sign: int, keep: bool, down: bool) -> Any:
    """Make a primitive that sums rows of a matrix, weighted by a row or a column of coefficients.

    The primitive's arguments are (out, i, j, coefficients, p, q, rows, k, m, terms, blocks): out[i, j + c] becomes
    itself (if ``keep``, else 0) plus or minus the sum over t < terms of coefficients[p, q + t] (``down``:
    coefficients[p + t, q]) times rows[k + t, m + c], for 0 <= c < 8 blocks.
    """

    def typed(
        typing: Any, out: Any, i: Any, j: Any, coef: Any, p: Any, q: Any, rows: Any, k: Any, m: Any, terms: Any,
        blocks: Any,
    ) -> Any:  # fmt: skip
        if not all(map(_is_matrix, (out, coef, rows))):
            return None
        count, width = _known(terms), _known(blocks)

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            e = _Emitter(context, builder, signature, args)
            target, _ = e.pointer(0, e.number(1), e.number(2))
            factor, columns = e.pointer(3, e.number(4), e.number(5))
            source, stride = e.pointer(6, e.number(7), e.number(8))
            step = columns if down else e.constant(1)

            def coefficient(t: Any) -> Any:
                value = e.spread(builder.load(e.at(factor, builder.mul(t, step))))
                return value if sign > 0 else builder.fneg(value)

            def start(place: Any) -> Any:
                return e.load(place) if keep else e.zero()

            if count is not None:
                fixed = [coefficient(e.constant(t)) for t in range(count)]

                def one_block(b: Any) -> None:
                    offset = builder.mul(b, e.constant(LANES))
                    place = e.at(target, offset)
                    value = start(place)
                    for t in range(count):
                        row = e.at(source, builder.add(builder.mul(e.constant(t), stride), offset))
                        value = e.product_sum(fixed[t], e.load(row), value)
                    e.store(value, place)

                e.each(e.number(10), width, one_block)
            else:
                _in_registers(e, target, source, stride, coefficient, start, width)
            return context.get_dummy_value()

        return types.void(out, i, j, coef, p, q, rows, k, m, terms, blocks), emit

    return intrinsic(prefer_literal=True)(inspect.unwrap(typed))


def _in_registers(
    e: _Emitter, target: Any, source: Any, stride: Any, coefficient: Any, start: Any, width: int | None
) -> None:
    """Write a sum of many terms; as many blocks as are known, or one after the other, stay in registers."""
    group = width or 1
    groups = e.constant(1) if width else e.number(10)
    builder = e.builder

    def one_group(b: Any) -> None:
        first = builder.mul(b, e.constant(LANES * group))
        places = [e.at(target, builder.add(first, e.constant(LANES * g))) for g in range(group)]
        sums = [cgutils.alloca_once(builder, _VECTOR) for _ in places]
        for place, total in zip(places, sums, strict=True):
            builder.store(start(place), total)

        def one_term(t: Any) -> None:
            c = coefficient(t)
            row = e.at(source, builder.add(builder.mul(t, stride), first))
            for g, total in enumerate(sums):
                value = e.product_sum(c, e.load(e.at(row, e.constant(LANES * g))), builder.load(total))
                builder.store(value, total)

        e.each(e.number(9), None, one_term)
        for place, total in zip(places, sums, strict=True):
            e.store(builder.load(total), place)

    e.each(groups, 1 if width else None, one_group)


set_along, add_along = _combine(1, False, False), _combine(1, True, False)
set_down, add_down, subtract_down = _combine(1, False, True), _combine(1, True, True), _combine(-1, True, True)


def _add_scaled(typing: Any, out: Any, i: Any, j: Any, factor: Any, rows: Any, k: Any, m: Any, blocks: Any) -> Any:
    """out[i, j + c] += factor * rows[k, m + c], for 0 <= c < 8 blocks."""
    if not (_is_matrix(out) and _is_matrix(rows)):
        return None
    width = _known(blocks)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        e = _Emitter(context, builder, signature, args)
        target, _ = e.pointer(0, e.number(1), e.number(2))
        source, _ = e.pointer(4, e.number(5), e.number(6))
        factor_ = e.scalar(3)

        def one_block(b: Any) -> None:
            offset = builder.mul(b, e.constant(LANES))
            place = e.at(target, offset)
            e.store(e.product_sum(factor_, e.load(e.at(source, offset)), e.load(place)), place)

        e.each(e.number(7), width, one_block)
        return context.get_dummy_value()

    return types.void(out, i, j, factor, rows, k, m, blocks), emit


def _dot(typing: Any, a: Any, i: Any, j: Any, b: Any, k: Any, m: Any, blocks: Any) -> Any:
    """Return the sum of a[i, j + c] * b[k, m + c], for 0 <= c < 8 blocks."""
    if not (_is_matrix(a) and _is_matrix(b)):
        return None
    width = _known(blocks)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        e = _Emitter(context, builder, signature, args)
        left, _ = e.pointer(0, e.number(1), e.number(2))
        right, _ = e.pointer(3, e.number(4), e.number(5))
        total = cgutils.alloca_once(builder, _VECTOR)
        builder.store(e.zero(), total)

        def one_block(n: Any) -> None:
            offset = builder.mul(n, e.constant(LANES))
            value = e.product_sum(e.load(e.at(left, offset)), e.load(e.at(right, offset)), builder.load(total))
            builder.store(value, total)

        e.each(e.number(6), width, one_block)
        lanes = [builder.extract_element(builder.load(total), ir.Constant(ir.IntType(32), n)) for n in range(LANES)]
        while len(lanes) > 1:
            half = len(lanes) // 2
            lanes = [builder.fadd(lanes[n], lanes[n + half]) for n in range(half)]
        return lanes[0]

    return types.float32(a, i, j, b, k, m, blocks), emit


add_scaled = intrinsic(prefer_literal=True)(inspect.unwrap(_add_scaled))
dot = intrinsic(prefer_literal=True)(inspect.unwrap(_dot))
