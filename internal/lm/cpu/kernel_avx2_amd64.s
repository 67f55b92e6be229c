#include "textflag.h"
#include "kernel_avx2_amd64.h"

// The kernels in AVX2. Go's package simd/archsimd compiles to vector code too, but with so many moves between
// registers and computed addresses that a product ran at a third of the processor's speed; here the multiplications are the
// limit, and no GOEXPERIMENT is needed.
//
// Y0 to Y3 are sums of the four rows for one vector, Y4 to Y7 for a second, Y8 to Y11 for a third. Each has one lane for every
// eighth product, in order, so that a sum is the same whether vectors go alone or together.

// THREE adds products of eight columns of the rows at DI, R8 apart (R9 is three times that), and of the vectors at SI, R10 apart.
#define THREE(at) \
	VMOVUPS     at(SI), Y12         \
	VMOVUPS     at(SI)(R10*1), Y13  \
	VMOVUPS     at(SI)(R10*2), Y14  \
	VMOVUPS     at(DI), Y15         \
	VFMADD231PS Y12, Y15, Y0        \
	VFMADD231PS Y13, Y15, Y4        \
	VFMADD231PS Y14, Y15, Y8        \
	VMOVUPS     at(DI)(R8*1), Y15   \
	VFMADD231PS Y12, Y15, Y1        \
	VFMADD231PS Y13, Y15, Y5        \
	VFMADD231PS Y14, Y15, Y9        \
	VMOVUPS     at(DI)(R8*2), Y15   \
	VFMADD231PS Y12, Y15, Y2        \
	VFMADD231PS Y13, Y15, Y6        \
	VFMADD231PS Y14, Y15, Y10       \
	VMOVUPS     at(DI)(R9*1), Y15   \
	VFMADD231PS Y12, Y15, Y3        \
	VFMADD231PS Y13, Y15, Y7        \
	VFMADD231PS Y14, Y15, Y11

// PAIRED is THREE for two vectors.
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

three:
	CMPQ R12, $4
	JEQ  pair // twice two, not three and one
	CMPQ R12, $3
	JLT  pair
	MOVQ AX, DI
	MOVQ BX, SI
	MOVQ R11, CX
	CLEAR4(Y0, Y1, Y2, Y3)
	CLEAR4(Y4, Y5, Y6, Y7)
	CLEAR4(Y8, Y9, Y10, Y11)

threeColumns:
	THREE(0)
	THREE(32)
	ADDQ $64, DI
	ADDQ $64, SI
	SUBQ $16, CX
	JNZ  threeColumns
	SUMS(Y0, Y1, Y2, Y3, X0, (R13))
	SUMS(Y4, Y5, Y6, Y7, X4, (R13)(DX*1))
	SUMS(Y8, Y9, Y10, Y11, X8, (R13)(DX*2))
	LEAQ (BX)(R10*2), BX
	ADDQ R10, BX
	LEAQ (R13)(DX*2), R13
	ADDQ DX, R13
	SUBQ $3, R12
	JMP  three

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

// Integers. A register has two columns of eight rows, as 16 bits. VPMADDWD multiplies them with two columns of a vector and adds
// both products, so that each lane is the sum of a row.

// ROWS takes two columns of sixteen rows at DI.
#define ROWS(at) \
	VPMOVSXBW (16*at)(DI), Y8    \
	VPMOVSXBW (16*at+16)(DI), Y9

// TIMES adds their products with two columns of a vector to sums of integers.
#define TIMES(x, sum, more) \
	VBROADCASTSS x, Y10          \
	VPMADDWD     Y10, Y8, Y11    \
	VPMADDWD     Y10, Y9, Y12    \
	VPADDD       Y11, sum, sum   \
	VPADDD       Y12, more, more

