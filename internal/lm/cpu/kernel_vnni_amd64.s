#include "textflag.h"

// The kernels in AVX-512 VNNI for integers: VPDPWSSD multiplies pairs of 16 bits and VPDPBUSD fours of 8 bits, one without sign and one with, and
// both add them to the sum of a lane. A register has the sums of sixteen rows: Z0 and Z4 of one vector, Z1 and Z5 of a second, and so
// on, in turn, for an instruction waits for the one before it; Z8 to Z11 are the products with scales.

#define BEGIN(shift, shiftScales) \
	MOVQ w+0(FP), AX                  \
	MOVQ d+8(FP), DX                  \
	MOVQ x+16(FP), R8                 \
	MOVQ dx+24(FP), R12               \
	MOVQ xStride+32(FP), R10          \
	MOVQ R10, R11                     \
	SHLQ $shift, R10                  \
	LEAQ (R10)(R10*2), R9             \
	SHRQ $shiftScales, R11            \
	LEAQ (R11)(R11*2), R13            \
	MOVQ y+56(FP), R15

// AGAIN begins with the first columns. R14 is the scales of vectors.
#define AGAIN \
	MOVQ AX, DI               \
	MOVQ DX, BX               \
	MOVQ R8, SI               \
	MOVQ R12, R14             \
	MOVQ width+40(FP), CX

#define CLEAR(a, b, c, d) \
	VPXORD a, a, a            \
	VPXORD b, b, b            \
	VPXORD c, c, c            \
	VPXORD d, d, d

// NEXT goes on to other vectors: two, twice.
#define NEXT(vectors) \
	LEAQ (R8)(R10*vectors), R8           \
	LEAQ (R12)(R11*vectors), R12         \
	MOVQ yStride+64(FP), CX              \
	SHLQ $2, CX                          \
	LEAQ (R15)(CX*vectors), R15          \
	SUBQ $vectors, n+48(FP)

#define WRITE4 \
	MOVQ    yStride+64(FP), CX           \
	SHLQ    $2, CX                       \
	LEAQ    (R15)(CX*2), SI              \
	VMOVUPS Z8, (R15)                    \
	VMOVUPS Z9, (R15)(CX*1)              \
	VMOVUPS Z10, (SI)                    \
	VMOVUPS Z11, (SI)(CX*1)

// ALL is what a tile does: WEIGHTS and DOT for each of STEPS, SCALED for each block.
#define ALL(STEPS, SCALED, block, xBlock, dBlock, dxBlock) \
four:                                \
	CMPQ n+48(FP), $4                \
	JLT  one                         \
	AGAIN                            \
	CLEAR(Z8, Z9, Z10, Z11)          \
fourBlocks:                          \
	CLEAR(Z0, Z1, Z2, Z3)            \
	CLEAR(Z4, Z5, Z6, Z7)            \
	STEPS(DOT4)                      \
	VMOVUPS (BX), Z16                \
	SCALED((R14), 4(R14), Z0, Z4, Z8)                            \
	SCALED((R14)(R11*1), 4(R14)(R11*1), Z1, Z5, Z9)              \
	SCALED((R14)(R11*2), 4(R14)(R11*2), Z2, Z6, Z10)             \
	SCALED((R14)(R13*1), 4(R14)(R13*1), Z3, Z7, Z11)             \
	ADDQ $block, DI                  \
	ADDQ $xBlock, SI                 \
	ADDQ $dBlock, BX                 \
	ADDQ $dxBlock, R14               \
	SUBQ $32, CX                     \
	JNZ  fourBlocks                  \
	WRITE4                           \
	NEXT(4)                          \
	JMP  four                        \
one:                                 \
	CMPQ n+48(FP), $0                \
	JEQ  end                         \
	AGAIN                            \
	VPXORD Z8, Z8, Z8                \
