#include "textflag.h"
#include "kernel_neon_arm64.h"

// The kernels in NEON for integers. V24 to V27 have four columns of sixteen rows, four bytes of a row in a lane.

// DOTS adds their products with the four bytes of lane l of m to sums of rows, d and the three that follow.
#define DOTS(m, l, d) \
	SDOT(m, l, 24, d)        \
	SDOT(m, l, 25, (d+1))    \
	SDOT(m, l, 26, (d+2))    \
	SDOT(m, l, 27, (d+3))

#define ALL4(OP) OP(0); OP(1); OP(2); OP(3)
#define FLOAT(n) SCVTF(n, n)

// PRODUCTS is DOTS for processors without SDOT. It takes V28 to V30.
#define PRODUCT(n, d) \
	SMULL8(28, n, 29)        \
	SMULL8_2(28, n, 30)      \
	SADDLP16(29, 29)         \
	SADDLP16(30, 30)         \
	ADDP32(30, 29, 29)       \
	ADD32(29, d, d)

#define PRODUCTS(m, l, d) \
	DUP32(m, l, 28)          \
	PRODUCT(24, d)           \
	PRODUCT(25, (d+1))       \
	PRODUCT(26, (d+2))       \
	PRODUCT(27, (d+3))

// CHOOSE goes on with a function for processors without SDOT.
#define CHOOSE(other) \
	MOVBU ·hasDots(SB), R8   \
	CBNZ  R8, 2(PC)          \
	B     other

// Rows of 8 bits and vectors of 16: x = 256·high + low, two integers of 8 bits. Two pairs of columns of a row become four.

#define INT4(DOT, m, l) \
	VLD1.P 64(R10), [V16.B16, V17.B16, V18.B16, V19.B16] \
	VZIP1  V18.H8, V16.H8, V24.H8   \
	VZIP2  V18.H8, V16.H8, V25.H8   \
	VZIP1  V19.H8, V17.H8, V26.H8   \
	VZIP2  V19.H8, V17.H8, V27.H8   \
	DOT(m, l, 4)                    \
	DOT((m+2), l, 0)

#define INTSUM(n, d, y) \
	VSHL $8, n.S4, n.S4      \
	ADD32((d+4), d, d)       \
	SCVTF(d, d)              \
	FMUL_LANE(13, 0, (d+16), (d+16)) \
	FMLA((d+16), d, y)

// INTS multiplies R6 vectors, R7 bytes apart, those of their scales R8 and of sums R9.
#define INTS(DOT) \
	VMOVI $1, V12.B16                  \
	VSHL  $15, V12.H8, V12.H8          \
	VUSHR $8, V12.H8, V12.H8           \ // 128
vectors:                               \
	MOVD   R0, R10                     \
	MOVD   R1, R11                     \
	MOVD   R2, R12                     \
	MOVD   R3, R13                     \
	MOVD   R4, R14                     \
	CLEAR4(V8, V9, V10, V11)           \
blocks:                                \
	VLD1.P 64(R12), [V16.B16, V17.B16, V18.B16, V19.B16] \
	VUZP1  V17.B16, V16.B16, V20.B16   \
	VUZP1  V19.B16, V18.B16, V21.B16   \
	VADD   V12.H8, V16.H8, V16.H8      \
	VADD   V12.H8, V17.H8, V17.H8      \
	VADD   V12.H8, V18.H8, V18.H8      \
	VADD   V12.H8, V19.H8, V19.H8      \
	VUZP2  V17.B16, V16.B16, V22.B16   \
	VUZP2  V19.B16, V18.B16, V23.B16   \
	CLEAR4(V0, V1, V2, V3)             \
	CLEAR4(V4, V5, V6, V7)             \
	INT4(DOT, 20, 0)                   \
	INT4(DOT, 20, 1)                   \
	INT4(DOT, 20, 2)                   \
	INT4(DOT, 20, 3)                   \
	INT4(DOT, 21, 0)                   \
	INT4(DOT, 21, 1)                   \
	INT4(DOT, 21, 2)                   \
	INT4(DOT, 21, 3)                   \
	VLD1.P 64(R11), [V16.S4, V17.S4, V18.S4, V19.S4] \
	FMOVS.P 4(R13), F13                \
	INTSUM(V0, 0, 8)                   \
	INTSUM(V1, 1, 9)                   \
	INTSUM(V2, 2, 10)                  \
	INTSUM(V3, 3, 11)                  \
	SUBS   $32, R14                    \
	BNE    blocks                      \
	VST1   [V8.S4, V9.S4, V10.S4, V11.S4], (R5) \
	ADD    R7, R2                      \
	ADD    R8, R3                      \
	ADD    R9, R5                      \
	SUBS   $1, R6                      \
	BNE    vectors                     \
	RET

