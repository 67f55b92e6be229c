#include "textflag.h"

// The kernels in AVX-512: what kernel_avx2_amd64.s computes, in registers twice as wide and twice as many. Z0 to Z3 are sums of the four
// rows for one vector, Z4 to Z7 for a second, and so on, each with one lane for every sixteenth product.

#define CLEAR4(a, b, c, d) \
	VPXORD a, a, a \
	VPXORD b, b, b \
	VPXORD c, c, c \
	VPXORD d, d, d

#define FOLD(whole, low) \
	VEXTRACTF64X4 $1, whole, Y31  \
	VADDPS        Y31, low, low

// SUMS writes the sums of the lanes of four registers. y and x name the lower parts.
#define SUMS(z0, y0, x0, z1, y1, z2, y2, z3, y3, to) \
	FOLD(z0, y0)                   \
	FOLD(z1, y1)                   \
	FOLD(z2, y2)                   \
	FOLD(z3, y3)                   \
	VHADDPS       y1, y0, y0       \
	VHADDPS       y3, y2, y2       \
	VHADDPS       y2, y0, y0       \
	VEXTRACTF32X4 $1, y0, X31      \
	VADDPS        X31, x0, x0      \
	VMOVUPS       x0, to

#define SUMS1(to) SUMS(Z0, Y0, X0, Z1, Y1, Z2, Y2, Z3, Y3, to)
#define SUMS2(to) SUMS(Z4, Y4, X4, Z5, Y5, Z6, Y6, Z7, Y7, to)
#define SUMS3(to) SUMS(Z8, Y8, X8, Z9, Y9, Z10, Y10, Z11, Y11, to)
#define SUMS4(to) SUMS(Z12, Y12, X12, Z13, Y13, Z14, Y14, Z15, Y15, to)

// INTO1 adds the products of a row, in Z24, and a vector, in Z16; the others those of more vectors.
#define INTO1(a) VFMADD231PS Z16, Z24, a

#define INTO2(a, b) \
	INTO1(a)                  \
	VFMADD231PS Z17, Z24, b

#define INTO4(a, b, c, d) \
	INTO2(a, b)               \
	VFMADD231PS Z18, Z24, c   \
	VFMADD231PS Z19, Z24, d

#define BEGIN(shift) \
	MOVQ w+0(FP), AX         \
	MOVQ wStride+8(FP), R8   \
	SHLQ $shift, R8          \
	LEAQ (R8)(R8*2), R9      \
	MOVQ x+16(FP), BX        \
	MOVQ xStride+24(FP), R10 \
	SHLQ $2, R10             \
	LEAQ (R10)(R10*2), R14   \
	MOVQ width+32(FP), R11   \
	MOVQ n+40(FP), R12       \
	MOVQ y+48(FP), R13       \
	MOVQ yStride+56(FP), DX  \
	SHLQ $2, DX

// AGAIN begins with the first columns.
#define AGAIN \
	MOVQ AX, DI  \
	MOVQ BX, SI  \
	MOVQ R11, CX

// SUMSOF4 writes those of four vectors, and goes on to the next.
#define SUMSOF4 \
	LEAQ (R13)(DX*2), R15   \
	SUMS1((R13))            \
	SUMS2((R13)(DX*1))      \
	SUMS3((R15))            \
	SUMS4((R15)(DX*1))      \
	LEAQ (BX)(R10*4), BX    \
	LEAQ (R13)(DX*4), R13   \
	SUBQ $4, R12

#define SUMSOF2 \
	SUMS1((R13))            \
	SUMS2((R13)(DX*1))      \
	LEAQ (BX)(R10*2), BX    \
	LEAQ (R13)(DX*2), R13   \
	SUBQ $2, R12

// FLOATS4 takes sixteen columns of the rows at DI, R8 apart (R9 is three times that), and of four vectors at SI, R10 apart (R14).
#define FLOATS4(at) \
	VMOVUPS at(SI), Z16          \
	VMOVUPS at(SI)(R10*1), Z17   \
	VMOVUPS at(SI)(R10*2), Z18   \
	VMOVUPS at(SI)(R14*1), Z19   \
	VMOVUPS at(DI), Z24          \
	INTO4(Z0, Z4, Z8, Z12)       \
	VMOVUPS at(DI)(R8*1), Z24    \
	INTO4(Z1, Z5, Z9, Z13)       \
	VMOVUPS at(DI)(R8*2), Z24    \
	INTO4(Z2, Z6, Z10, Z14)      \
	VMOVUPS at(DI)(R9*1), Z24    \
	INTO4(Z3, Z7, Z11, Z15)

