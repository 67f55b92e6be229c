#include "textflag.h"

// The kernels of kernel.go in AVX2. Go's package simd/archsimd compiles to vector code too, but with so many moves between
// registers and computed addresses that a product ran at a third of the processor's speed; here the multiplications are the
// limit, and no GOEXPERIMENT is needed.
//
// Y0 to Y3 are sums of the four rows for one vector, Y4 to Y7 for a second. Each has one lane for every eighth product, in
// order, so that a sum is the same whether vectors go alone or in pairs.

// SUMS writes the sums of the lanes of a, b, c and d, adding pairs as plainFloats does. low is the lower half of a.
#define SUMS(a, b, c, d, low, to) \
	VHADDPS      b, a, a        \
	VHADDPS      d, c, c        \
	VHADDPS      c, a, a        \
	VEXTRACTF128 $1, a, X8      \
	VADDPS       X8, low, low   \
	VMOVUPS      low, to

#define CLEAR4(a, b, c, d) \
	VXORPS a, a, a \
	VXORPS b, b, b \
	VXORPS c, c, c \
	VXORPS d, d, d

// PAIRED adds products of eight columns of the rows at DI, R8 apart (R9 is three times that), and of the vectors at SI, R10 apart.
#define PAIRED(at) \
	VMOVUPS     at(SI), Y8         \
	VMOVUPS     at(SI)(R10*1), Y9  \
	VMOVUPS     at(DI), Y10        \
	VMOVUPS     at(DI)(R8*1), Y11  \
	VMOVUPS     at(DI)(R8*2), Y12  \
	VMOVUPS     at(DI)(R9*1), Y13  \
	VFMADD231PS Y8, Y10, Y0        \
	VFMADD231PS Y9, Y10, Y4        \
	VFMADD231PS Y8, Y11, Y1        \
	VFMADD231PS Y9, Y11, Y5        \
	VFMADD231PS Y8, Y12, Y2        \
	VFMADD231PS Y9, Y12, Y6        \
	VFMADD231PS Y8, Y13, Y3        \
	VFMADD231PS Y9, Y13, Y7

#define ALONE(at) \
	VMOVUPS     at(SI), Y8              \
	VFMADD231PS at(DI), Y8, Y0          \
	VFMADD231PS at(DI)(R8*1), Y8, Y1    \
	VFMADD231PS at(DI)(R8*2), Y8, Y2    \
	VFMADD231PS at(DI)(R9*1), Y8, Y3

// func floatTile(w *float32, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)
TEXT ·floatTile(SB), NOSPLIT, $0-64
	MOVQ w+0(FP), AX
	MOVQ wStride+8(FP), R8
	SHLQ $2, R8
	LEAQ (R8)(R8*2), R9
	MOVQ x+16(FP), BX
	MOVQ xStride+24(FP), R10
	SHLQ $2, R10
	MOVQ width+32(FP), R11
	MOVQ n+40(FP), R12
	MOVQ y+48(FP), R13
	MOVQ yStride+56(FP), DX
	SHLQ $2, DX

pair:
	CMPQ R12, $2
	JLT  one
	MOVQ AX, DI
	MOVQ BX, SI
	MOVQ R11, CX
	CLEAR4(Y0, Y1, Y2, Y3)
	CLEAR4(Y4, Y5, Y6, Y7)

pairColumns:
	PAIRED(0)
	PAIRED(32)
	ADDQ $64, DI
	ADDQ $64, SI
	SUBQ $16, CX
	JNZ  pairColumns
	SUMS(Y0, Y1, Y2, Y3, X0, (R13))
	SUMS(Y4, Y5, Y6, Y7, X4, (R13)(DX*1))
	LEAQ (BX)(R10*2), BX
	LEAQ (R13)(DX*2), R13
	SUBQ $2, R12
	JMP  pair

one:
	TESTQ R12, R12
	JZ    end
	MOVQ  AX, DI
	MOVQ  BX, SI
	MOVQ  R11, CX
	CLEAR4(Y0, Y1, Y2, Y3)

oneColumns:
	ALONE(0)
	ALONE(32)
	ADDQ $64, DI
	ADDQ $64, SI
	SUBQ $16, CX
	JNZ  oneColumns
	SUMS(Y0, Y1, Y2, Y3, X0, (R13))

end:
	VZEROUPPER
	RET

// WEIGHTS makes eight weights of a row, at DI, floats.
#define WEIGHTS(at, scale, to) \
	VPMOVSXBD at(DI), to   \
	VCVTDQ2PS to, to       \
	VMULPS    scale, to, to

#define SCALES \
	VBROADCASTSS (BX), Y4    \
	VBROADCASTSS 4(BX), Y5   \
	VBROADCASTSS 8(BX), Y6   \
	VBROADCASTSS 12(BX), Y7