// SCALED adds the sums of a block to y, which is in memory: Y8 and Y9 are the scales of the rows, dx is that of the vector.
#define SCALED(dx, sum, more, y, yMore) \
	VBROADCASTSS dx, Y10            \
	VMULPS       Y8, Y10, Y11       \
	VMULPS       Y9, Y10, Y12       \
	VCVTDQ2PS    sum, sum           \
	VCVTDQ2PS    more, more         \
	VFMADD213PS  y, Y11, sum        \
	VFMADD213PS  yMore, Y12, more   \
	VMOVUPS      sum, y             \
	VMOVUPS      more, yMore

#define ONE(at) \
	ROWS(at)                   \
	TIMES((2*at)(SI), Y0, Y1)

// func intTile(w *int8, d *float32, x *int16, dx *float32, width int, y *float32)
TEXT ·intTile(SB), NOSPLIT, $0-48
	MOVQ    w+0(FP), DI
	MOVQ    d+8(FP), BX
	MOVQ    x+16(FP), SI
	MOVQ    dx+24(FP), R12
	MOVQ    width+32(FP), CX
	MOVQ    y+40(FP), AX
	VPXOR   Y0, Y0, Y0
	VMOVUPS Y0, (AX)
	VMOVUPS Y0, 32(AX)

oneBlocks:
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	ONE(0)
	ONE(2)
	ONE(4)
	ONE(6)
	ONE(8)
	ONE(10)
	ONE(12)
	ONE(14)
	ONE(16)
	ONE(18)
	ONE(20)
	ONE(22)
	ONE(24)
	ONE(26)
	ONE(28)
	ONE(30)
	VMOVUPS (BX), Y8
	VMOVUPS 32(BX), Y9
	SCALED((R12), Y0, Y1, (AX), 32(AX))
	ADDQ $512, DI
	ADDQ $64, BX
	ADDQ $64, SI
	ADDQ $4, R12
	SUBQ $32, CX
	JNZ  oneBlocks
	VZEROUPPER
	RET

// FOUR is ONE for the four vectors at SI, R10 apart (R9 is three times that).
#define FOUR(at) \
	ROWS(at)                           \
	TIMES((2*at)(SI), Y0, Y1)          \
	TIMES((2*at)(SI)(R10*1), Y2, Y3)   \
	TIMES((2*at)(SI)(R10*2), Y4, Y5)   \
	TIMES((2*at)(SI)(R9*1), Y6, Y7)

// func intFours(w *int8, d *float32, x *int16, dx *float32, xStride, width int, y *float32, yStride, ahead, pace int)
TEXT ·intFours(SB), NOSPLIT, $0-80
	MOVQ    w+0(FP), DI
	MOVQ    d+8(FP), BX
	MOVQ    x+16(FP), SI
	MOVQ    dx+24(FP), R12
	MOVQ    xStride+32(FP), R10
	MOVQ    R10, R11
	SHRQ    $3, R11 // bytes from the scales of a vector to the next, and three times that
	LEAQ    (R11)(R11*2), R13
	SHLQ    $1, R10
	LEAQ    (R10)(R10*2), R9
	MOVQ    width+40(FP), CX
	MOVQ    y+48(FP), AX
	MOVQ    yStride+56(FP), DX
	SHLQ    $2, DX
	LEAQ    (AX)(DX*2), R15
	MOVQ    ahead+64(FP), R8
	ADDQ    DI, R8
	VPXOR   Y0, Y0, Y0
	VMOVUPS Y0, (AX)
	VMOVUPS Y0, 32(AX)
	VMOVUPS Y0, (AX)(DX*1)
	VMOVUPS Y0, 32(AX)(DX*1)
	VMOVUPS Y0, (R15)
	VMOVUPS Y0, 32(R15)
	VMOVUPS Y0, (R15)(DX*1)
	VMOVUPS Y0, 32(R15)(DX*1)

