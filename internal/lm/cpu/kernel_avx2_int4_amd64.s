#include "textflag.h"
#include "kernel_avx2_amd64.h"

// Integers of 4 bits, sixteen rows at a time: 32 bytes have four columns of eight rows in their low bits, and of the other eight
// in their high bits. VPMADDUBSW multiplies them with the same four columns of a vector and adds pairs: a sum of 16 bits takes
// eight of them, 8·2·15·127 at most, and then VPMADDWD adds the two sums of a row.

DATA four<>+0(SB)/4, $0x0f0f0f0f
DATA four<>+4(SB)/4, $0x00010001
DATA four<>+8(SB)/4, $0x7fffffff          // without sign
DATA four<>+12(SB)/4, $127.0
DATA four<>+16(SB)/4, $7.874015748031496e-3 // 1/127
DATA four<>+20(SB)/4, $1e-30
GLOBL four<>(SB), RODATA|NOPTR, $24

// COLUMNS takes four columns of sixteen rows at DI.
#define COLUMNS(at) \
	VMOVDQU (8*at)(DI), Y8  \
	VPSRLW  $4, Y8, Y9      \
	VPAND   Y15, Y8, Y8     \
	VPAND   Y15, Y9, Y9

// BYTES adds their products with four columns of a vector.
#define BYTES(x, sum, more) \
	VPBROADCASTD x, Y10           \
	VPMADDUBSW   Y10, Y8, Y11     \
	VPMADDUBSW   Y10, Y9, Y12     \
	VPADDW       Y11, sum, sum    \
	VPADDW       Y12, more, more

#define ONEBYTES(at) \
	COLUMNS(at)            \
	BYTES(at(SI), Y0, Y1)

// func fourTile(w *byte, d *float32, x *int8, dx *float32, width int, y *float32)
TEXT ·fourTile(SB), NOSPLIT, $0-48
	MOVQ         w+0(FP), DI
	MOVQ         d+8(FP), BX
	MOVQ         x+16(FP), SI
	MOVQ         dx+24(FP), R12
	MOVQ         width+32(FP), CX
	MOVQ         y+40(FP), AX
	VPBROADCASTD four<>+0(SB), Y15
	VPBROADCASTD four<>+4(SB), Y14
	VXORPS       Y6, Y6, Y6
	VXORPS       Y7, Y7, Y7

blocks:
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	ONEBYTES(0)
	ONEBYTES(4)
	ONEBYTES(8)
	ONEBYTES(12)
	ONEBYTES(16)
	ONEBYTES(20)
	ONEBYTES(24)
	ONEBYTES(28)
	VPMADDWD     Y14, Y0, Y0
	VPMADDWD     Y14, Y1, Y1
	VCVTDQ2PS    Y0, Y0
	VCVTDQ2PS    Y1, Y1
	VBROADCASTSS (R12), Y10
	VBROADCASTSS 4(R12), Y13
	VMULPS       (BX), Y10, Y11
	VMULPS       32(BX), Y10, Y12
	VFMADD231PS  Y11, Y0, Y6
	VFMADD231PS  Y12, Y1, Y7
	VFMADD231PS  64(BX), Y13, Y6
	VFMADD231PS  96(BX), Y13, Y7
	ADDQ         $256, DI
	ADDQ         $128, BX
	ADDQ         $32, SI
	ADDQ         $8, R12
	SUBQ         $32, CX
	JNZ          blocks
	VMOVUPS      Y6, (AX)
	VMOVUPS      Y7, 32(AX)
	VZEROUPPER
	RET

// FOURBYTES is ONEBYTES for the four vectors at SI, R10 apart (R9 is three times that).
#define FOURBYTES(at) \
	COLUMNS(at)                    \
	BYTES(at(SI), Y0, Y1)          \
	BYTES(at(SI)(R10*1), Y2, Y3)   \
	BYTES(at(SI)(R10*2), Y4, Y5)   \
	BYTES(at(SI)(R9*1), Y6, Y7)

// INTOFOUR adds the sums of a block to y, which is in memory; dx is the scale of the vector, and behind it that of the minima.
#define INTOFOUR(dx, sx, sum, more, y, yMore) \
	VPMADDWD     Y14, sum, sum      \
	VPMADDWD     Y14, more, more    \
	VCVTDQ2PS    sum, sum           \
	VCVTDQ2PS    more, more         \
	VBROADCASTSS dx, Y10            \
	VMULPS       Y8, Y10, Y11       \
	VMULPS       Y9, Y10, Y12       \
	VBROADCASTSS sx, Y13            \
	VFMADD213PS  y, Y11, sum        \
	VFMADD213PS  yMore, Y12, more   \
	VFMADD231PS  64(BX), Y13, sum   \
	VFMADD231PS  96(BX), Y13, more  \
	VMOVUPS      sum, y             \
	VMOVUPS      more, yMore