TEXT intsByDots<>(SB), NOSPLIT, $0-0
	CHOOSE(intsByProducts<>(SB))
	LSR $4, R7, R8
	INTS(DOTS)

TEXT intsByProducts<>(SB), NOSPLIT, $0-0
	LSR $4, R7, R8
	INTS(PRODUCTS)

// func intTile(w *int8, d *float32, x *int16, dx *float32, width int, y *float32)
TEXT ·intTile(SB), NOSPLIT, $0-48
	MOVD w+0(FP), R0
	MOVD d+8(FP), R1
	MOVD x+16(FP), R2
	MOVD dx+24(FP), R3
	MOVD width+32(FP), R4
	MOVD y+40(FP), R5
	MOVD $1, R6
	B    intsByDots<>(SB)

// func intFours(w *int8, d *float32, x *int16, dx *float32, xStride, width int, y *float32, yStride, ahead, pace int)
TEXT ·intFours(SB), NOSPLIT, $0-80
	MOVD w+0(FP), R0
	MOVD d+8(FP), R1
	MOVD x+16(FP), R2
	MOVD dx+24(FP), R3
	MOVD xStride+32(FP), R7
	LSL  $1, R7
	MOVD width+40(FP), R4
	MOVD y+48(FP), R5
	MOVD yStride+56(FP), R9
	LSL  $2, R9
	MOVD $4, R6
	B    intsByDots<>(SB)

// Rows of 4 bits and vectors of 8.

// COLUMNS takes four columns.
#define COLUMNS \
	VLD1.P 32(R10), [V24.B16, V25.B16] \
	VUSHR  $4, V24.B16, V26.B16        \
	VUSHR  $4, V25.B16, V27.B16        \
	VAND   V31.B16, V24.B16, V24.B16   \
	VAND   V31.B16, V25.B16, V25.B16

#define FOUR1(DOT, m, l) \
	COLUMNS              \
	DOT(m, l, 0)

#define FOUR4(DOT, m, l) \
	COLUMNS              \
	DOT(m, l, 0)         \
	DOT((m+2), l, 4)     \
	DOT((m+4), l, 8)     \
	DOT((m+6), l, 12)

#define EIGHT(FOUR, DOT) \
	FOUR(DOT, 16, 0)     \
	FOUR(DOT, 16, 1)     \
	FOUR(DOT, 16, 2)     \
	FOUR(DOT, 16, 3)     \
	FOUR(DOT, 17, 0)     \
	FOUR(DOT, 17, 1)     \
	FOUR(DOT, 17, 2)     \
	FOUR(DOT, 17, 3)

#define FOURSUM(d, by, y) \
	SCVTF(d, d)              \
	FMUL_LANE(30, 0, d, d)   \
	FMLA(by, d, y)           \
	FMLA_LANE(30, 1, (by+4), y)

// SCALED adds the sums from d on to those at y; V16 to V19 are the scales of a block, V20 to V23 its minima.
#define SCALED(dx, d, y) \
	FMOVD (dx), F30                                    \
	VLD1  (y), [V24.S4, V25.S4, V26.S4, V27.S4]        \
	FOURSUM(d, 16, 24)                                 \
	FOURSUM((d+1), 17, 25)                             \
	FOURSUM((d+2), 18, 26)                             \
	FOURSUM((d+3), 19, 27)                             \
	VST1  [V24.S4, V25.S4, V26.S4, V27.S4], (y)

#define NUMBERS \
	VLD1.P 64(R1), [V16.S4, V17.S4, V18.S4, V19.S4]    \
	VLD1.P 64(R1), [V20.S4, V21.S4, V22.S4, V23.S4]