fourBlocks:
	PREFETCHT0 (R8)
	PREFETCHT0 64(R8)
	PREFETCHT0 128(R8)
	PREFETCHT0 192(R8)
	ADDQ       pace+72(FP), R8
	CLEAR4(Y0, Y1, Y2, Y3)
	CLEAR4(Y4, Y5, Y6, Y7)
	FOUR(0)
	FOUR(2)
	FOUR(4)
	FOUR(6)
	FOUR(8)
	FOUR(10)
	FOUR(12)
	FOUR(14)
	FOUR(16)
	FOUR(18)
	FOUR(20)
	FOUR(22)
	FOUR(24)
	FOUR(26)
	FOUR(28)
	FOUR(30)
	VMOVUPS (BX), Y8
	VMOVUPS 32(BX), Y9
	SCALED((R12), Y0, Y1, (AX), 32(AX))
	SCALED((R12)(R11*1), Y2, Y3, (AX)(DX*1), 32(AX)(DX*1))
	SCALED((R12)(R11*2), Y4, Y5, (R15), 32(R15))
	SCALED((R12)(R13*1), Y6, Y7, (R15)(DX*1), 32(R15)(DX*1))
	ADDQ $512, DI
	ADDQ $64, BX
	ADDQ $64, SI
	ADDQ $4, R12
	SUBQ $32, CX
	JNZ  fourBlocks
	VZEROUPPER
	RET

// The numbers of roundVector.
DATA round<>+0(SB)/4, $0x7fffffff  // without sign
DATA round<>+4(SB)/4, $32639.0 // see largestRound
DATA round<>+8(SB)/4, $3.0638195312349126e-05 // 1/32639
DATA round<>+12(SB)/4, $1e-30
GLOBL round<>(SB), RODATA|NOPTR, $16

// func roundVector(dst *int16, d, x *float32, n int)
TEXT ·roundVector(SB), NOSPLIT, $0-32
	MOVQ         dst+0(FP), DI
	MOVQ         d+8(FP), BX
	MOVQ         x+16(FP), SI
	MOVQ         n+24(FP), CX
	VBROADCASTSS round<>+0(SB), Y15
	VMOVSS       round<>+4(SB), X14

rounds:
	VMOVUPS      (SI), Y0
	VMOVUPS      32(SI), Y1
	VMOVUPS      64(SI), Y2
	VMOVUPS      96(SI), Y3
	VANDPS       Y15, Y0, Y4
	VANDPS       Y15, Y1, Y5
	VMAXPS       Y5, Y4, Y4
	VANDPS       Y15, Y2, Y5
	VMAXPS       Y5, Y4, Y4
	VANDPS       Y15, Y3, Y5
	VMAXPS       Y5, Y4, Y4
	LARGEST(Y4, X4, X5)
	VMAXSS       round<>+12(SB), X4, X4
	VDIVSS       X4, X14, X6
	VMULSS       round<>+8(SB), X4, X4
	VMOVSS       X4, (BX)
	VBROADCASTSS X6, Y6
	VMULPS       Y6, Y0, Y0
	VMULPS       Y6, Y1, Y1
	VMULPS       Y6, Y2, Y2
	VMULPS       Y6, Y3, Y3
	VCVTPS2DQ    Y0, Y0
	VCVTPS2DQ    Y1, Y1
	VCVTPS2DQ    Y2, Y2
	VCVTPS2DQ    Y3, Y3
	VPACKSSDW    Y1, Y0, Y0
	VPACKSSDW    Y3, Y2, Y2
	VPERMQ       $0xd8, Y0, Y0
	VPERMQ       $0xd8, Y2, Y2
	VMOVDQU      Y0, (DI)
	VMOVDQU      Y2, 32(DI)
	ADDQ         $128, SI
	ADDQ         $64, DI
	ADDQ         $4, BX
	SUBQ         $32, CX
	JNZ          rounds
	VZEROUPPER
	RET

// func maxVector(x *float32, n int) float32
TEXT ·maxVector(SB), NOSPLIT, $0-20
	MOVQ    x+0(FP), DI
	MOVQ    n+8(FP), CX
	VMOVUPS (DI), Y0

