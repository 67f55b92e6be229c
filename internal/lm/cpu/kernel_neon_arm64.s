#include "textflag.h"
#include "kernel_neon_arm64.h"

// The kernels in NEON: what kernel_avx2_amd64.s computes, in registers half as wide and twice as many.
//
// V0 to V3 are sums of the four rows for one vector, V4 to V7 for a second, and so on. Each has one lane for every fourth product, in
// order, so that a sum is the same whether vectors go alone or together.

// A step takes eight columns: those of a row as V24 and V25, those of a vector as two registers. In a row of bfloat16 they lie as plainHalves
// says: columns 0 to 3 and 8 to 11, then the others.
#define FLOATROW(p, step)          FLDPQ (32*step)(p), (F24, F25)
#define FLOATVECTOR(p, step, a, b) FLDPQ (32*step)(p), (a, b)

#define HALFROW(p, step) \
	FMOVQ (16*step)(p), F26            \
	VSHL  $16, V26.S4, V24.S4          \
	VAND  V27.B16, V26.B16, V25.B16

#define HALFVECTOR(p, step, a, b) \
	FMOVQ (16*step)(p), a     \
	FMOVQ (16*step+32)(p), b

#define INTO(x, more, sum) \
	VFMLA x.S4, V24.S4, sum.S4     \
	VFMLA more.S4, V25.S4, sum.S4

#define INTO4(a, b, c, d) \
	INTO(V16, V17, a)  \
	INTO(V18, V19, b)  \
	INTO(V20, V21, c)  \
	INTO(V22, V23, d)

#define STEP4(ROW, VECTOR, step) \
	VECTOR(R12, step, F16, F17)  \
	VECTOR(R13, step, F18, F19)  \
	VECTOR(R14, step, F20, F21)  \
	VECTOR(R15, step, F22, F23)  \
	ROW(R8, step)                \
	INTO4(V0, V4, V8, V12)       \
	ROW(R9, step)                \
	INTO4(V1, V5, V9, V13)       \
	ROW(R10, step)               \
	INTO4(V2, V6, V10, V14)      \
	ROW(R11, step)               \
	INTO4(V3, V7, V11, V15)

#define STEP1(ROW, VECTOR, step) \
	VECTOR(R12, step, F16, F17)  \
	ROW(R8, step)                \
	INTO(V16, V17, V0)           \
	ROW(R9, step)                \
	INTO(V16, V17, V1)           \
	ROW(R10, step)               \
	INTO(V16, V17, V2)           \
	ROW(R11, step)               \
	INTO(V16, V17, V3)

#define ROWS(bytes) \
	ADD $bytes, R8    \
	ADD $bytes, R9    \
	ADD $bytes, R10   \
	ADD $bytes, R11

// BEGIN points to the four rows and to a vector.
#define BEGIN \
	MOVD R0, R8        \
	ADD  R1, R8, R9    \
	ADD  R1, R9, R10   \
	ADD  R1, R10, R11  \
	MOVD R2, R12       \
	MOVD R4, R16

// SUMS writes the sums of the lanes of four registers and goes on to the next vector.
#define SUMS(a, b, c, d, f) \
	FADDP(b, a, a)   \
	FADDP(d, c, c)   \
	FADDP(c, a, a)   \
	FMOVQ f, (R6)    \
	ADD   R7, R6     \
	ADD   R3, R2

#define PRODUCTS(ROW, VECTOR, shift) \
	MOVD w+0(FP), R0           \
	MOVD wStride+8(FP), R1     \
	LSL  $shift, R1            \
	MOVD x+16(FP), R2          \
	MOVD xStride+24(FP), R3    \
	LSL  $2, R3                \
	MOVD width+32(FP), R4      \
	MOVD n+40(FP), R5          \
	MOVD y+48(FP), R6          \
	MOVD yStride+56(FP), R7    \
	LSL  $2, R7                \
four:                          \
	CMP  $4, R5                \
	BLT  one                   \
	BEGIN                      \
	ADD  R3, R12, R13          \
	ADD  R3, R13, R14          \
	ADD  R3, R14, R15          \
	CLEAR4(V0, V1, V2, V3)     \
	CLEAR4(V4, V5, V6, V7)     \
	CLEAR4(V8, V9, V10, V11)   \
	CLEAR4(V12, V13, V14, V15) \