#define FOURONE(DOT) \
	VMOVI $15, V31.B16                             \
	CLEAR4(V24, V25, V26, V27)                     \
	VST1 [V24.S4, V25.S4, V26.S4, V27.S4], (R5)    \
blocks:                                            \
	VLD1.P 32(R2), [V16.B16, V17.B16]              \
	CLEAR4(V0, V1, V2, V3)                         \
	EIGHT(FOUR1, DOT)                              \
	NUMBERS                                        \
	SCALED(R3, 0, R5)                              \
	ADD  $8, R3                                    \
	SUBS $32, R4                                   \
	BNE  blocks                                    \
	RET

// func fourTile(w *byte, d *float32, x *int8, dx *float32, width int, y *float32)
TEXT ·fourTile(SB), NOSPLIT, $0-48
	MOVD w+0(FP), R10
	MOVD d+8(FP), R1
	MOVD x+16(FP), R2
	MOVD dx+24(FP), R3
	MOVD width+32(FP), R4
	MOVD y+40(FP), R5
	CHOOSE(fourByProducts<>(SB))
	FOURONE(DOTS)

TEXT fourByProducts<>(SB), NOSPLIT, $0-0
	FOURONE(PRODUCTS)

// Pointers: R2, R12, R13 and R14 to vectors; R3, R15, R16 and R17 to their scales; R5, R19, R20 and R21 to sums.
#define FOURFOUR(DOT) \
	VMOVI $15, V31.B16                             \
	CLEAR4(V24, V25, V26, V27)                     \
	VST1 [V24.S4, V25.S4, V26.S4, V27.S4], (R5)    \
	VST1 [V24.S4, V25.S4, V26.S4, V27.S4], (R19)   \
	VST1 [V24.S4, V25.S4, V26.S4, V27.S4], (R20)   \
	VST1 [V24.S4, V25.S4, V26.S4, V27.S4], (R21)   \
blocks:                                            \
	VLD1.P 32(R2), [V16.B16, V17.B16]              \
	VLD1.P 32(R12), [V18.B16, V19.B16]             \
	VLD1.P 32(R13), [V20.B16, V21.B16]             \
	VLD1.P 32(R14), [V22.B16, V23.B16]             \
	CLEAR4(V0, V1, V2, V3)                         \
	CLEAR4(V4, V5, V6, V7)                         \
	CLEAR4(V8, V9, V10, V11)                       \
	CLEAR4(V12, V13, V14, V15)                     \
	EIGHT(FOUR4, DOT)                              \
	NUMBERS                                        \
	SCALED(R3, 0, R5)                              \
	SCALED(R15, 4, R19)                            \
	SCALED(R16, 8, R20)                            \
	SCALED(R17, 12, R21)                           \
	ADD  $8, R3                                    \
	ADD  $8, R15                                   \
	ADD  $8, R16                                   \
	ADD  $8, R17                                   \
	SUBS $32, R4                                   \
	BNE  blocks                                    \
	RET

// func fourFours(w *byte, d *float32, x *int8, dx *float32, xStride, width int, y *float32, yStride int)
TEXT ·fourFours(SB), NOSPLIT, $0-64
	MOVD w+0(FP), R10
	MOVD d+8(FP), R1
	MOVD x+16(FP), R2
	MOVD dx+24(FP), R3
	MOVD xStride+32(FP), R6
	MOVD width+40(FP), R4
	MOVD y+48(FP), R5
	MOVD yStride+56(FP), R7
	ADD  R6, R2, R12
	ADD  R6, R12, R13
	ADD  R6, R13, R14
	ADD  R6>>2, R3, R15
	ADD  R6>>2, R15, R16
	ADD  R6>>2, R16, R17
	ADD  R7<<2, R5, R19
	ADD  R7<<2, R19, R20
	ADD  R7<<2, R20, R21
	CHOOSE(foursByProducts<>(SB))
	FOURFOUR(DOTS)

TEXT foursByProducts<>(SB), NOSPLIT, $0-0
	FOURFOUR(PRODUCTS)

// Rows of 6 bits: see twoShift.