maxima:
	VMAXPS (DI), Y0, Y0
	ADDQ   $32, DI
	SUBQ   $8, CX
	JNZ    maxima
	LARGEST(Y0, X0, X1)
	VMOVSS X0, ret+16(FP)
	VZEROUPPER
	RET

// The numbers of EXP, here and in AVX-512.
DATA ·exps+0(SB)/4, $-87.0
DATA ·exps+4(SB)/4, $1.44269504      // 1/ln 2
DATA ·exps+8(SB)/4, $-0.693359375    // ln 2 in two parts, negative
DATA ·exps+12(SB)/4, $2.12194440e-4
DATA ·exps+16(SB)/4, $1.9875691500e-4
DATA ·exps+20(SB)/4, $1.3981999507e-3
DATA ·exps+24(SB)/4, $8.3334519073e-3
DATA ·exps+28(SB)/4, $4.1665795894e-2
DATA ·exps+32(SB)/4, $1.6666665459e-1
DATA ·exps+36(SB)/4, $5.0000001201e-1
DATA ·exps+40(SB)/4, $1.0
DATA ·exps+44(SB)/4, $127            // bias of an exponent
DATA ·exps+48(SB)/4, $0x80000000     // sign
GLOBL ·exps(SB), RODATA|NOPTR, $52

// EXP sets Y1 to exp(Y0), to two units in the last place for Y0 ≤ 0, and to 0 below -87: x = n·ln 2 + r, with a polynomial for
// exp(r). It uses Y0 and Y2 to Y4. Source: S. Moshier's Cephes, expf.
#define EXP \
	VBROADCASTSS ·exps+0(SB), Y4   \
	VCMPPS       $13, Y4, Y0, Y3   \
	VMAXPS       Y4, Y0, Y0        \
	VBROADCASTSS ·exps+4(SB), Y4   \
	VMULPS       Y4, Y0, Y2        \
	VROUNDPS     $0, Y2, Y2        \
	VBROADCASTSS ·exps+8(SB), Y4   \
	VFMADD231PS  Y4, Y2, Y0        \
	VBROADCASTSS ·exps+12(SB), Y4  \
	VFMADD231PS  Y4, Y2, Y0        \
	VBROADCASTSS ·exps+16(SB), Y1  \
	VBROADCASTSS ·exps+20(SB), Y4  \
	VFMADD213PS  Y4, Y0, Y1        \
	VBROADCASTSS ·exps+24(SB), Y4  \
	VFMADD213PS  Y4, Y0, Y1        \
	VBROADCASTSS ·exps+28(SB), Y4  \
	VFMADD213PS  Y4, Y0, Y1        \
	VBROADCASTSS ·exps+32(SB), Y4  \
	VFMADD213PS  Y4, Y0, Y1        \
	VBROADCASTSS ·exps+36(SB), Y4  \
	VFMADD213PS  Y4, Y0, Y1        \
	VMULPS       Y0, Y0, Y4        \
	VMULPS       Y4, Y1, Y1        \
	VADDPS       Y0, Y1, Y1        \
	VBROADCASTSS ·exps+40(SB), Y4  \
	VADDPS       Y4, Y1, Y1        \
	VCVTPS2DQ    Y2, Y2            \
	VBROADCASTSS ·exps+44(SB), Y4  \
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
	VBROADCASTSS ·exps+40(SB), Y5
	VBROADCASTSS ·exps+48(SB), Y6

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

// Sums of outer products, for many vectors. Each sum has a register for eight of a row's sixteen columns.

// OUTER adds the product of one number and sixteen columns, which are in Y12 and Y13.
#define OUTER(number, sum, more) \
	VBROADCASTSS number, Y14     \
	VFMADD231PS  Y12, Y14, sum   \
	VFMADD231PS  Y13, Y14, more

