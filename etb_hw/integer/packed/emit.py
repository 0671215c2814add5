"""LLVM vector code of the tiles. The only file with machine-level tricks, each explained where it stands.

Numba sees a few intrinsics: `tile` (multiply), `copy`, `mix64` and `pair64` (build panels), `bits_below` and
`bits_reaching` (compare 64 results with their thresholds and return the bits), `put_word`, `at`, `call`.
Addresses are integers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from etb_hw.integer.packed.kernel import BLOCK, BYTE_KERNELS, KERNELS, VECTORS, ByteKernel, Kernel

Builder = Any
Value = Any
Sums = tuple[Value, Value]  # address of the results, and whether they are the first
Step = Callable[[ByteKernel], tuple[Any, Callable[..., Value], Callable[..., Value]]]

_I1, _I8, _I16, _I32, _I64 = (ir.IntType(n) for n in (1, 8, 16, 32, 64))


def _vector(element: Any, lanes: int) -> Any:
    return ir.VectorType(element, lanes)


def _splat(vector: Any, value: int) -> Any:
    return ir.Constant(vector, [value] * vector.count)


def _load(b: Builder, address: Value, kind: Any, align: int = 1) -> Value:
    return b.load(b.inttoptr(address, kind.as_pointer()), align=align)


def _store(b: Builder, value: Value, address: Value, align: int = 1) -> None:
    b.store(value, b.inttoptr(address, value.type.as_pointer()), align=align)


def _call(b: Builder, name: str, result: Any, *args: Value) -> Value:
    kind = ir.FunctionType(result, [arg.type for arg in args])
    return b.call(cgutils.get_or_insert_function(b.module, kind, name), args)


def _broadcast(b: Builder, scalar: Value, lanes: int) -> Value:
    vector = _vector(scalar.type, lanes)
    one = b.insert_element(ir.Constant(vector, ir.Undefined), scalar, _I32(0))
    return b.shuffle_vector(
        one, ir.Constant(vector, ir.Undefined), ir.Constant(_vector(_I32, lanes), [0] * lanes)
    )


def _find(key: str) -> Kernel | ByteKernel:
    name = key.partition("@")[0]
    return next(kernel for kernel in (*KERNELS, *BYTE_KERNELS) if kernel.name == name)


@intrinsic(prefer_literal=True)
def tile(typing, key, panel, stride, weights, groups, sums, pixels, vectors, fresh, table):  # type: ignore[no-untyped-def]
    """Multiply a tile and return how many pixels it took.

    Args:
        key: kernel's cache key, a constant.
        panel: address of the first panel row; ``stride`` bytes to the next.
        weights: address of this block's weights, ``groups`` x ``vectors`` x lanes.
        groups: groups to run over, at most the kernel's ``flush``.
        sums: address of the results, rows of BLOCK: uint16 mismatches or int32 sums.
        pixels: pixels that are left; the largest of the kernel's tiles that they fill is taken, or the
            smallest tile.
        vectors: vectors in this block, 1 to VECTORS.
        fresh: whether to write the results, or to add to those that are there.
        table: address of the mismatch table (unused by some kernels).
    """
    kernel = _find(key.literal_value)
    signature = types.intp(key, *[types.intp] * 7, types.boolean, types.intp)

    def generate(context, b, signature, args):  # type: ignore[no-untyped-def]
        _, panel, stride, weights, groups, sums, pixels, vectors, fresh, table = args
        fresh = b.trunc(fresh, _I1)
        taken = _I64(kernel.pixels[-1])
        for size in kernel.pixels[-2::-1]:
            taken = b.select(b.icmp_signed(">=", pixels, _I64(size)), _I64(size), taken)
        end = b.append_basic_block("tile.end")
        shapes = b.switch(b.add(b.mul(taken, _I64(VECTORS)), vectors), end)
        for size in kernel.pixels:
            for count in range(1, VECTORS + 1):
                here = b.append_basic_block(f"tile.{size}x{count}")
                shapes.add_case(_I64(size * VECTORS + count), here)
                b.position_at_end(here)
                rows = [b.add(panel, b.mul(stride, _I64(p))) for p in range(size)]
                _BODIES[kernel.name](b, kernel, rows, weights, groups, (sums, fresh), count, table)
                b.branch(end)
        b.position_at_end(end)
        return taken

    return signature, generate


def _accumulators(b: Builder, vector: Any, *shape: int) -> Any:
    """Zeroed local vectors; LLVM keeps them in registers."""
    if not shape:
        return cgutils.alloca_once_value(b, _splat(vector, 0))
    return [_accumulators(b, vector, *shape[1:]) for _ in range(shape[0])]


def _reset(b: Builder, accumulators: Any) -> None:
    if isinstance(accumulators, list):
        for each in accumulators:
            _reset(b, each)
    else:
        b.store(_splat(accumulators.type.pointee, 0), accumulators)


def _increase(b: Builder, accumulator: Value, value: Value) -> None:
    b.store(b.add(b.load(accumulator), value), accumulator)


def _add_counts(b: Builder, counts: list[list[Value]], lanes: int, sums: Sums) -> None:
    """Widen vectors of 8-bit counts, by pixel and vector, and put them to the 16-bit sums.

    Even bytes go to the first half of the vector's sums and odd bytes to the second, which costs a mask
    and a shift instead of cross-lane shuffles. Weights are packed in that order (`layout.byte_order`).
    """
    half = _vector(_I16, lanes // 2)
    results = []
    for pixel, vectors in enumerate(counts):
        for i, count in enumerate(vectors):
            wide = b.bitcast(b.load(count), half)
            place = b.add(sums[0], _I64((pixel * BLOCK + i * lanes) * 2))
            results.append((b.and_(wide, _splat(half, 255)), place))
            results.append((b.lshr(wide, _splat(half, 8)), b.add(place, _I64(lanes))))
    _put(b, results, sums[1])


def _put(b: Builder, results: list[tuple[Value, Value]], fresh: Value) -> None:
    """Write values to their places, or add them to what is there."""
    with b.if_else(fresh) as (write, add):
        for branch in (write, add):
            with branch:
                for value, place in results:
                    align = min(64, value.type.count * value.type.element.width // 8)
                    if branch is add:
                        value = b.add(_load(b, place, value.type, align), value)
                    _store(b, value, place, align)


def _words(
    b: Builder, k: Kernel, rows: list[Value], weights: Value, groups: Value, sums: Sums, v: int, table: Value
) -> None:
    """Exclusive or, count, add, in 64-bit words (AVX512-VPOPCNTDQ): three words in eight vector operations.

    Of three words of differences d, e, f one needs s = d ^ e ^ f and the majority m: the bits that are set
    are popcount(s) + 2 popcount(m). As s = (x1 ^ x2 ^ x3) ^ (w1 ^ w2 ^ w3), the third words of activations
    and weights are stored as the exclusive or of all three (`mix64`, `layout.pack_binary`), which makes s as
    cheap as f was; and m follows from d, e and s, as f = d ^ e ^ s, in one ``vpternlogq``. ``vpdpwssd`` adds
    the double. Up to two words that make no three come first.

    8 operations for 1,536 binary multiply-accumulates: 384 a cycle on the two ports of an Intel core, where
    three operations a word make 341. (Seven words in 18 operations would make 398.)
    """
    vector = _vector(_I64, k.lanes)
    lanes32 = _vector(_I32, k.lanes * 2)
    count = f"llvm.ctpop.v{k.lanes}i64"
    counts = _accumulators(b, vector, len(rows), v)
    _reset(b, counts)
    third = b.udiv(groups, _I64(3))
    rest = b.sub(groups, b.mul(third, _I64(3)))
    with cgutils.for_range(b, rest, intp=_I64) as loop:
        filters = [_load_words(b, k, weights, loop.index, v, i) for i in range(v)]
        for pixel, row in enumerate(rows):
            x = _broadcast(b, _load(b, b.add(row, b.shl(loop.index, _I64(3))), _I64), k.lanes)
            for i in range(v):
                _increase(b, counts[pixel][i], _call(b, count, vector, b.xor(x, filters[i])))
    with cgutils.for_range(b, third, intp=_I64) as loop:
        word = b.add(rest, b.mul(loop.index, _I64(3)))
        begins = [b.add(rest, b.add(loop.index, b.mul(third, _I64(j)))) for j in range(3)]
        for i in range(v):
            filters = [_load_words(b, k, weights, b.add(word, _I64(j)), v, i) for j in range(3)]
            _forget_loads(b)
            for pixel, row in enumerate(rows):
                places = [b.add(row, b.shl(begin, _I64(3))) for begin in begins]
                words = [_broadcast(b, _load(b, place, _I64), k.lanes) for place in places]
                d, e, s = (b.xor(x, w) for x, w in zip(words, filters, strict=True))
                # bit 4 d + 2 e + s of 0xD4: d where d = e, else the opposite of s
                m = _call(b, "llvm.x86.avx512.pternlog.q.512", vector, d, e, s, _I32(0xD4))
                _increase(b, counts[pixel][i], _call(b, count, vector, s))
                args = (b.load(counts[pixel][i]), _call(b, count, vector, m), _splat(vector, 2))
                double = _call(
                    b, "llvm.x86.avx512.vpdpwssd.512", lanes32, *(b.bitcast(x, lanes32) for x in args)
                )
                b.store(b.bitcast(double, vector), counts[pixel][i])
    for pixel in range(len(rows)):
        place = b.add(sums[0], _I64(pixel * BLOCK * 2))
        found = [b.load(counts[pixel][i]) for i in range(v)]
        if v == VECTORS:
            # three packs for four vectors, in the order of `layout.word_order`; truncating takes eight
            pack, lanes16 = "llvm.x86.avx512.packusdw.512", _vector(_I16, k.lanes * 4)
            while len(found) > 1:
                halves = [b.bitcast(x, lanes32) for x in found]
                found = [_call(b, pack, lanes16, *halves[i : i + 2]) for i in range(0, len(halves), 2)]
            _store(b, found[0], place, 64)
        else:
            for i, x in enumerate(found):
                narrow = b.trunc(x, _vector(_I16, k.lanes))
                _store(b, narrow, b.add(place, _I64(i * k.lanes * 2)), k.lanes * 2)


def _forget_loads(b: Builder) -> None:
    """Activations are loaded again for each vector: kept, they would push the counts out of the registers."""
    b.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", [], side_effect=True)


def _load_words(b: Builder, k: Kernel, weights: Value, word: Value, v: int, vector: int) -> Value:
    size = k.lanes * 8
    place = b.add(b.mul(word, _I64(v * size)), _I64(vector * size))
    return _load(b, b.add(weights, place), _vector(_I64, k.lanes), size)


def _popcount(
    b: Builder, k: Kernel, rows: list[Value], weights: Value, groups: Value, sums: Sums, v: int, table: Value
) -> None:
    """XNOR-popcount of bytes in portable vectors: LLVM lowers ctpop to what the CPU has.

    That is cnt on ARM, vpopcntb with AVX512-BITALG, shuffles or shifts elsewhere.
    """
    vector = _vector(_I8, k.lanes)
    counts = _accumulators(b, vector, len(rows), v)
    _reset(b, counts)
    with cgutils.for_range(b, groups, intp=_I64) as loop:
        at = b.add(weights, b.mul(loop.index, _I64(v * k.lanes)))
        filters = [_load(b, b.add(at, _I64(i * k.lanes)), vector, k.lanes) for i in range(v)]
        for pixel, row in enumerate(rows):
            channels = _broadcast(b, _load(b, b.add(row, loop.index), _I8), k.lanes)
            for i in range(v):
                found = _call(b, f"llvm.ctpop.v{k.lanes}i8", vector, b.xor(channels, filters[i]))
                _increase(b, counts[pixel][i], found)
    _add_counts(b, counts, k.lanes, sums)


def _avx2(
    b: Builder, k: Kernel, rows: list[Value], weights: Value, groups: Value, sums: Sums, v: int, table: Value
) -> None:
    """Paired nibbles: a byte holds four channels of two pixels; ``vpshufb`` looks up 32 output channels.

    The table row of that byte (16 bytes, broadcast to both halves) holds both pixels' counts, one in
    each nibble: 256 binary multiply-accumulates a lookup. Three lookups add up to 12 at most and still
    fit the nibbles. Then the second pixel's nibble is split off into its own count, while the first
    pixel's count is not split at all: ``total`` sums whole bytes modulo 256, and in the end
    first = total - 16 * second (mod 256), exact as a count is 252 at most.
    """
    vector, row16 = _vector(_I8, k.lanes), _vector(_I8, 16)
    total, second = _accumulators(b, vector, v), _accumulators(b, vector, v)
    _reset(b, [total, second])
    row = rows[0]
    twice = ir.Constant(_vector(_I32, 32), [*range(16), *range(16)])
    with cgutils.for_range(b, b.udiv(groups, _I64(3)), intp=_I64) as loop:
        group = b.mul(loop.index, _I64(3))
        three: list[Any] = [None] * v
        for step in range(3):
            g = b.add(group, _I64(step))
            pair = b.zext(_load(b, b.add(row, g), _I8), _I64)
            entry = _load(b, b.add(table, b.shl(pair, _I64(4))), row16, 16)
            both = b.shuffle_vector(entry, ir.Constant(row16, ir.Undefined), twice)
            at = b.add(weights, b.mul(g, _I64(v * k.lanes)))
            for i in range(v):
                filters = _load(b, b.add(at, _I64(i * k.lanes)), vector, 32)
                found = _call(b, "llvm.x86.avx2.pshuf.b", vector, both, filters)
                three[i] = found if step == 0 else b.add(three[i], found)
        for i in range(v):
            _increase(b, total[i], three[i])
            # a 16-bit shift, as there is no 8-bit one; the mask drops what crossed the byte
            words = _vector(_I16, k.lanes // 2)
            shifted = b.bitcast(b.lshr(b.bitcast(three[i], words), _splat(words, 4)), vector)
            _increase(b, second[i], b.and_(shifted, _splat(vector, 15)))
    for i in range(v):
        sixteen = b.mul(b.load(second[i]), _splat(vector, 16))
        b.store(b.sub(b.load(total[i]), sixteen), total[i])
    _add_counts(b, [total, second], k.lanes, sums)


def _bytes(
    step: Step,
    b: Builder,
    k: ByteKernel,
    rows: list[Value],
    weights: Value,
    groups: Value,
    sums: Sums,
    v: int,
    table: Value,
) -> None:
    """Sums of products of unsigned and signed bytes: a lane sums four channels of an output channel.

    ``step`` names its running vector and how it takes one more group of four channels.
    """
    running, add, finish = step(k)
    total = _accumulators(b, running, len(rows), v)
    _reset(b, total)
    lanes32 = _vector(_I32, k.lanes)
    with cgutils.for_range(b, groups, intp=_I64) as loop:
        offset = b.mul(loop.index, _I64(4))
        at = b.add(weights, b.mul(loop.index, _I64(v * k.lanes * 4)))
        filters = [_load(b, b.add(at, _I64(i * k.lanes * 4)), lanes32, 32) for i in range(v)]
        for pixel, row in enumerate(rows):
            four = _broadcast(b, _load(b, b.add(row, offset), _I32), k.lanes)
            for i in range(v):
                b.store(add(b, b.load(total[pixel][i]), four, filters[i]), total[pixel][i])
    results = []
    for pixel in range(len(rows)):
        for i in range(v):
            place = b.add(sums[0], _I64((pixel * BLOCK + i * k.lanes) * 4))
            results.append((finish(b, b.load(total[pixel][i])), place))
    _put(b, results, sums[1])


def _vnni(k: ByteKernel) -> tuple[Any, Callable[..., Value], Callable[..., Value]]:
    """``vpdpbusd`` does all four products and the sum in 32 bits at once."""
    lanes32 = _vector(_I32, k.lanes)

    def add(b: Builder, total: Value, x: Value, w: Value) -> Value:
        return _call(b, "llvm.x86.avx512.vpdpbusd.512", lanes32, total, x, w)

    return lanes32, add, lambda b, total: total


def _maddubs(k: ByteKernel) -> tuple[Any, Callable[..., Value], Callable[..., Value]]:
    """``vpmaddubsw`` sums two products in 16 bits; ``vpmaddwd`` by ones widens when a chunk is done.

    The caller keeps chunks so short that 16 bits never overflow, so the saturation never happens.
    """
    lanes8, lanes16, lanes32 = (_vector(t, n * k.lanes) for t, n in ((_I8, 4), (_I16, 2), (_I32, 1)))

    def add(b: Builder, total: Value, x: Value, w: Value) -> Value:
        args = (b.bitcast(x, lanes8), b.bitcast(w, lanes8))
        return b.add(total, _call(b, "llvm.x86.avx2.pmadd.ub.sw", lanes16, *args))

    def finish(b: Builder, total: Value) -> Value:
        return _call(b, "llvm.x86.avx2.pmadd.wd", lanes32, total, _splat(lanes16, 1))

    return lanes16, add, finish


def _plain(k: ByteKernel) -> tuple[Any, Callable[..., Value], Callable[..., Value]]:
    """The same in portable vectors: the four bytes of a lane are cut out by shifts."""
    lanes32 = _vector(_I32, k.lanes)

    def add(b: Builder, total: Value, x: Value, w: Value) -> Value:
        top = _splat(lanes32, 24)
        for byte in range(4):
            up = _splat(lanes32, 24 - 8 * byte)
            product = b.mul(b.lshr(b.shl(x, up), top), b.ashr(b.shl(w, up), top))
            total = b.add(total, product)
        return total

    return lanes32, add, lambda b, total: total


_BODIES: dict[str, Callable[..., None]] = {
    "vpopcnt": _words,
    "avx2": _avx2,
    "generic": _popcount,
    "vnni": partial(_bytes, _vnni),
    "maddubs": partial(_bytes, _maddubs),
    "plain": partial(_bytes, _plain),
}


@intrinsic(prefer_literal=True)
def copy(typing, size, source, target):  # type: ignore[no-untyped-def]
    """Copy a constant number of bytes by one load and one store."""
    if not isinstance(size, types.Literal):
        return None

    def generate(context, b, signature, args):  # type: ignore[no-untyped-def]
        _, source, target = args
        _store(b, _load(b, source, _vector(_I8, size.literal_value)), target)
        return context.get_dummy_value()

    return types.void(size, types.intp, types.intp), generate


@intrinsic
def mix64(typing, first, second, third):  # type: ignore[no-untyped-def]
    """Make the third 64 bytes the exclusive or of all three."""

    def generate(context, b, signature, args):  # type: ignore[no-untyped-def]
        one, two, three = (_load(b, address, _vector(_I8, 64)) for address in args)
        _store(b, b.xor(b.xor(one, two), three), args[2])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), generate


@intrinsic
def pair64(typing, first, second, high, target):  # type: ignore[no-untyped-def]
    """The low (or ``high``) nibbles of two pixels' 64 bytes, the second's on top of the first's."""

    def generate(context, b, signature, args):  # type: ignore[no-untyped-def]
        first, second, high, target = args
        vector = _vector(_I8, 64)
        one, two = _load(b, first, vector), _load(b, second, vector)
        low_mask, high_mask, four = _splat(vector, 15), _splat(vector, 0xF0), _splat(vector, 4)
        lower = b.or_(b.and_(one, low_mask), b.shl(two, four))
        upper = b.or_(b.lshr(one, four), b.and_(two, high_mask))
        _store(b, b.select(b.trunc(high, _I1), upper, lower), target)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.boolean, types.intp), generate