#define MERGE(bits, row) \
	VAND bits.B16, V23.B16, V18.B16     \
	VORR V18.B16, row.B16, row.B16

// SIXFIRST takes four columns; V20 and V21 have the high bits of these and of the four that SIXSECOND takes.
#define SIXFIRST \
	VLD1.P 32(R11), [V20.B16, V21.B16]  \
	COLUMNS                             \
	VSHL   $4, V20.B16, V19.B16         \
	MERGE(V19, V24)                     \
	VSHL   $4, V21.B16, V19.B16         \
	MERGE(V19, V25)                     \
	VSHL   $2, V20.B16, V19.B16         \
	MERGE(V19, V26)                     \
	VSHL   $2, V21.B16, V19.B16         \
	MERGE(V19, V27)

#define SIXSECOND \
	COLUMNS                             \
	MERGE(V20, V24)                     \
	MERGE(V21, V25)                     \
	VUSHR  $2, V20.B16, V19.B16         \
	MERGE(V19, V26)                     \
	VUSHR  $2, V21.B16, V19.B16         \
	MERGE(V19, V27)

#define SIXSUM(d, by, y) \
	SCVTF(d, d)              \
	FMUL_LANE(17, 0, d, d)   \
	FMLA(by, d, y)

#define SIXTEEN(DOT) \
	VLD1.P 16(R2), [V16.B16]            \
	FMOVS  (R3), F17                    \
	CLEAR4(V0, V1, V2, V3)              \
	SIXFIRST                            \
	DOT(16, 0, 0)                       \
	SIXSECOND                           \
	DOT(16, 1, 0)                       \
	SIXFIRST                            \
	DOT(16, 2, 0)                       \
	SIXSECOND                           \
	DOT(16, 3, 0)                       \
	SADDLV8(16, 16)                     \
	SXTL16(16, 16)                      \
	SCVTF(16, 16)                       \
	FMULS  F17, F16, F16                \
	VLD1.P 64(R1), [V24.S4, V25.S4, V26.S4, V27.S4] \
	SIXSUM(0, 24, 8)                    \
	SIXSUM(1, 25, 9)                    \
	SIXSUM(2, 26, 10)                   \
	SIXSUM(3, 27, 11)                   \
	VLD1.P 64(R1), [V24.S4, V25.S4, V26.S4, V27.S4] \
	FMLA_LANE(16, 0, 24, 8)             \
	FMLA_LANE(16, 0, 25, 9)             \
	FMLA_LANE(16, 0, 26, 10)            \
	FMLA_LANE(16, 0, 27, 11)

#define SIXES(DOT) \
	VMOVI  $15, V31.B16                 \
	VMOVI  $0x30, V23.B16               \
	CLEAR4(V8, V9, V10, V11)            \
blocks:                                 \
	SIXTEEN(DOT)                        \
	ADD    R6, R1                       \
	SIXTEEN(DOT)                        \
	ADD    $8, R3                       \
	SUBS   $32, R4                      \
	BNE    blocks                       \
	VST1   [V8.S4, V9.S4, V10.S4, V11.S4], (R5) \
	RET

// func sixTile(low, high *byte, d *float32, dStep int, x *int8, dx *float32, width int, y *float32)
TEXT ·sixTile(SB), NOSPLIT, $0-64
	MOVD low+0(FP), R10
	MOVD high+8(FP), R11
	MOVD d+16(FP), R1
	MOVD dStep+24(FP), R6
	LSL  $2, R6
	SUB  $128, R6 // to the second sixteen columns, which may have the same numbers
	MOVD x+32(FP), R2
	MOVD dx+40(FP), R3
	MOVD width+48(FP), R4
	MOVD y+56(FP), R5
	CHOOSE(sixByProducts<>(SB))
	SIXES(DOTS)

TEXT sixByProducts<>(SB), NOSPLIT, $0-0
	SIXES(PRODUCTS)

