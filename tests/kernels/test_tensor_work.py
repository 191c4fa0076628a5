"""What tensor cores do in a kernel, counted in its text against the products of its tiles."""

from __future__ import annotations

import pytest

from archspec.kernels.cubin import count_in_loops
from archspec.kernels.tensor_work import multiplied, needed, tensor_work

WGMMA = "wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 {%f1}, %rd1, %rd2, %p1, 1, 1, 0, 0;"
MMA = "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 { %r1 }, { %r2 }, { %r3 }, { %r4 };"
GROUPED = (
    "%s = ttng.warp_group_dot %q, %k, %zero {inputPrecision = 0 : i32} : !ttg.memdesc<{m}x256xbf16,"
    " #shared, #smem> * !ttg.memdesc<256x32xbf16, #shared1, #smem> -> tensor<{m}x32xf32, #mma>"
)
PLAIN = (
    "%s = tt.dot %q, %k, %zero : tensor<16x64xbf16, #ttg.dot_op<{opIdx = 0, parent = #mma}>> *"
    " tensor<64x32xbf16, #ttg.dot_op<{opIdx = 1, parent = #mma}>> -> tensor<16x32xf32, #mma>"
)


def test_products_of_tiles() -> None:
    assert needed(GROUPED.replace("{m}", "128")) == 128 * 256 * 32
    assert needed(f"{PLAIN}\n{PLAIN}") == 2 * 16 * 64 * 32


def test_instructions_of_all_warps() -> None:
    assert multiplied(WGMMA, 8) == 2 * 64 * 32 * 16
    assert multiplied(f"{MMA}\n{MMA}", 4) == 4 * 2 * 16 * 8 * 16


@pytest.mark.parametrize(("rows", "work"), [(128, 1.0), (64, 2.0)])
def test_two_warpgroups_with_the_rows_of_one_do_everything_twice(rows: int, work: float) -> None:
    """256 numbers deep, 16 at a time."""
    text = "\n".join([WGMMA] * 16)
    assert tensor_work(text, GROUPED.replace("{m}", str(rows)), 8) == work


def test_nothing_is_multiplied() -> None:
    assert tensor_work("ld.global.b32 %r1, [%rd1];", "tt.load %x", 4) is None


SASS = """
        /*0010*/                   STL [R1], R4 ;
        /*0020*/                   LDL R5, [R1+0x4] ;
        /*0030*/                   HGMMA.64x32x16.F32.BF16 R24, gdesc[UR4] ;
        /*0040*/               @P0 BRA 0x20 ;
        /*0050*/                   LDL R4, [R1] ;
        /*0060*/                   BRA 0x80 ;
        /*0070*/                   LDL R6, [R1] ;
        /*0080*/                   EXIT ;
"""


def test_what_is_spilled_in_loops_is_told_from_the_rest() -> None:
    assert count_in_loops(SASS) == 1
    assert count_in_loops(SASS.replace("0x20", "0x10")) == 2
    assert count_in_loops(SASS.replace("@P0 BRA 0x20", "NOP")) == 0