// INTS is ALONE for eight columns of a block of 8-bit weights.
#define INTS(at) \
	VMOVUPS     (4*at)(SI), Y8     \
	WEIGHTS(at, Y4, Y9)            \
	WEIGHTS((at+32), Y5, Y10)      \
	WEIGHTS((at+64), Y6, Y11)      \
	WEIGHTS((at+96), Y7, Y12)      \
	VFMADD231PS Y8, Y9, Y0         \
	VFMADD231PS Y8, Y10, Y1        \
	VFMADD231PS Y8, Y11, Y2        \
	VFMADD231PS Y8, Y12, Y3

// func intTile(w *int8, d *float32, x *float32, width int, y *float32)
TEXT ·intTile(SB), NOSPLIT, $0-40
	MOVQ w+0(FP), DI
	MOVQ d+8(FP), BX
	MOVQ x+16(FP), SI
	MOVQ width+24(FP), CX
	MOVQ y+32(FP), R13
	CLEAR4(Y0, Y1, Y2, Y3)

blocks:
	SCALES
	INTS(0)
	INTS(8)
	INTS(16)
	INTS(24)
	ADDQ $128, DI
	ADDQ $16, BX
	ADDQ $128, SI
	SUBQ $32, CX
	JNZ  blocks
	SUMS(Y0, Y1, Y2, Y3, X0, (R13))
	VZEROUPPER
	RET

// FOURS adds products of eight columns of a block of two rows of 8-bit weights and of four vectors, at SI, R10 apart (R9 is three
// times that).
#define FOURS(at) \
	VMOVUPS     (4*at)(SI), Y8         \
	VMOVUPS     (4*at)(SI)(R10*1), Y9  \
	VMOVUPS     (4*at)(SI)(R10*2), Y10 \
	VMOVUPS     (4*at)(SI)(R9*1), Y11  \
	WEIGHTS(at, Y14, Y12)              \
	WEIGHTS((at+32), Y15, Y13)         \
	VFMADD231PS Y8, Y12, Y0            \
	VFMADD231PS Y9, Y12, Y1            \
	VFMADD231PS Y10, Y12, Y2           \
	VFMADD231PS Y11, Y12, Y3           \
	VFMADD231PS Y8, Y13, Y4            \
	VFMADD231PS Y9, Y13, Y5            \
	VFMADD231PS Y10, Y13, Y6           \
	VFMADD231PS Y11, Y13, Y7

// func intFours(w *int8, d *float32, x *float32, xStride, width int, y *float32, yStride int)
TEXT ·intFours(SB), NOSPLIT, $0-56
	MOVQ w+0(FP), DI
	MOVQ d+8(FP), BX
	MOVQ x+16(FP), SI
	MOVQ xStride+24(FP), R10
	SHLQ $2, R10
	LEAQ (R10)(R10*2), R9
	MOVQ width+32(FP), CX
	MOVQ y+40(FP), R13
	MOVQ yStride+48(FP), DX
	SHLQ $2, DX
	CLEAR4(Y0, Y1, Y2, Y3)
	CLEAR4(Y4, Y5, Y6, Y7)

fourBlocks:
	VBROADCASTSS (BX), Y14
	VBROADCASTSS 4(BX), Y15
	PREFETCHT0   1024(DI) // the other two rows' half too: their turn is next
	PREFETCHT0   1088(DI)
	FOURS(0)
	FOURS(8)
	FOURS(16)
	FOURS(24)
	ADDQ $128, DI
	ADDQ $16, BX
	ADDQ $128, SI
	SUBQ $32, CX
	JNZ  fourBlocks
	SUMS(Y0, Y4, Y1, Y5, X0, X0)
	VMOVLPS X0, (R13)
	VMOVHPS X0, (R13)(DX*1)
	LEAQ (R13)(DX*2), R13
	SUMS(Y2, Y6, Y3, Y7, X2, X2)
	VMOVLPS X2, (R13)
	VMOVHPS X2, (R13)(DX*1)
	VZEROUPPER
	RET

// UNPACK writes eight columns of a block of 8-bit weights, as floats.
#define UNPACK(at) \
	WEIGHTS(at, Y4, Y9)                  \
	WEIGHTS((at+32), Y5, Y10)            \
	WEIGHTS((at+64), Y6, Y11)            \
	WEIGHTS((at+96), Y7, Y12)            \
	VMOVUPS Y9, (4*at)(SI)               \
	VMOVUPS Y10, (4*at)(SI)(R8*1)        \
	VMOVUPS Y11, (4*at)(SI)(R8*2)        \
	VMOVUPS Y12, (4*at)(SI)(R9*1)

// func unpackTile(dst *float32, w *int8, d *float32, width int)
TEXT ·unpackTile(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), SI
	MOVQ w+8(FP), DI
	MOVQ d+16(FP), BX
	MOVQ width+24(FP), CX
	MOVQ CX, R8
	SHLQ $2, R8
	LEAQ (R8)(R8*2), R9

unpackBlocks:
	SCALES
	UNPACK(0)
	UNPACK(8)
	UNPACK(16)
	UNPACK(24)
	ADDQ $128, DI
	ADDQ $16, BX
	ADDQ $128, SI
	SUBQ $32, CX
	JNZ  unpackBlocks
	VZEROUPPER
	RET