oneBlocks:                           \
	VPXORD Z0, Z0, Z0                \
	VPXORD Z4, Z4, Z4                \
	STEPS(DOT1)                      \
	VMOVUPS (BX), Z16                \
	SCALED((R14), 4(R14), Z0, Z4, Z8) \
	ADDQ $block, DI                  \
	ADDQ $xBlock, SI                 \
	ADDQ $dBlock, BX                 \
	ADDQ $dxBlock, R14               \
	SUBQ $32, CX                     \
	JNZ  oneBlocks                   \
	VMOVUPS Z8, (R15)                \
	NEXT(1)                          \
	JMP  one                         \
end:                                 \
	VZEROUPPER                       \
	RET

#define DOT1(INSTRUCTION, at, a, b, c, d) \
	INSTRUCTION at(SI), Z12, a

#define DOT4(INSTRUCTION, at, a, b, c, d) \
	INSTRUCTION at(SI), Z12, a          \
	INSTRUCTION at(SI)(R10*1), Z12, b   \
	INSTRUCTION at(SI)(R10*2), Z12, c   \
	INSTRUCTION at(SI)(R9*1), Z12, d

// Rows of 8 bits: two columns of sixteen rows, as 16 bits.
#define INTS2(DOT, at) \
	VPMOVSXBW (16*at)(DI), Z12                             \
	DOT(VPDPWSSD.BCST, (2*at), Z0, Z1, Z2, Z3)             \
	VPMOVSXBW (16*at+32)(DI), Z12                          \
	DOT(VPDPWSSD.BCST, (2*at+4), Z4, Z5, Z6, Z7)

#define INTSTEPS(DOT) \
	INTS2(DOT, 0)   \
	INTS2(DOT, 4)   \
	INTS2(DOT, 8)   \
	INTS2(DOT, 12)  \
	INTS2(DOT, 16)  \
	INTS2(DOT, 20)  \
	INTS2(DOT, 24)  \
	INTS2(DOT, 28)

#define INTSCALED(dx, unused, sum, more, y) \
	VPADDD      more, sum, sum   \
	VCVTDQ2PS   sum, sum         \
	VMULPS.BCST dx, Z16, Z17     \
	VFMADD231PS Z17, sum, y

// func vnniIntTile(w *int8, d *float32, x *int16, dx *float32, xStride, width, n int, y *float32, yStride int)
TEXT ·vnniIntTile(SB), NOSPLIT, $0-72
	BEGIN(1, 3)
	ALL(INTSTEPS, INTSCALED, 512, 64, 64, 4)

// Rows of 4 bits: four columns of eight rows in the low bits, and of eight in the high.
DATA vnni<>+0(SB)/4, $0x0f0f0f0f
DATA vnni<>+4(SB)/4, $0x30303030
DATA vnni<>+8(SB)/4, $0x01010101
GLOBL vnni<>(SB), RODATA|NOPTR, $12

// SHIFTS sets the lanes of z to low for the first eight rows and to high for the others.
#define SHIFTS(low, high, z, yz) \
	MOVL         $low, CX        \
	VPBROADCASTD CX, yz          \
	MOVL         $high, CX       \
	VPBROADCASTD CX, Y17         \
	VINSERTI64X4 $1, Y17, z, z

#define COLUMNS(at) \
	VBROADCASTI64X4 (8*(at))(DI), Z12   \
	VPSRLVD         Z20, Z12, Z12     \
	VPANDD          Z21, Z12, Z12

#define FOURS2(DOT, at) \
	COLUMNS(at)                                   \
	DOT(VPDPBUSD.BCST, at, Z0, Z1, Z2, Z3)        \
	COLUMNS(at+4)                                 \
	DOT(VPDPBUSD.BCST, (at+4), Z4, Z5, Z6, Z7)

#define FOURSTEPS(DOT) \
	FOURS2(DOT, 0)   \
	FOURS2(DOT, 8)   \
	FOURS2(DOT, 16)  \
	FOURS2(DOT, 24)

