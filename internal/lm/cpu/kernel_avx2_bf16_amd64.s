#include "textflag.h"
#include "kernel_avx2_amd64.h"

// Products of rows in bfloat16, whose bits are the upper half of a float32. Sixteen columns of a row lie as halfAt says, so that
// a shift makes eight of them floats, and a mask the other eight. Sums are in registers as in floatTile.

DATA uppers<>+0(SB)/8, $0xffff0000ffff0000
DATA uppers<>+8(SB)/8, $0xffff0000ffff0000
DATA uppers<>+16(SB)/8, $0xffff0000ffff0000
DATA uppers<>+24(SB)/8, $0xffff0000ffff0000
GLOBL uppers<>(SB), RODATA|NOPTR, $32

#define LOWER(row) \
	VMOVDQU row, Y15        \
	VPSLLD  $16, Y15, Y15

#define UPPER(row) \
	VMOVDQU uppers<>(SB), Y15  \
	VPAND   row, Y15, Y15

#define VECTORS(at) \
	VMOVUPS at(SI), Y12         \
	VMOVUPS at(SI)(R10*1), Y13  \
	VMOVUPS at(SI)(R10*2), Y14

#define INTO3(a, b, c) \
	VFMADD231PS Y12, Y15, a  \
	VFMADD231PS Y13, Y15, b  \
	VFMADD231PS Y14, Y15, c

#define INTO2(a, b) \
	VFMADD231PS Y12, Y15, a  \
	VFMADD231PS Y13, Y15, b

// func halfTile(w *uint16, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)
TEXT ·halfTile(SB), NOSPLIT, $0-64
	MOVQ w+0(FP), AX
	MOVQ wStride+8(FP), R8
	SHLQ $1, R8
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
	VECTORS(0)
	LOWER((DI))
	INTO3(Y0, Y4, Y8)
	LOWER((DI)(R8*1))
	INTO3(Y1, Y5, Y9)
	LOWER((DI)(R8*2))
	INTO3(Y2, Y6, Y10)
	LOWER((DI)(R9*1))
	INTO3(Y3, Y7, Y11)
	VECTORS(32)
	UPPER((DI))
	INTO3(Y0, Y4, Y8)
	UPPER((DI)(R8*1))
	INTO3(Y1, Y5, Y9)
	UPPER((DI)(R8*2))
	INTO3(Y2, Y6, Y10)
	UPPER((DI)(R9*1))
	INTO3(Y3, Y7, Y11)
	ADDQ $32, DI
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
	VMOVUPS (SI), Y12
	VMOVUPS (SI)(R10*1), Y13
	LOWER((DI))
	INTO2(Y0, Y4)
	LOWER((DI)(R8*1))
	INTO2(Y1, Y5)
	LOWER((DI)(R8*2))
	INTO2(Y2, Y6)
	LOWER((DI)(R9*1))
	INTO2(Y3, Y7)
	VMOVUPS 32(SI), Y12
	VMOVUPS 32(SI)(R10*1), Y13
	UPPER((DI))
	INTO2(Y0, Y4)
	UPPER((DI)(R8*1))
	INTO2(Y1, Y5)
	UPPER((DI)(R8*2))
	INTO2(Y2, Y6)
	UPPER((DI)(R9*1))
	INTO2(Y3, Y7)
	ADDQ $32, DI
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
	VMOVDQU uppers<>(SB), Y14

// BOTH adds the products of sixteen columns of a row.
#define BOTH(row, sum) \
	VMOVDQU     row, Y8        \
	VPSLLD      $16, Y8, Y9    \
	VPAND       Y14, Y8, Y8    \
	VFMADD231PS Y12, Y9, sum   \
	VFMADD231PS Y13, Y8, sum

oneColumns:
	VMOVUPS (SI), Y12
	VMOVUPS 32(SI), Y13
	BOTH((DI), Y0)
	BOTH((DI)(R8*1), Y1)
	BOTH((DI)(R8*2), Y2)
	BOTH((DI)(R9*1), Y3)
	ADDQ $32, DI
	ADDQ $64, SI
	SUBQ $16, CX
	JNZ  oneColumns
	SUMS(Y0, Y1, Y2, Y3, X0, (R13))

end:
	VZEROUPPER
	RET

// func widenVector(dst *float32, src *uint16, n int)
TEXT ·widenVector(SB), NOSPLIT, $0-24
	MOVQ    dst+0(FP), DI
	MOVQ    src+8(FP), SI
	MOVQ    n+16(FP), CX
	VMOVDQU uppers<>(SB), Y2

widen:
	VMOVDQU (SI), Y0
	VPSLLD  $16, Y0, Y1
	VPAND   Y2, Y0, Y0
	VMOVUPS Y1, (DI)
	VMOVUPS Y0, 32(DI)
	ADDQ    $32, SI
	ADDQ    $64, DI
	SUBQ    $16, CX
	JNZ     widen
	VZEROUPPER
	RET

// func narrowVector(dst *uint16, x *float32, n int)
//
// It is plainNarrow for numbers, and for what arithmetic makes when it has none.
TEXT ·narrowVector(SB), NOSPLIT, $0-24
	MOVQ     dst+0(FP), DI
	MOVQ     x+8(FP), SI
	MOVQ     n+16(FP), CX
	VMOVDQU  uppers<>(SB), Y7
	VPCMPEQD Y5, Y5, Y5
	VPSRLD   $31, Y5, Y6 // 1
	VPSRLD   $17, Y5, Y5 // 0x7fff

narrow:
	VMOVDQU (SI), Y0
	VMOVDQU 32(SI), Y1
	VPSRLD  $16, Y0, Y2
	VPSRLD  $16, Y1, Y3
	VPAND   Y6, Y2, Y2
	VPAND   Y6, Y3, Y3
	VPADDD  Y5, Y0, Y0
	VPADDD  Y5, Y1, Y1
	VPADDD  Y2, Y0, Y0
	VPADDD  Y3, Y1, Y1
	VPSRLD  $16, Y0, Y0
	VPAND   Y7, Y1, Y1
	VPOR    Y1, Y0, Y0
	VMOVDQU Y0, (DI)
	ADDQ    $64, SI
	ADDQ    $32, DI
	SUBQ    $16, CX
	JNZ     narrow
	VZEROUPPER
	RET