#define FLOATS2(at) \
	VMOVUPS at(SI), Z16          \
	VMOVUPS at(SI)(R10*1), Z17   \
	VMOVUPS at(DI), Z24          \
	INTO2(Z0, Z4)                \
	VMOVUPS at(DI)(R8*1), Z24    \
	INTO2(Z1, Z5)                \
	VMOVUPS at(DI)(R8*2), Z24    \
	INTO2(Z2, Z6)                \
	VMOVUPS at(DI)(R9*1), Z24    \
	INTO2(Z3, Z7)

#define FLOATS1(at) \
	VMOVUPS     at(SI), Z16             \
	VFMADD231PS at(DI), Z16, Z0         \
	VFMADD231PS at(DI)(R8*1), Z16, Z1   \
	VFMADD231PS at(DI)(R8*2), Z16, Z2   \
	VFMADD231PS at(DI)(R9*1), Z16, Z3

// func wideFloatTile(w *float32, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)
TEXT ·wideFloatTile(SB), NOSPLIT, $0-64
	BEGIN(2)

four:
	CMPQ R12, $4
	JLT  pair
	AGAIN
	CLEAR4(Z0, Z1, Z2, Z3)
	CLEAR4(Z4, Z5, Z6, Z7)
	CLEAR4(Z8, Z9, Z10, Z11)
	CLEAR4(Z12, Z13, Z14, Z15)

fourColumns:
	FLOATS4(0)
	FLOATS4(64)
	ADDQ $128, DI
	ADDQ $128, SI
	SUBQ $32, CX
	JNZ  fourColumns
	SUMSOF4
	JMP  four

pair:
	CMPQ R12, $2
	JLT  one
	AGAIN
	CLEAR4(Z0, Z1, Z2, Z3)
	CLEAR4(Z4, Z5, Z6, Z7)

pairColumns:
	FLOATS2(0)
	FLOATS2(64)
	ADDQ $128, DI
	ADDQ $128, SI
	SUBQ $32, CX
	JNZ  pairColumns
	SUMSOF2
	JMP  pair

one:
	TESTQ R12, R12
	JZ    end
	AGAIN
	CLEAR4(Z0, Z1, Z2, Z3)

oneColumns:
	FLOATS1(0)
	FLOATS1(64)
	ADDQ $128, DI
	ADDQ $128, SI
	SUBQ $32, CX
	JNZ  oneColumns
	SUMS1((R13))

end:
	VZEROUPPER
	RET

// Rows in bfloat16: 32 columns of a row are two times sixteen, each as halfAt says. A shift makes floats of columns 0 to 7 and 16 to
// 23, and a mask of the others, so the vectors are put in that order: lower and upper.

DATA wideUppers<>+0(SB)/4, $0xffff0000
GLOBL wideUppers<>(SB), RODATA|NOPTR, $4

#define HALVES(vector, lower, upper) \
	VMOVUPS    vector, Z25              \
	VMOVUPS    64+vector, Z26           \
	VSHUFF64X2 $0x44, Z26, Z25, lower   \
	VSHUFF64X2 $0xee, Z26, Z25, upper

// WIDENED sets Z24 to the lower columns of a row and Z27 to the upper.
#define WIDENED(row) \
	VMOVDQU32 row, Z27       \
	VPSLLD    $16, Z27, Z24  \
	VPANDD    Z28, Z27, Z27

#define HALF4(row, a, b, c, d) \
	WIDENED(row)              \
	INTO4(a, b, c, d)         \
	VFMADD231PS Z20, Z27, a   \
	VFMADD231PS Z21, Z27, b   \
	VFMADD231PS Z22, Z27, c   \
	VFMADD231PS Z23, Z27, d

#define HALF2(row, a, b) \
	WIDENED(row)              \
	INTO2(a, b)               \
	VFMADD231PS Z20, Z27, a   \
	VFMADD231PS Z21, Z27, b