// INTO adds a row to y at R13 and goes on to the next.
#define INTO(sum, more) \
	VADDPS  (R13), sum, sum     \
	VADDPS  32(R13), more, more \
	VMOVUPS sum, (R13)          \
	VMOVUPS more, 32(R13)       \
	ADDQ    DX, R13

// func outerTile(a *float32, aRow, aStep, depth int, b *float32, n int, y *float32, yStride int)
TEXT ·outerTile(SB), NOSPLIT, $0-64
	MOVQ a+0(FP), AX
	MOVQ aRow+8(FP), R8
	SHLQ $2, R8
	LEAQ (R8)(R8*2), R9
	LEAQ (R8)(R8*4), R10
	MOVQ aStep+16(FP), R11
	SHLQ $2, R11
	MOVQ n+40(FP), R12
	MOVQ y+48(FP), R13
	MOVQ yStride+56(FP), DX
	SHLQ $2, DX

six:
	CMPQ R12, $6
	JLT  four
	MOVQ AX, SI
	MOVQ b+32(FP), DI
	MOVQ depth+24(FP), CX
	CLEAR4(Y0, Y1, Y2, Y3)
	CLEAR4(Y4, Y5, Y6, Y7)
	CLEAR4(Y8, Y9, Y10, Y11)

sixDeep:
	VMOVUPS (DI), Y12
	VMOVUPS 32(DI), Y13
	OUTER((SI), Y0, Y1)
	OUTER((SI)(R8*1), Y2, Y3)
	OUTER((SI)(R8*2), Y4, Y5)
	OUTER((SI)(R9*1), Y6, Y7)
	OUTER((SI)(R8*4), Y8, Y9)
	OUTER((SI)(R10*1), Y10, Y11)
	ADDQ R11, SI
	ADDQ $64, DI
	DECQ CX
	JNZ  sixDeep
	INTO(Y0, Y1)
	INTO(Y2, Y3)
	INTO(Y4, Y5)
	INTO(Y6, Y7)
	INTO(Y8, Y9)
	INTO(Y10, Y11)
	LEAQ (AX)(R9*2), AX
	SUBQ $6, R12
	JMP  six

four:
	CMPQ R12, $4
	JLT  single
	MOVQ AX, SI
	MOVQ b+32(FP), DI
	MOVQ depth+24(FP), CX
	CLEAR4(Y0, Y1, Y2, Y3)
	CLEAR4(Y4, Y5, Y6, Y7)

fourDeep:
	VMOVUPS (DI), Y12
	VMOVUPS 32(DI), Y13
	OUTER((SI), Y0, Y1)
	OUTER((SI)(R8*1), Y2, Y3)
	OUTER((SI)(R8*2), Y4, Y5)
	OUTER((SI)(R9*1), Y6, Y7)
	ADDQ R11, SI
	ADDQ $64, DI
	DECQ CX
	JNZ  fourDeep
	INTO(Y0, Y1)
	INTO(Y2, Y3)
	INTO(Y4, Y5)
	INTO(Y6, Y7)
	LEAQ (AX)(R8*4), AX
	SUBQ $4, R12

