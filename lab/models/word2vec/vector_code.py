"""The arithmetic of one window of word2vec, written in vectors of 16 floats for LLVM through numba.

A window has C context words and K outputs: the word to predict and its noise words. K is the length of the tuple
`labels`, thus part of a type, thus known to the compiler, which keeps K sums in registers at once. Rows are multiples
of 16 floats long and aligned to 64 bytes; where a processor's vectors are shorter, LLVM uses several.

numba's cache of compiled code looks only at the file that a compiled function stands in: after a change here, touch
`kernels.py`, `subword_kernel.py` and `pair_losses.py`. A function that calls these must not be compiled with fastmath,
which reaches into them and takes the rounding in the sigmoid for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_VECTOR, _INTS = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INT, LANES)
_ANY_ORDER = ("reassoc", "contract")  # sums may be regrouped, products and sums fused; NaN stays NaN


def _constant(*values: float) -> ir.Constant:
    return ir.Constant(_VECTOR, [ir.Constant(_FLOAT, float(value)) for value in (values * LANES)[:LANES]])


def _fma(builder: Any, factor: Any, other: Any, added: Any) -> Any:
    return builder.fadd(builder.fmul(factor, other, flags=_ANY_ORDER), added, flags=_ANY_ORDER)


def _broadcast(builder: Any, scalar: Any) -> Any:
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), scalar, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, first, ir.Constant(_INTS, [0] * LANES))


def _sums(builder: Any, vectors: list[Any]) -> Any:
    """The sums of the elements of up to 16 vectors, as one vector: halves are folded together, two vectors into one."""
    even, odd = (ir.Constant(_INTS, list(range(first, 2 * LANES, 2))) for first in (0, 1))
    vectors = vectors + [_constant(0.0)] * (LANES - len(vectors))
    while len(vectors) > 1:
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [
            builder.fadd(builder.shuffle_vector(a, b, even), builder.shuffle_vector(a, b, odd), flags=_ANY_ORDER)
            for a, b in pairs
        ]
    return vectors[0]


def _sigmoid(builder: Any, x: Any) -> Any:
    """1 / (1 + exp(-x)) within 1e-6, x clamped to ±30: exp(-x) is 2 to a whole power times 2 to one in ±1/2."""
    x = builder.select(builder.fcmp_ordered("<", x, _constant(30.0)), x, _constant(30.0))
    x = builder.select(builder.fcmp_ordered(">", x, _constant(-30.0)), x, _constant(-30.0))
    power = builder.fmul(x, _constant(-1.4426950408889634))
    large = _constant(1.5 * 2**23)  # adding it leaves no room for a fraction
    whole = builder.fsub(builder.fadd(power, large), large)
    part = builder.fsub(power, whole)
    series = _constant(0.0013333558)  # the Taylor series of 2 ** part: ln(2) ** n / n!
    for term in (0.0096181291, 0.0555041087, 0.2402265070, 0.6931471806, 1.0):
        series = _fma(builder, series, part, _constant(term))
    exponent = builder.shl(builder.fptosi(whole, _INTS), ir.Constant(_INTS, [23] * LANES))
    exponential = builder.bitcast(builder.add(builder.bitcast(series, _INTS), exponent), _VECTOR)
    return builder.fdiv(_constant(1.0), builder.fadd(_constant(1.0), exponential))


class _Arrays:
    """The arguments of an intrinsic while its code is written: arrays as pointers, the rest as it is."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any) -> None:
        self.builder = builder
        self.index = ir.IntType(64)
        self.arrays = [
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, values, strict=True)
        ]

    def width(self, matrix: Any) -> Any:
        return cgutils.unpack_tuple(self.builder, matrix.shape)[1]

    def element(self, vector: Any, place: Any) -> Any:
        return self.builder.gep(vector.data, [place])

    def number(self, value: int) -> Any:
        return ir.Constant(self.index, value)

    def scalar(self, vector: Any, place: Any) -> Any:
        return self.builder.load(self.element(vector, place))

    def row(self, matrix: Any, rows: Any, place: Any) -> Any:
        """The pointer to the row of a matrix whose number stands at a place of an array."""
        number = self.builder.load(self.element(rows, place))
        return self.builder.gep(matrix.data, [self.builder.mul(number, self.width(matrix))])

    def load(self, row: Any, column: Any, align: int = 64) -> Any:
        pointer = self.builder.bitcast(self.builder.gep(row, [column]), _VECTOR.as_pointer())
        return self.builder.load(pointer, align=align)

    def store(self, vector: Any, row: Any, column: Any, align: int = 64) -> None:
        pointer = self.builder.bitcast(self.builder.gep(row, [column]), _VECTOR.as_pointer())
        self.builder.store(vector, pointer, align=align)

    def fetch(self, row: Any, column: Any) -> None:
        """Ask for 16 floats before they are needed, to be changed: another core that holds them lets go of them."""
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        call = self.builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        address = self.builder.bitcast(self.builder.gep(row, [column]), byte)
        self.builder.call(call, [address, flag(1), flag(3), flag(1)])  # to write, into the nearest cache, as data

    def columns(self, matrix: Any) -> Any:
        """A loop over the columns of a matrix, 16 at a time."""
        zero, step = self.number(0), self.number(LANES)
        return cgutils.for_range_slice(self.builder, zero, self.width(matrix), step, intp=self.index)

    def column_blocks(self, matrix: Any) -> Iterator[list[Any]]:
        """Two loops over the columns of a matrix, 64 at a time and the rest 16 at a time: the columns of a turn.

        What is looked up for a row in a turn, where it begins and whether it is the last, serves all of them.
        """
        zero, end, wide = self.number(0), self.width(matrix), 4 * LANES
        middle = self.builder.sub(end, self.builder.srem(end, self.number(wide)))
        for first, last, step in ((zero, middle, wide), (middle, end, LANES)):
            with cgutils.for_range_slice(self.builder, first, last, self.number(step), intp=self.index) as (column, _):
                yield [self.builder.add(column, self.number(offset)) for offset in range(0, step, LANES)]

    def variables(self, count: int) -> list[Any]:
        """Vectors that are summed into in a loop, zero before it; the compiler keeps them in registers."""
        pointers = [cgutils.alloca_once(self.builder, _VECTOR) for _ in range(count)]
        for pointer in pointers:
            self.builder.store(_constant(0.0), pointer)
        return pointers

    def add_to(self, variable: Any, factor: Any, other: Any) -> None:
        self.builder.store(_fma(self.builder, factor, other, self.builder.load(variable)), variable)