#define HALF1(row, a) \
	WIDENED(row)              \
	INTO1(a)                  \
	VFMADD231PS Z20, Z27, a

// func wideHalfTile(w *uint16, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)
TEXT ·wideHalfTile(SB), NOSPLIT, $0-64
	BEGIN(1)
	VPBROADCASTD wideUppers<>(SB), Z28

four:
	CMPQ R12, $4
	JLT  pair
	AGAIN
	CLEAR4(Z0, Z1, Z2, Z3)
	CLEAR4(Z4, Z5, Z6, Z7)
	CLEAR4(Z8, Z9, Z10, Z11)
	CLEAR4(Z12, Z13, Z14, Z15)

fourColumns:
	HALVES(0(SI), Z16, Z20)
	HALVES(0(SI)(R10*1), Z17, Z21)
	HALVES(0(SI)(R10*2), Z18, Z22)
	HALVES(0(SI)(R14*1), Z19, Z23)
	HALF4((DI), Z0, Z4, Z8, Z12)
	HALF4((DI)(R8*1), Z1, Z5, Z9, Z13)
	HALF4((DI)(R8*2), Z2, Z6, Z10, Z14)
	HALF4((DI)(R9*1), Z3, Z7, Z11, Z15)
	ADDQ $64, DI
	ADDQ $128, SI
	SUBQ $32, CX
	JNZ  fourColumns
	SUMSOF4
	JMP  four

pair:
	CMPQ R12, $2
	JLT  one
	AGAIN
	CLEAR4(Z0, Z1, Z2, Z3)
	CLEAR4(Z4, Z5, Z6, Z7)

pairColumns:
	HALVES(0(SI), Z16, Z20)
	HALVES(0(SI)(R10*1), Z17, Z21)
	HALF2((DI), Z0, Z4)
	HALF2((DI)(R8*1), Z1, Z5)
	HALF2((DI)(R8*2), Z2, Z6)
	HALF2((DI)(R9*1), Z3, Z7)
	ADDQ $64, DI
	ADDQ $128, SI
	SUBQ $32, CX
	JNZ  pairColumns
	SUMSOF2
	JMP  pair

one:
	TESTQ R12, R12
	JZ    end
	AGAIN
	CLEAR4(Z0, Z1, Z2, Z3)

oneColumns:
	HALVES(0(SI), Z16, Z20)
	HALF1((DI), Z0)
	HALF1((DI)(R8*1), Z1)
	HALF1((DI)(R8*2), Z2)
	HALF1((DI)(R9*1), Z3)
	ADDQ $64, DI
	ADDQ $128, SI
	SUBQ $32, CX
	JNZ  oneColumns
	SUMS1((R13))

end:
	VZEROUPPER
	RET

// Sums of outer products: each sum has a register for sixteen of a row's 32 columns.

// OUTER adds the product of one number and 32 columns, which are in Z24 and Z25.
#define OUTER(number, sum, more) \
	VBROADCASTSS number, Z26     \
	VFMADD231PS  Z24, Z26, sum   \
	VFMADD231PS  Z25, Z26, more

// TOROW adds a row to y at R13 and goes on to the next.
#define TOROW(sum, more) \
	VADDPS  (R13), sum, sum     \
	VADDPS  64(R13), more, more \
	VMOVUPS sum, (R13)          \
	VMOVUPS more, 64(R13)       \
	ADDQ    DX, R13

#define PANEL \
	MOVQ AX, SI   \
	MOVQ R14, DI  \
	MOVQ R15, CX

#define COLUMNS \
	VMOVUPS (DI), Z24    \
	VMOVUPS 64(DI), Z25

#define DEEPER \
	ADDQ R11, SI   \
	ADDQ $128, DI  \
	DECQ CX

// func wideOuterTile(a *float32, aRow, aStep, depth int, b *float32, n int, y *float32, yStride int)
TEXT ·wideOuterTile(SB), NOSPLIT, $0-64
	MOVQ a+0(FP), AX
	MOVQ aRow+8(FP), R8
	SHLQ $2, R8
	LEAQ (R8)(R8*2), R9
	LEAQ (R8)(R8*4), R10
	MOVQ aStep+16(FP), R11
	SHLQ $2, R11
	MOVQ depth+24(FP), R15
	MOVQ b+32(FP), R14
	MOVQ n+40(FP), R12
	MOVQ y+48(FP), R13
	MOVQ yStride+56(FP), DX
	SHLQ $2, DX