// WRITE writes one column and goes on to the next.
#define WRITE \
	VAND V30.B16, V24.B16, V0.B16   \
	VAND V30.B16, V25.B16, V1.B16   \
	VAND V30.B16, V26.B16, V2.B16   \
	VAND V30.B16, V27.B16, V3.B16   \
	ALL4(FLOAT)                     \
	VORR V12.B16, V12.B16, V4.B16   \
	VORR V13.B16, V13.B16, V5.B16   \
	VORR V14.B16, V14.B16, V6.B16   \
	VORR V15.B16, V15.B16, V7.B16   \
	FMLA(8, 0, 4)                   \
	FMLA(9, 1, 5)                   \
	FMLA(10, 2, 6)                  \
	FMLA(11, 3, 7)                  \
	VST1 [V4.S4, V5.S4, V6.S4, V7.S4], (R0) \
	ADD  R1, R0                     \
	VUSHR $8, V24.S4, V24.S4        \
	VUSHR $8, V25.S4, V25.S4        \
	VUSHR $8, V26.S4, V26.S4        \
	VUSHR $8, V27.S4, V27.S4

#define WRITE4 \
	WRITE \
	WRITE \
	WRITE \
	WRITE

#define SCALES(d) \
	VMOVI  $15, V31.B16                               \
	VMOVI  $0x30, V23.B16                             \
	MOVD   $255, R3                                   \
	VDUP   R3, V30.S4                                 \
	VLD1.P 64(d), [V8.S4, V9.S4, V10.S4, V11.S4]      \
	VLD1   (d), [V12.S4, V13.S4, V14.S4, V15.S4]

// func unpackFourTile(dst *float32, stride int, w *byte, d *float32, n int)
TEXT ·unpackFourTile(SB), NOSPLIT, $0-40
	MOVD dst+0(FP), R0
	MOVD stride+8(FP), R1
	LSL  $2, R1
	MOVD w+16(FP), R10
	MOVD d+24(FP), R2
	MOVD n+32(FP), R4
	SCALES(R2)

fours:
	COLUMNS
	WRITE4
	SUBS $4, R4
	BNE  fours
	RET

// func unpackSixTile(dst *float32, stride int, low, high *byte, d *float32, n int)
TEXT ·unpackSixTile(SB), NOSPLIT, $0-48
	MOVD dst+0(FP), R0
	MOVD stride+8(FP), R1
	LSL  $2, R1
	MOVD low+16(FP), R10
	MOVD high+24(FP), R11
	MOVD d+32(FP), R2
	MOVD n+40(FP), R4
	SCALES(R2)

sixes:
	SIXFIRST
	WRITE4
	SIXSECOND
	WRITE4
	SUBS $8, R4
	BNE  sixes
	RET

// WIDE makes floats of sixteen numbers of half precision, NARROW of sixteen integers.
#define WIDE(p) \
	VLD1 (p), [V4.H8, V5.H8]  \
	FCVTL(4, 0)               \
	FCVTL2(4, 1)              \
	FCVTL(5, 2)               \
	FCVTL2(5, 3)

#define NARROW(p) \
	VLD1 (p), [V4.B16]        \
	SXTL8(4, 5)               \
	SXTL8_2(4, 6)             \
	SXTL16(5, 0)              \
	SXTL16_2(5, 1)            \
	SXTL16(6, 2)              \
	SXTL16_2(6, 3)            \
	ALL4(FLOAT)

#define SECOND(n) FMUL_LANE(16, 0, n, n)
#define FIRSTUNIT(n) FMUL((16+n), n, n)
#define SECONDUNIT(n) FMUL((20+n), n, n)
#define WRITTEN VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)

// func wideTile(dst *float32, src *uint16, step int, second float32, n int)
TEXT ·wideTile(SB), NOSPLIT, $0-40
	MOVD  dst+0(FP), R0
	MOVD  src+8(FP), R1
	MOVD  step+16(FP), R2
	LSL   $1, R2
	FMOVS second+24(FP), F16
	MOVD  n+32(FP), R3

wide:
	WIDE(R1)
	WRITTEN
	ADD  R2, R1
	SUB  $32, R1, R4
	WIDE(R4)
	ALL4(SECOND)
	WRITTEN
	SUBS $1, R3
	BNE  wide
	RET