@intrinsic
def gradients(typing: Any, inputs, contexts, size, outputs, targets, labels, rates, gradient):  # type: ignore[no-untyped-def]
    """gradient[c * K + k] = rates[k] * (1 if k == 0 else 0 - sigmoid(inputs[contexts[c]] . outputs[targets[k]])).

    For c below `size`; K is the length of the tuple `labels`. `rates` and `gradient` have room for 16 floats more.
    """
    count = labels.count
    together = max(1, LANES // count)  # context words whose scores fill one vector

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        code = _Arrays(context, builder, signature, values)
        inputs, contexts, size, outputs, targets, _, rates, gradient = code.arrays

        def tile(first: Any, width: int) -> None:
            sums = code.variables(width * count)
            places = [builder.add(first, code.number(c)) for c in range(width)]
            ins = [code.row(inputs, contexts, place) for place in places]
            outs = [code.row(outputs, targets, code.number(k)) for k in range(count)]
            with code.columns(inputs) as (column, _):
                left = [code.load(row, column) for row in ins]
                for k, row in enumerate(outs):
                    right = code.load(row, column)
                    for c in range(width):
                        code.add_to(sums[c * count + k], left[c], right)
            totals = [builder.load(total) for total in sums]
            for start in range(0, len(totals), LANES):
                lanes = [lane % count if count <= LANES else lane for lane in range(LANES)]
                rate = code.load(rates.data, code.number(start), align=4)
                rate = builder.shuffle_vector(rate, rate, ir.Constant(_INTS, lanes))
                label = _constant(*(float((start + lane) % count == 0) for lane in range(LANES)))
                score = _sigmoid(builder, _sums(builder, totals[start : start + LANES]))
                value = builder.fmul(rate, builder.fsub(label, score))
                place = builder.add(builder.mul(first, code.number(count)), code.number(start))
                code.store(value, gradient.data, place, align=4)

        rest = builder.srem(size, code.number(together))
        whole = builder.sub(size, rest)
        zero, one = code.number(0), code.number(1)
        with cgutils.for_range_slice(builder, zero, whole, code.number(together), intp=code.index) as (first, _):
            tile(first, together)
        if together > 1:
            with cgutils.for_range_slice(builder, whole, size, one, intp=code.index) as (first, _):
                tile(first, 1)
        return context.get_dummy_value()

    return types.void(inputs, contexts, size, outputs, targets, labels, rates, gradient), generate


@intrinsic
def move_window(typing: Any, inputs, contexts, size, outputs, targets, labels, gradient, upcoming):  # type: ignore[no-untyped-def]
    """Skip-gram: outputs[t_k] += sum_c g[c, k] inputs[c_c], and inputs[c_c] += sum_k g[c, k] outputs[t_k] as it was.

    A word that stands twice in the window is moved twice, the second time from where the first left it. On the way
    the output vectors `upcoming` (K rows) are asked for, a piece at a time, so that the loads at hand need not wait.
    """
    count = labels.count

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        code = _Arrays(context, builder, signature, values)
        inputs, contexts, size, outputs, targets, _, gradient, upcoming = code.arrays
        outs, later = ([code.row(outputs, rows, code.number(k)) for k in range(count)] for rows in (targets, upcoming))
        with code.columns(inputs) as (column, _):
            for row in later:
                code.fetch(row, column)
            before = [code.load(row, column) for row in outs]
            moves = code.variables(count)
            with cgutils.for_range(builder, size, intp=code.index) as loop:
                row = code.row(inputs, contexts, loop.index)
                old = moved = code.load(row, column)
                start = builder.mul(loop.index, code.number(count))
                for k in range(count):
                    slope = _broadcast(builder, code.scalar(gradient, builder.add(start, code.number(k))))
                    moved = _fma(builder, slope, before[k], moved)
                    code.add_to(moves[k], slope, old)
                code.store(moved, row, column)
            for row, move in zip(outs, moves, strict=True):  # read anew: a noise word may be there twice
                code.store(builder.fadd(code.load(row, column), builder.load(move)), row, column)
        return context.get_dummy_value()

    return types.void(inputs, contexts, size, outputs, targets, labels, gradient, upcoming), generate


@intrinsic
def sum_rows(typing: Any, inputs, contexts, size, scale, hidden):  # type: ignore[no-untyped-def]
    """CBOW: hidden[0] = scale * sum_c inputs[contexts[c]], for c below `size`."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        code = _Arrays(context, builder, signature, values)
        inputs, contexts, size, scale, hidden = code.arrays
        factor = _broadcast(builder, scale)
        for columns in code.column_blocks(inputs):
            totals = code.variables(len(columns))
            with cgutils.for_range(builder, size, intp=code.index) as loop:
                row = code.row(inputs, contexts, loop.index)
                for total, column in zip(totals, columns, strict=True):
                    code.add_to(total, _constant(1.0), code.load(row, column))
            for total, column in zip(totals, columns, strict=True):
                code.store(builder.fmul(factor, builder.load(total)), hidden.data, column)
        return context.get_dummy_value()

    return types.void(inputs, contexts, size, scale, hidden), generate


@intrinsic
def move_mean(typing: Any, inputs, contexts, size, scale, hidden, outputs, targets, labels, gradient, upcoming):  # type: ignore[no-untyped-def]
    """CBOW: outputs[t_k] += g[k] hidden, and inputs[c_c] += scale * sum_k g[k] outputs[t_k] as it was, for every c.

    `upcoming` as in `move_window`.
    """
    count = labels.count

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        code = _Arrays(context, builder, signature, values)
        inputs, contexts, size, scale, hidden, outputs, targets, _, gradient, upcoming = code.arrays
        outs, later = ([code.row(outputs, rows, code.number(k)) for k in range(count)] for rows in (targets, upcoming))
        slopes = [_broadcast(builder, code.scalar(gradient, code.number(k))) for k in range(count)]
        factor = _broadcast(builder, scale)
        for columns in code.column_blocks(inputs):
            moves = []
            for column in columns:
                for row in later:
                    code.fetch(row, column)
                before = [code.load(row, column) for row in outs]
                center = code.load(hidden.data, column)
                move = _constant(0.0)
                for row, slope, old in zip(outs, slopes, before, strict=True):
                    move = _fma(builder, slope, old, move)
                    code.store(_fma(builder, slope, center, code.load(row, column)), row, column)
                moves.append(builder.fmul(factor, move))
            with cgutils.for_range(builder, size, intp=code.index) as loop:
                row = code.row(inputs, contexts, loop.index)
                for move, column in zip(moves, columns, strict=True):
                    code.store(builder.fadd(code.load(row, column), move), row, column)
        return context.get_dummy_value()

    signature = types.void(inputs, contexts, size, scale, hidden, outputs, targets, labels, gradient, upcoming)
    return signature, generate


@intrinsic
def prefetch(typing: Any, matrix, row):  # type: ignore[no-untyped-def]
    """Ask for a whole row of a matrix before it is needed."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        code = _Arrays(context, builder, signature, values)
        matrix, row = code.arrays
        pointer = builder.gep(matrix.data, [builder.mul(row, code.width(matrix))])
        with code.columns(matrix) as (column, _):
            code.fetch(pointer, column)
        return context.get_dummy_value()

    return types.void(matrix, row), generate
