"""One row of a triangle drawn eight samples at a time, as vector instructions.

Most triangles cover a sample or two a row: a loop over those spends its time on guessing where it ends. Here every row
of the box around a triangle is tested whole.
"""

from __future__ import annotations

import inspect
from typing import Any

from llvmlite import ir
from numba.core import types
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