// func multipleTile(dst *float32, src *int8, step int, unit *float32, n int)
TEXT ·multipleTile(SB), NOSPLIT, $0-40
	MOVD   dst+0(FP), R0
	MOVD   src+8(FP), R1
	MOVD   step+16(FP), R2
	MOVD   unit+24(FP), R4
	MOVD   n+32(FP), R3
	VLD1.P 64(R4), [V16.S4, V17.S4, V18.S4, V19.S4]
	VLD1   (R4), [V20.S4, V21.S4, V22.S4, V23.S4]

multiple:
	NARROW(R1)
	ALL4(FIRSTUNIT)
	WRITTEN
	ADD  R2, R1
	SUB  $16, R1, R4
	NARROW(R4)
	ALL4(SECONDUNIT)
	WRITTEN
	SUBS $1, R3
	BNE  multiple
	RET

// The numbers of rounding.
DATA round<>+0(SB)/4, $1e-30
DATA round<>+4(SB)/4, $32639.0 // see largestRound
DATA round<>+8(SB)/4, $3.0638195312349126e-05 // 1/32639
DATA round<>+12(SB)/4, $127.0
DATA round<>+16(SB)/4, $7.874015748031496e-3 // 1/127
GLOBL round<>(SB), RODATA|NOPTR, $20

#define ALL8(OP) ALL4(OP); OP(4); OP(5); OP(6); OP(7)

#define LARGER(n) \
	FABS(n, 17)       \
	FMAX(17, 16, 16)

#define ROUND(n) \
	FMUL_LANE(17, 0, n, n)  \
	FCVTNS(n, n)

// ROUNDED rounds a block to integers in V0 to V7. F19 is the largest of them, F20 the inverse, and F16 becomes the scale.
#define ROUNDED \
	VLD1.P 64(R2), [V0.S4, V1.S4, V2.S4, V3.S4]  \
	VLD1.P 64(R2), [V4.S4, V5.S4, V6.S4, V7.S4]  \
	VEOR  V16.B16, V16.B16, V16.B16 \
	ALL8(LARGER)             \
	FMAXV(16, 16)            \
	FMAXS F18, F16, F16      \
	FDIVS F16, F19, F17      \
	FMULS F20, F16, F16      \
	ALL8(ROUND)              \
	SQXTN16(0, 0)            \
	SQXTN16_2(1, 0)          \
	SQXTN16(2, 1)            \
	SQXTN16_2(3, 1)          \
	SQXTN16(4, 2)            \
	SQXTN16_2(5, 2)          \
	SQXTN16(6, 3)            \
	SQXTN16_2(7, 3)

// func roundVector(dst *int16, d, x *float32, n int)
TEXT ·roundVector(SB), NOSPLIT, $0-32
	MOVD  dst+0(FP), R0
	MOVD  d+8(FP), R1
	MOVD  x+16(FP), R2
	MOVD  n+24(FP), R3
	FMOVS round<>+0(SB), F18
	FMOVS round<>+4(SB), F19
	FMOVS round<>+8(SB), F20

rounds:
	ROUNDED
	FMOVS.P F16, 4(R1)
	VST1.P  [V0.H8, V1.H8, V2.H8, V3.H8], 64(R0)
	SUBS    $32, R3
	BNE     rounds
	RET

// func roundBytes(dst *int8, d, x *float32, n int)
TEXT ·roundBytes(SB), NOSPLIT, $0-32
	MOVD  dst+0(FP), R0
	MOVD  d+8(FP), R1
	MOVD  x+16(FP), R2
	MOVD  n+24(FP), R3
	FMOVS round<>+0(SB), F18
	FMOVS round<>+12(SB), F19
	FMOVS round<>+16(SB), F20

bytes:
	ROUNDED
	SQXTN8(0, 0)
	SQXTN8_2(1, 0)
	SQXTN8(2, 1)
	SQXTN8_2(3, 1)
	VST1.P  [V0.B16, V1.B16], 32(R0)
	SADDLV8(0, 0)
	SADDLV8(1, 1)
	VADD    V0.H8, V1.H8, V0.H8
	SXTL16(0, 0)
	SCVTF(0, 0)
	FMULS   F16, F0, F0
	FMOVS.P F16, 4(R1)
	FMOVS.P F0, 4(R1)
	SUBS    $32, R3
	BNE     bytes
	RET