fourColumns:                   \
	STEP4(ROW, VECTOR, 0)      \
	STEP4(ROW, VECTOR, 1)      \
	ROWS((16<<shift))          \
	ADD  $64, R12              \
	ADD  $64, R13              \
	ADD  $64, R14              \
	ADD  $64, R15              \
	SUBS $16, R16              \
	BNE  fourColumns           \
	SUMS(0, 1, 2, 3, F0)       \
	SUMS(4, 5, 6, 7, F4)       \
	SUMS(8, 9, 10, 11, F8)     \
	SUMS(12, 13, 14, 15, F12)  \
	SUB  $4, R5                \
	B    four                  \
one:                           \
	CBZ  R5, end               \
	BEGIN                      \
	CLEAR4(V0, V1, V2, V3)     \
oneColumns:                    \
	STEP1(ROW, VECTOR, 0)      \
	STEP1(ROW, VECTOR, 1)      \
	ROWS((16<<shift))          \
	ADD  $64, R12              \
	SUBS $16, R16              \
	BNE  oneColumns            \
	SUMS(0, 1, 2, 3, F0)       \
	SUB  $1, R5                \
	B    one                   \
end:                           \
	RET

// func floatTile(w *float32, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)
TEXT ·floatTile(SB), NOSPLIT, $0-64
	PRODUCTS(FLOATROW, FLOATVECTOR, 2)

// func halfTile(w *uint16, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)
TEXT ·halfTile(SB), NOSPLIT, $0-64
	MOVD $0xffff0000, R0
	VDUP R0, V27.S4
	PRODUCTS(HALFROW, HALFVECTOR, 1)