// The numbers of EXP.
DATA exp<>+0(SB)/4, $-87.0
DATA exp<>+4(SB)/4, $1.44269504      // 1/ln 2
DATA exp<>+8(SB)/4, $-0.693359375    // ln 2 in two parts, negative
DATA exp<>+12(SB)/4, $2.12194440e-4
DATA exp<>+16(SB)/4, $1.9875691500e-4
DATA exp<>+20(SB)/4, $1.3981999507e-3
DATA exp<>+24(SB)/4, $8.3334519073e-3
DATA exp<>+28(SB)/4, $4.1665795894e-2
DATA exp<>+32(SB)/4, $1.6666665459e-1
DATA exp<>+36(SB)/4, $5.0000001201e-1
DATA exp<>+40(SB)/4, $1.0
DATA exp<>+44(SB)/4, $127            // bias of an exponent
DATA exp<>+48(SB)/4, $0x80000000     // sign
GLOBL exp<>(SB), RODATA|NOPTR, $52

// EXP sets Y1 to exp(Y0), to two units in the last place for Y0 ≤ 0, and to 0 below -87: x = n·ln 2 + r, with a polynomial for
// exp(r). It uses Y0 and Y2 to Y4. Source: S. Moshier's Cephes, expf.
#define EXP \
	VBROADCASTSS exp<>+0(SB), Y4   \
	VCMPPS       $13, Y4, Y0, Y3   \
	VMAXPS       Y4, Y0, Y0        \
	VBROADCASTSS exp<>+4(SB), Y4   \
	VMULPS       Y4, Y0, Y2        \
	VROUNDPS     $0, Y2, Y2        \
	VBROADCASTSS exp<>+8(SB), Y4   \
	VFMADD231PS  Y4, Y2, Y0        \
	VBROADCASTSS exp<>+12(SB), Y4  \
	VFMADD231PS  Y4, Y2, Y0        \
	VBROADCASTSS exp<>+16(SB), Y1  \
	VBROADCASTSS exp<>+20(SB), Y4  \
	VFMADD213PS  Y4, Y0, Y1        \
	VBROADCASTSS exp<>+24(SB), Y4  \
	VFMADD213PS  Y4, Y0, Y1        \
	VBROADCASTSS exp<>+28(SB), Y4  \
	VFMADD213PS  Y4, Y0, Y1        \
	VBROADCASTSS exp<>+32(SB), Y4  \
	VFMADD213PS  Y4, Y0, Y1        \
	VBROADCASTSS exp<>+36(SB), Y4  \
	VFMADD213PS  Y4, Y0, Y1        \
	VMULPS       Y0, Y0, Y4        \
	VMULPS       Y4, Y1, Y1        \
	VADDPS       Y0, Y1, Y1        \
	VBROADCASTSS exp<>+40(SB), Y4  \
	VADDPS       Y4, Y1, Y1        \
	VCVTPS2DQ    Y2, Y2            \
	VBROADCASTSS exp<>+44(SB), Y4  \
	VPADDD       Y4, Y2, Y2        \
	VPSLLD       $23, Y2, Y2       \
	VMULPS       Y2, Y1, Y1        \
	VANDPS       Y3, Y1, Y1

// func expVector(x *float32, n int, top float32) float32
TEXT ·expVector(SB), NOSPLIT, $0-28
	MOVQ         x+0(FP), DI
	MOVQ         n+8(FP), CX
	VBROADCASTSS top+16(FP), Y5
	VXORPS       Y6, Y6, Y6

exps:
	VMOVUPS (DI), Y0
	VSUBPS  Y5, Y0, Y0
	EXP
	VMOVUPS Y1, (DI)
	VADDPS  Y1, Y6, Y6
	ADDQ    $32, DI
	SUBQ    $8, CX
	JNZ     exps
	VHADDPS      Y6, Y6, Y6
	VHADDPS      Y6, Y6, Y6
	VEXTRACTF128 $1, Y6, X8
	VADDPS       X8, X6, X6
	VMOVSS       X6, ret+24(FP)
	VZEROUPPER
	RET

// func siluVector(gate, up *float32, n int)
TEXT ·siluVector(SB), NOSPLIT, $0-24
	MOVQ         gate+0(FP), DI
	MOVQ         up+8(FP), SI
	MOVQ         n+16(FP), CX
	VBROADCASTSS exp<>+40(SB), Y5
	VBROADCASTSS exp<>+48(SB), Y6

silus: // with e = exp(-|g|), the sigmoid is 1/(1+e) for g ≥ 0 and e/(1+e) otherwise
	VMOVUPS   (DI), Y7
	VORPS     Y6, Y7, Y0
	EXP
	VADDPS    Y5, Y1, Y0
	VBLENDVPS Y7, Y1, Y5, Y1
	VDIVPS    Y0, Y1, Y1
	VMULPS    Y7, Y1, Y1
	VMULPS    (SI), Y1, Y1
	VMOVUPS   Y1, (DI)
	ADDQ      $32, DI
	ADDQ      $32, SI
	SUBQ      $8, CX
	JNZ       silus
	VZEROUPPER
	RET