#define FOURSCALED(dx, sums, sum, more, y) \
	VPADDD       more, sum, sum      \
	VCVTDQ2PS    sum, sum            \
	VMULPS.BCST  dx, Z16, Z17        \
	VFMADD231PS  Z17, sum, y         \
	VBROADCASTSS sums, Z17           \
	VFMADD231PS  64(BX), Z17, y

// func vnniFourTile(w *byte, d *float32, x *int8, dx *float32, xStride, width, n int, y *float32, yStride int)
TEXT ·vnniFourTile(SB), NOSPLIT, $0-72
	BEGIN(0, 2)
	SHIFTS(0, 4, Z20, Y20)
	VPBROADCASTD vnni<>+0(SB), Z21
	ALL(FOURSTEPS, FOURSCALED, 256, 32, 128, 8)

// Rows of 6 bits: see twoShift. EIGHT takes eight columns.
#define EIGHT(at) \
	VBROADCASTI64X4 (4*(at))(R8), Z13    \
	COLUMNS(at)                         \
	VPSLLVD         Z22, Z13, Z14       \
	VPANDD          Z23, Z14, Z14       \
	VPORD           Z14, Z12, Z12       \
	VPDPBUSD.BCST   at(SI), Z12, Z0     \
	COLUMNS(at+4)                       \
	VPSRLVD         Z24, Z13, Z14       \
	VPANDD          Z23, Z14, Z14       \
	VPORD           Z14, Z12, Z12       \
	VPDPBUSD.BCST   (at+4)(SI), Z12, Z4

#define SIXTEEN(at) \
	VPXORD          Z0, Z0, Z0          \
	VPXORD          Z4, Z4, Z4          \
	EIGHT(at)                           \
	EIGHT((at+8))                       \
	VPXORD          Z1, Z1, Z1          \
	VBROADCASTI32X4 at(SI), Z2          \
	VPDPBUSD        Z2, Z25, Z1         \ // sums of four numbers of the vector
	VPHADDD         Y1, Y1, Y1          \
	VPHADDD         Y1, Y1, Y1          \
	VCVTDQ2PS       X1, X1              \
	VMULSS          (R12), X1, X1       \
	VBROADCASTSS    X1, Z1              \
	VPADDD          Z4, Z0, Z0          \
	VCVTDQ2PS       Z0, Z0              \
	VBROADCASTSS    (R12), Z3           \
	VMULPS          (BX), Z3, Z3        \
	VFMADD231PS     Z3, Z0, Z8          \
	VFMADD231PS     64(BX), Z1, Z8

// func vnniSixTile(low, high *byte, d *float32, dStep int, x *int8, dx *float32, width int, y *float32)
TEXT ·vnniSixTile(SB), NOSPLIT, $0-64
	SHIFTS(0, 4, Z20, Y20)
	SHIFTS(4, 2, Z22, Y22)
	SHIFTS(0, 2, Z24, Y24)
	VPBROADCASTD vnni<>+0(SB), Z21
	VPBROADCASTD vnni<>+4(SB), Z23
	VPBROADCASTD vnni<>+8(SB), Z25
	MOVQ         low+0(FP), DI
	MOVQ         high+8(FP), R8
	MOVQ         d+16(FP), BX
	MOVQ         dStep+24(FP), DX
	SHLQ         $2, DX
	MOVQ         x+32(FP), SI
	MOVQ         dx+40(FP), R12
	MOVQ         width+48(FP), CX
	MOVQ         y+56(FP), AX
	VPXORD       Z8, Z8, Z8

sixes:
	SIXTEEN(0)
	ADDQ DX, BX
	SIXTEEN(16)
	ADDQ $128, BX
	ADDQ $256, DI
	ADDQ $128, R8
	ADDQ $32, SI
	ADDQ $8, R12
	SUBQ $32, CX
	JNZ  sixes
	VMOVUPS Z8, (AX)
	VZEROUPPER
	RET