@intrinsic
def put_word(typing, address, word, keep):  # type: ignore[no-untyped-def]
    """Write an unaligned uint64; bits that are set in ``keep`` stay what they are, or become one."""

    def generate(context, b, signature, args):  # type: ignore[no-untyped-def]
        address, word, keep = args
        _store(b, b.or_(word, b.and_(_load(b, address, _I64), keep)), address)
        return context.get_dummy_value()

    return types.void(types.intp, types.uint64, types.uint64), generate


@intrinsic
def at(typing, address):  # type: ignore[no-untyped-def]
    """An address as a pointer, for `numba.carray`."""

    def generate(context, b, signature, args):  # type: ignore[no-untyped-def]
        return b.inttoptr(args[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.intp), generate


@intrinsic
def call(typing, function, record, batch, source, target):  # type: ignore[no-untyped-def]
    """Call a compiled operation (see `loops.Operation`) by its address."""

    def generate(context, b, signature, args):  # type: ignore[no-untyped-def]
        kind = ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), _I64, _I64, _I64])
        function, record, *rest = args
        pointer = b.inttoptr(function, kind.as_pointer())
        b.call(pointer, [b.inttoptr(record, _I8.as_pointer()), *rest])
        return context.get_dummy_value()

    return types.void(*[types.intp] * 5), generate


def _compare64(element: Any, predicate: str) -> Any:
    def function(typing, sums, thresholds):  # type: ignore[no-untyped-def]
        def generate(context, b, signature, args):  # type: ignore[no-untyped-def]
            left, right = (_load(b, address, _vector(element, 64), element.width // 8) for address in args)
            compare = b.icmp_unsigned if element is _I16 else b.icmp_signed
            return b.bitcast(compare(predicate, left, right), _I64)

        return types.uint64(types.intp, types.intp), generate

    return function


bits_below = intrinsic(_compare64(_I16, "<"))
"""Bits of 64 uint16 mismatch counts that are below their uint16 limits (both given by address)."""

bits_reaching = intrinsic(_compare64(_I32, ">="))
"""Bits of 64 int32 sums that are at or above their int32 thresholds (both given by address)."""