single:
	TESTQ R12, R12
	JZ    outerEnd
	MOVQ  AX, SI
	MOVQ  b+32(FP), DI
	MOVQ  depth+24(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1

singleDeep:
	VMOVUPS (DI), Y12
	VMOVUPS 32(DI), Y13
	OUTER((SI), Y0, Y1)
	ADDQ R11, SI
	ADDQ $64, DI
	DECQ CX
	JNZ  singleDeep
	INTO(Y0, Y1)
	ADDQ R8, AX
	DECQ R12
	JMP  single

outerEnd:
	VZEROUPPER
	RET

// func turnTile(dst, src *float32, stride, n, width int)
//
// It writes n columns, a multiple of 8, of width rows, stride apart, the other way round: dst is [n, width].
TEXT ·turnTile(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), AX
	MOVQ stride+16(FP), R8
	SHLQ $2, R8
	LEAQ (R8)(R8*2), R9
	MOVQ n+24(FP), CX
	MOVQ width+32(FP), R13
	SHLQ $2, R13
	LEAQ (R13)(R13*2), R14

turn:
	MOVQ AX, SI
	MOVQ DI, R11
	MOVQ R13, R12
	SHRQ $5, R12

turnEight:
	LEAQ        (SI)(R8*4), R10
	LEAQ        (R11)(R13*4), R15
	VMOVUPS     (SI), X0
	VMOVUPS     (SI)(R8*1), X1
	VMOVUPS     (SI)(R8*2), X2
	VMOVUPS     (SI)(R9*1), X3
	VINSERTF128 $1, (R10), Y0, Y0
	VINSERTF128 $1, (R10)(R8*1), Y1, Y1
	VINSERTF128 $1, (R10)(R8*2), Y2, Y2
	VINSERTF128 $1, (R10)(R9*1), Y3, Y3
	VMOVUPS     16(SI), X4
	VMOVUPS     16(SI)(R8*1), X5
	VMOVUPS     16(SI)(R8*2), X6
	VMOVUPS     16(SI)(R9*1), X7
	VINSERTF128 $1, 16(R10), Y4, Y4
	VINSERTF128 $1, 16(R10)(R8*1), Y5, Y5
	VINSERTF128 $1, 16(R10)(R8*2), Y6, Y6
	VINSERTF128 $1, 16(R10)(R9*1), Y7, Y7
	VUNPCKLPS   Y1, Y0, Y8
	VUNPCKHPS   Y1, Y0, Y9
	VUNPCKLPS   Y3, Y2, Y10
	VUNPCKHPS   Y3, Y2, Y11
	VUNPCKLPD   Y10, Y8, Y0
	VUNPCKHPD   Y10, Y8, Y1
	VUNPCKLPD   Y11, Y9, Y2
	VUNPCKHPD   Y11, Y9, Y3
	VUNPCKLPS   Y5, Y4, Y8
	VUNPCKHPS   Y5, Y4, Y9
	VUNPCKLPS   Y7, Y6, Y10
	VUNPCKHPS   Y7, Y6, Y11
	VUNPCKLPD   Y10, Y8, Y4
	VUNPCKHPD   Y10, Y8, Y5
	VUNPCKLPD   Y11, Y9, Y6
	VUNPCKHPD   Y11, Y9, Y7
	VMOVUPS     Y0, (R11)
	VMOVUPS     Y1, (R11)(R13*1)
	VMOVUPS     Y2, (R11)(R13*2)
	VMOVUPS     Y3, (R11)(R14*1)
	VMOVUPS     Y4, (R15)
	VMOVUPS     Y5, (R15)(R13*1)
	VMOVUPS     Y6, (R15)(R13*2)
	VMOVUPS     Y7, (R15)(R14*1)
	LEAQ        (SI)(R8*8), SI
	ADDQ        $32, R11
	DECQ        R12
	JNZ         turnEight
	ADDQ        $32, AX
	LEAQ        (DI)(R13*8), DI
	SUBQ        $8, CX
	JNZ         turn
	VZEROUPPER
	RET

// func copyTile(dst, src *float32, stride, n int)
//
// It copies n rows of sixteen columns. What lies behind them is fetched, for the tile that follows.
TEXT ·copyTile(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ stride+16(FP), R8
	SHLQ $2, R8
	MOVQ n+24(FP), CX

copyRow:
	VMOVUPS     (SI), Y0
	VMOVUPS     32(SI), Y1
	PREFETCHT0  256(SI)
	VMOVUPS     Y0, (DI)
	VMOVUPS     Y1, 32(DI)
	ADDQ        R8, SI
	ADDQ        $64, DI
	DECQ        CX
	JNZ         copyRow
	VZEROUPPER
	RET