// func fourFours(w *byte, d *float32, x *int8, dx *float32, xStride, width int, y *float32, yStride int)
TEXT ·fourFours(SB), NOSPLIT, $0-64
	MOVQ         w+0(FP), DI
	MOVQ         d+8(FP), BX
	MOVQ         x+16(FP), SI
	MOVQ         dx+24(FP), R12
	MOVQ         xStride+32(FP), R10
	LEAQ         (R10)(R10*2), R9
	MOVQ         R10, R11
	SHRQ         $2, R11 // bytes from the numbers of a vector to the next, and three times that
	LEAQ         (R11)(R11*2), R13
	MOVQ         width+40(FP), CX
	MOVQ         y+48(FP), AX
	MOVQ         yStride+56(FP), DX
	SHLQ         $2, DX
	LEAQ         (AX)(DX*2), R15
	VPBROADCASTD four<>+0(SB), Y15
	VPBROADCASTD four<>+4(SB), Y14
	VXORPS       Y0, Y0, Y0
	VMOVUPS      Y0, (AX)
	VMOVUPS      Y0, 32(AX)
	VMOVUPS      Y0, (AX)(DX*1)
	VMOVUPS      Y0, 32(AX)(DX*1)
	VMOVUPS      Y0, (R15)
	VMOVUPS      Y0, 32(R15)
	VMOVUPS      Y0, (R15)(DX*1)
	VMOVUPS      Y0, 32(R15)(DX*1)

fourBlocks:
	CLEAR4(Y0, Y1, Y2, Y3)
	CLEAR4(Y4, Y5, Y6, Y7)
	FOURBYTES(0)
	FOURBYTES(4)
	FOURBYTES(8)
	FOURBYTES(12)
	FOURBYTES(16)
	FOURBYTES(20)
	FOURBYTES(24)
	FOURBYTES(28)
	VMOVUPS (BX), Y8
	VMOVUPS 32(BX), Y9
	INTOFOUR((R12), 4(R12), Y0, Y1, (AX), 32(AX))
	INTOFOUR((R12)(R11*1), 4(R12)(R11*1), Y2, Y3, (AX)(DX*1), 32(AX)(DX*1))
	INTOFOUR((R12)(R11*2), 4(R12)(R11*2), Y4, Y5, (R15), 32(R15))
	INTOFOUR((R12)(R13*1), 4(R12)(R13*1), Y6, Y7, (R15)(DX*1), 32(R15)(DX*1))
	ADDQ $256, DI
	ADDQ $128, BX
	ADDQ $32, SI
	ADDQ $8, R12
	SUBQ $32, CX
	JNZ  fourBlocks
	VZEROUPPER
	RET

// func roundBytes(dst *int8, d, x *float32, n int)
TEXT ·roundBytes(SB), NOSPLIT, $0-32
	MOVQ         dst+0(FP), DI
	MOVQ         d+8(FP), BX
	MOVQ         x+16(FP), SI
	MOVQ         n+24(FP), CX
	VBROADCASTSS four<>+8(SB), Y15
	VPBROADCASTD four<>+4(SB), Y14
	VMOVSS       four<>+12(SB), X12

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
	VMAXSS       four<>+20(SB), X4, X4
	VDIVSS       X4, X12, X6
	VMULSS       four<>+16(SB), X4, X4
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
	VPADDD       Y1, Y0, Y7
	VPADDD       Y3, Y2, Y8
	VPADDD       Y8, Y7, Y7
	VEXTRACTI128 $1, Y7, X8
	VPADDD       X8, X7, X7
	VPHADDD      X7, X7, X7
	VPHADDD      X7, X7, X7
	VCVTDQ2PS    X7, X7
	VMULSS       X4, X7, X7
	VMOVSS       X7, 4(BX)
	VPACKSSDW    Y1, Y0, Y0
	VPACKSSDW    Y3, Y2, Y2
	VPERMQ       $0xd8, Y0, Y0
	VPERMQ       $0xd8, Y2, Y2
	VPACKSSWB    Y2, Y0, Y0
	VPERMQ       $0xd8, Y0, Y0
	VMOVDQU      Y0, (DI)
	ADDQ         $128, SI
	ADDQ         $32, DI
	ADDQ         $8, BX
	SUBQ         $32, CX
	JNZ          rounds
	VZEROUPPER
	RET