twelve:
	CMPQ R12, $12
	JLT  four
	PANEL
	LEAQ (SI)(R9*2), BX
	CLEAR4(Z0, Z1, Z2, Z3)
	CLEAR4(Z4, Z5, Z6, Z7)
	CLEAR4(Z8, Z9, Z10, Z11)
	CLEAR4(Z12, Z13, Z14, Z15)
	CLEAR4(Z16, Z17, Z18, Z19)
	CLEAR4(Z20, Z21, Z22, Z23)

twelveDeep:
	COLUMNS
	OUTER((SI), Z0, Z1)
	OUTER((SI)(R8*1), Z2, Z3)
	OUTER((SI)(R8*2), Z4, Z5)
	OUTER((SI)(R9*1), Z6, Z7)
	OUTER((SI)(R8*4), Z8, Z9)
	OUTER((SI)(R10*1), Z10, Z11)
	OUTER((BX), Z12, Z13)
	OUTER((BX)(R8*1), Z14, Z15)
	OUTER((BX)(R8*2), Z16, Z17)
	OUTER((BX)(R9*1), Z18, Z19)
	OUTER((BX)(R8*4), Z20, Z21)
	OUTER((BX)(R10*1), Z22, Z23)
	ADDQ R11, BX
	DEEPER
	JNZ  twelveDeep
	TOROW(Z0, Z1)
	TOROW(Z2, Z3)
	TOROW(Z4, Z5)
	TOROW(Z6, Z7)
	TOROW(Z8, Z9)
	TOROW(Z10, Z11)
	TOROW(Z12, Z13)
	TOROW(Z14, Z15)
	TOROW(Z16, Z17)
	TOROW(Z18, Z19)
	TOROW(Z20, Z21)
	TOROW(Z22, Z23)
	LEAQ (AX)(R9*4), AX
	SUBQ $12, R12
	JMP  twelve

four:
	CMPQ R12, $4
	JLT  single
	PANEL
	CLEAR4(Z0, Z1, Z2, Z3)
	CLEAR4(Z4, Z5, Z6, Z7)

fourDeep:
	COLUMNS
	OUTER((SI), Z0, Z1)
	OUTER((SI)(R8*1), Z2, Z3)
	OUTER((SI)(R8*2), Z4, Z5)
	OUTER((SI)(R9*1), Z6, Z7)
	DEEPER
	JNZ  fourDeep
	TOROW(Z0, Z1)
	TOROW(Z2, Z3)
	TOROW(Z4, Z5)
	TOROW(Z6, Z7)
	LEAQ (AX)(R8*4), AX
	SUBQ $4, R12
	JMP  four

single:
	TESTQ  R12, R12
	JZ     end
	PANEL
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1

singleDeep:
	COLUMNS
	OUTER((SI), Z0, Z1)
	DEEPER
	JNZ  singleDeep
	TOROW(Z0, Z1)
	ADDQ R8, AX
	DECQ R12
	JMP  single

end:
	VZEROUPPER
	RET