// func widenVector(dst *float32, src *uint16, n int)
TEXT ·widenVector(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2
	MOVD $0xffff0000, R3
	VDUP R3, V27.S4

widen:
	VLD1.P 32(R1), [V0.S4, V1.S4]
	VSHL   $16, V0.S4, V2.S4
	VSHL   $16, V1.S4, V3.S4
	VAND   V27.B16, V0.B16, V4.B16
	VAND   V27.B16, V1.B16, V5.B16
	VST1.P [V2.S4, V3.S4, V4.S4, V5.S4], 64(R0)
	SUBS   $16, R2
	BNE    widen
	RET

// Sums of outer products. Each sum has a register for four of a row's sixteen columns, which are in V24 to V27.

// OUTER adds the products of the number at p.
#define OUTER(p, a, b, c, d) \
	FMOVS (p), F28           \
	ADD   R2, p              \
	FMLA_LANE(28, 0, 24, a)    \
	FMLA_LANE(28, 0, 25, b)    \
	FMLA_LANE(28, 0, 26, c)    \
	FMLA_LANE(28, 0, 27, d)

// TOROW adds a row to y and goes on to the next. It takes V24 to V27.
#define TOROW(a, b, c, d, va, vb, vc, vd) \
	VLD1 (R6), [V24.S4, V25.S4, V26.S4, V27.S4] \
	FADD(24, a, a)   \
	FADD(25, b, b)   \
	FADD(26, c, c)   \
	FADD(27, d, d)   \
	VST1 [va.S4, vb.S4, vc.S4, vd.S4], (R6) \
	ADD  R7, R6

// func outerTile(a *float32, aRow, aStep, depth int, b *float32, n int, y *float32, yStride int)
TEXT ·outerTile(SB), NOSPLIT, $0-64
	MOVD a+0(FP), R0
	MOVD aRow+8(FP), R1
	LSL  $2, R1
	MOVD aStep+16(FP), R2
	LSL  $2, R2
	MOVD n+40(FP), R5
	MOVD y+48(FP), R6
	MOVD yStride+56(FP), R7
	LSL  $2, R7

four:
	CMP  $4, R5
	BLT  single
	MOVD R0, R8
	ADD  R1, R8, R9
	ADD  R1, R9, R10
	ADD  R1, R10, R11
	ADD  R1, R11, R0
	MOVD depth+24(FP), R16
	MOVD b+32(FP), R4
	CLEAR4(V0, V1, V2, V3)
	CLEAR4(V4, V5, V6, V7)
	CLEAR4(V8, V9, V10, V11)
	CLEAR4(V12, V13, V14, V15)

fourDeep:
	VLD1.P 64(R4), [V24.S4, V25.S4, V26.S4, V27.S4]
	OUTER(R8, 0, 1, 2, 3)
	OUTER(R9, 4, 5, 6, 7)
	OUTER(R10, 8, 9, 10, 11)
	OUTER(R11, 12, 13, 14, 15)
	SUBS $1, R16
	BNE  fourDeep
	TOROW(0, 1, 2, 3, V0, V1, V2, V3)
	TOROW(4, 5, 6, 7, V4, V5, V6, V7)
	TOROW(8, 9, 10, 11, V8, V9, V10, V11)
	TOROW(12, 13, 14, 15, V12, V13, V14, V15)
	SUB  $4, R5
	B    four

single:
	CBZ  R5, end
	MOVD R0, R8
	ADD  R1, R0
	MOVD depth+24(FP), R16
	MOVD b+32(FP), R4
	CLEAR4(V0, V1, V2, V3)

singleDeep:
	VLD1.P 64(R4), [V24.S4, V25.S4, V26.S4, V27.S4]
	OUTER(R8, 0, 1, 2, 3)
	SUBS $1, R16
	BNE  singleDeep
	TOROW(0, 1, 2, 3, V0, V1, V2, V3)
	SUB  $1, R5
	B    single

end:
	RET

// func turnTile(dst, src *float32, stride, n, width int)
//
// It writes n columns, a multiple of 4, of width rows, stride apart, the other way round: dst is [n, width].
TEXT ·turnTile(SB), NOSPLIT, $0-40
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD stride+16(FP), R2
	LSL  $2, R2
	MOVD n+24(FP), R3
	MOVD width+32(FP), R4
	LSL  $2, R4

turn:
	MOVD R1, R8
	MOVD R0, R9
	MOVD R4, R5

turnFour:
	FMOVQ (R8), F0
	ADD   R2, R8
	FMOVQ (R8), F1
	ADD   R2, R8
	FMOVQ (R8), F2
	ADD   R2, R8
	FMOVQ (R8), F3
	ADD   R2, R8
	VZIP1 V2.S4, V0.S4, V4.S4
	VZIP2 V2.S4, V0.S4, V5.S4
	VZIP1 V3.S4, V1.S4, V6.S4
	VZIP2 V3.S4, V1.S4, V7.S4
	VZIP1 V6.S4, V4.S4, V0.S4
	VZIP2 V6.S4, V4.S4, V1.S4
	VZIP1 V7.S4, V5.S4, V2.S4
	VZIP2 V7.S4, V5.S4, V3.S4
	ADD   R4, R9, R10
	ADD   R4, R10, R11
	ADD   R4, R11, R12
	FMOVQ F0, (R9)
	FMOVQ F1, (R10)
	FMOVQ F2, (R11)
	FMOVQ F3, (R12)
	ADD   $16, R9
	SUBS  $16, R5
	BNE   turnFour
	ADD   $16, R1
	ADD   R4<<2, R0
	SUBS  $4, R3
	BNE   turn
	RET

// func copyTile(dst, src *float32, stride, n int)
TEXT ·copyTile(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD stride+16(FP), R2
	LSL  $2, R2
	MOVD n+24(FP), R3

copyRow:
	VLD1   (R1), [V0.S4, V1.S4, V2.S4, V3.S4]
	ADD    R2, R1
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	SUBS   $1, R3
	BNE    copyRow
	RET

// func maxVector(x *float32, n int) float32
TEXT ·maxVector(SB), NOSPLIT, $0-20
	MOVD  x+0(FP), R0
	MOVD  n+8(FP), R1
	FMOVQ (R0), F0

maxima:
	FMOVQ.P 16(R0), F1
	FMAX(1, 0, 0)
	SUBS    $4, R1
	BNE     maxima
	FMAXV(0, 0)
	FMOVS   F0, ret+16(FP)
	RET

// The numbers of EXP: V20 to V31, each in all lanes.
DATA exps<>+0(SB)/4, $-87.0
DATA exps<>+4(SB)/4, $1.44269504      // 1/ln 2
DATA exps<>+8(SB)/4, $-0.693359375    // ln 2 in two parts, negative
DATA exps<>+12(SB)/4, $2.12194440e-4
DATA exps<>+16(SB)/4, $1.9875691500e-4
DATA exps<>+20(SB)/4, $1.3981999507e-3
DATA exps<>+24(SB)/4, $8.3334519073e-3
DATA exps<>+28(SB)/4, $4.1665795894e-2
DATA exps<>+32(SB)/4, $1.6666665459e-1
DATA exps<>+36(SB)/4, $5.0000001201e-1
DATA exps<>+40(SB)/4, $1.0
DATA exps<>+44(SB)/4, $0x80000000     // sign
GLOBL exps<>(SB), RODATA|NOPTR, $48

#define EXPS \
	MOVD     $exps<>(SB), R8              \
	VLD1R.P  4(R8), [V20.S4]              \
	VLD1R.P  4(R8), [V21.S4]              \
	VLD1R.P  4(R8), [V22.S4]              \
	VLD1R.P  4(R8), [V23.S4]              \
	VLD1R.P  4(R8), [V24.S4]              \
	VLD1R.P  4(R8), [V25.S4]              \
	VLD1R.P  4(R8), [V26.S4]              \
	VLD1R.P  4(R8), [V27.S4]              \
	VLD1R.P  4(R8), [V28.S4]              \
	VLD1R.P  4(R8), [V29.S4]              \
	VLD1R.P  4(R8), [V30.S4]              \
	VLD1R.P  4(R8), [V31.S4]

// NEXT sets b to a·V0 + b, for the next coefficient of the polynomial.
#define NEXT(a, b, c) \
	VORR  b.B16, b.B16, c.B16     \
	VFMLA V0.S4, a.S4, c.S4

// EXP sets V1 to exp(V0), as EXP in AVX2 does. It uses V0 and V2 to V4.
#define EXP \
	FCMGE(20, 0, 3)               \
	FMAX(20, 0, 0)                \
	FMUL(21, 0, 2)                \
	FRINTN(2, 2)                  \
	VFMLA V22.S4, V2.S4, V0.S4    \
	VFMLA V23.S4, V2.S4, V0.S4    \
	NEXT(V24, V25, V1)            \
	NEXT(V1, V26, V4)             \
	NEXT(V4, V27, V1)             \
	NEXT(V1, V28, V4)             \
	NEXT(V4, V29, V1)             \
	FMUL(0, 0, 4)                 \
	VFMLA V4.S4, V1.S4, V0.S4     \
	FADD(30, 0, 1)                \
	FCVTNS(2, 2)                  \
	VSHL  $23, V2.S4, V2.S4       \
	VADD  V30.S4, V2.S4, V2.S4    \ // the bits of 1.0 are those of the exponent's bias
	FMUL(2, 1, 1)                 \
	VAND  V3.B16, V1.B16, V1.B16

// func expVector(x *float32, n int, top float32) float32
TEXT ·expVector(SB), NOSPLIT, $0-28
	MOVD  x+0(FP), R0
	MOVD  n+8(FP), R1
	FMOVS top+16(FP), F5
	VDUP  V5.S[0], V5.S4
	VEOR  V6.B16, V6.B16, V6.B16
	EXPS

exps:
	FMOVQ   (R0), F0
	FSUB(5, 0, 0)
	EXP
	FMOVQ.P F1, 16(R0)
	FADD(1, 6, 6)
	SUBS    $4, R1
	BNE     exps
	FADDP(6, 6, 6)
	FADDP(6, 6, 6)
	FMOVS   F6, ret+24(FP)
	RET

// func siluVector(gate, up *float32, n int)
TEXT ·siluVector(SB), NOSPLIT, $0-24
	MOVD gate+0(FP), R0
	MOVD up+8(FP), R1
	MOVD n+16(FP), R2
	EXPS

silus: // with e = exp(-|g|), the sigmoid is 1/(1+e) for g ≥ 0 and e/(1+e) otherwise
	FMOVQ   (R0), F7
	VORR    V31.B16, V7.B16, V0.B16
	EXP
	FADD(30, 1, 0)
	FCMGE0(7, 2)
	VBIT    V2.B16, V30.B16, V1.B16
	FDIV(0, 1, 1)
	FMUL(7, 1, 1)
	FMOVQ.P 16(R1), F2
	FMUL(2, 1, 1)
	FMOVQ.P F1, 16(R0)
	SUBS    $4, R2
	BNE     silus
	RET