// func wideCopyTile(dst, src *float32, stride, n int)
//
// It copies n rows of 32 columns. What lies behind them is fetched, for the tile that follows.
TEXT ·wideCopyTile(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ stride+16(FP), R8
	SHLQ $2, R8
	MOVQ n+24(FP), CX

copyRow:
	VMOVUPS    (SI), Z0
	VMOVUPS    64(SI), Z1
	PREFETCHT0 256(SI)
	PREFETCHT0 320(SI)
	VMOVUPS    Z0, (DI)
	VMOVUPS    Z1, 64(DI)
	ADDQ       R8, SI
	ADDQ       $128, DI
	DECQ       CX
	JNZ        copyRow
	VZEROUPPER
	RET

// func wideMaxVector(x *float32, n int) float32
TEXT ·wideMaxVector(SB), NOSPLIT, $0-20
	MOVQ    x+0(FP), DI
	MOVQ    n+8(FP), CX
	VMOVUPS (DI), Z0

maxima:
	VMAXPS        (DI), Z0, Z0
	ADDQ          $64, DI
	SUBQ          $16, CX
	JNZ           maxima
	VEXTRACTF64X4 $1, Z0, Y1
	VMAXPS        Y1, Y0, Y0
	VEXTRACTF128  $1, Y0, X1
	VMAXPS        X1, X0, X0
	VPERMILPS     $0x4e, X0, X1
	VMAXPS        X1, X0, X0
	VPERMILPS     $0xb1, X0, X1
	VMAXPS        X1, X0, X0
	VMOVSS        X0, ret+16(FP)
	VZEROUPPER
	RET

// EXP sets Z1 to exp(Z0), as EXP in AVX2 does. It uses Z0, Z2 and K1.
#define EXP \
	VCMPPS.BCST      $13, ·exps+0(SB), Z0, K1   \
	VMAXPS.BCST      ·exps+0(SB), Z0, Z0        \
	VMULPS.BCST      ·exps+4(SB), Z0, Z2        \
	VRNDSCALEPS      $0, Z2, Z2                 \
	VFMADD231PS.BCST ·exps+8(SB), Z2, Z0        \
	VFMADD231PS.BCST ·exps+12(SB), Z2, Z0       \
	VBROADCASTSS     ·exps+16(SB), Z1           \
	VFMADD213PS.BCST ·exps+20(SB), Z0, Z1       \
	VFMADD213PS.BCST ·exps+24(SB), Z0, Z1       \
	VFMADD213PS.BCST ·exps+28(SB), Z0, Z1       \
	VFMADD213PS.BCST ·exps+32(SB), Z0, Z1       \
	VFMADD213PS.BCST ·exps+36(SB), Z0, Z1       \
	VMULPS           Z0, Z0, Z3                 \
	VFMADD231PS      Z3, Z1, Z0                 \
	VADDPS.BCST      ·exps+40(SB), Z0, Z1       \
	VCVTPS2DQ        Z2, Z2                     \
	VPADDD.BCST      ·exps+44(SB), Z2, Z2       \
	VPSLLD           $23, Z2, Z2                \
	VMULPS.Z         Z2, Z1, K1, Z1

// func wideExpVector(x *float32, n int, top float32) float32
TEXT ·wideExpVector(SB), NOSPLIT, $0-28
	MOVQ         x+0(FP), DI
	MOVQ         n+8(FP), CX
	VBROADCASTSS top+16(FP), Z5
	VPXORD       Z6, Z6, Z6

exps:
	VMOVUPS       (DI), Z0
	VSUBPS        Z5, Z0, Z0
	EXP
	VMOVUPS       Z1, (DI)
	VADDPS        Z1, Z6, Z6
	ADDQ          $64, DI
	SUBQ          $16, CX
	JNZ           exps
	VEXTRACTF64X4 $1, Z6, Y7
	VADDPS        Y7, Y6, Y6
	VHADDPS       Y6, Y6, Y6
	VHADDPS       Y6, Y6, Y6
	VEXTRACTF128  $1, Y6, X7
	VADDPS        X7, X6, X6
	VMOVSS        X6, ret+24(FP)
	VZEROUPPER
	RET

// func wideSiLUVector(gate, up *float32, n int)
TEXT ·wideSiLUVector(SB), NOSPLIT, $0-24
	MOVQ         gate+0(FP), DI
	MOVQ         up+8(FP), SI
	MOVQ         n+16(FP), CX
	VBROADCASTSS ·exps+40(SB), Z5
	VBROADCASTSS ·exps+48(SB), Z6

silus: // with e = exp(-|g|), the sigmoid is 1/(1+e) for g ≥ 0 and e/(1+e) otherwise
	VMOVUPS   (DI), Z7
	VORPS     Z6, Z7, Z0
	EXP
	VADDPS    Z5, Z1, Z0
	VPMOVD2M  Z7, K2
	VBLENDMPS Z1, Z5, K2, Z1
	VDIVPS    Z0, Z1, Z1
	VMULPS    Z7, Z1, Z1
	VMULPS    (SI), Z1, Z1
	VMOVUPS   Z1, (DI)
	ADDQ      $64, DI
	ADDQ      $64, SI
	SUBQ      $16, CX
	JNZ       silus
	VZEROUPPER
	RET
