#include "textflag.h"

// Blocks of GGUF, sixteen rows at a time: see blocks, kernel_avx2_int4_amd64.s and twoShift.

DATA six<>+0(SB)/4, $0x0f0f0f0f
DATA six<>+4(SB)/4, $0x30303030
DATA six<>+8(SB)/4, $0x00010001
DATA six<>+12(SB)/4, $0x01010101
DATA six<>+16(SB)/4, $15
DATA six<>+20(SB)/4, $0x30
GLOBL six<>(SB), RODATA|NOPTR, $24

// func wideTile(dst *float32, src *uint16, step int, second float32, n int)
TEXT ·wideTile(SB), NOSPLIT, $0-40
	MOVQ         dst+0(FP), DI
	MOVQ         src+8(FP), SI
	MOVQ         step+16(FP), DX
	VBROADCASTSS second+24(FP), Y15
	MOVQ         n+32(FP), CX
	SHLQ         $1, DX

wide:
	VCVTPH2PS (SI), Y0
	VCVTPH2PS 16(SI), Y1
	VCVTPH2PS -32(SI)(DX*1), Y2
	VCVTPH2PS -16(SI)(DX*1), Y3
	VMULPS    Y15, Y2, Y2
	VMULPS    Y15, Y3, Y3
	VMOVUPS   Y0, (DI)
	VMOVUPS   Y1, 32(DI)
	VMOVUPS   Y2, 64(DI)
	VMOVUPS   Y3, 96(DI)
	ADDQ      DX, SI
	ADDQ      $128, DI
	DECQ      CX
	JNZ       wide
	VZEROUPPER
	RET

// func multipleTile(dst *float32, src *int8, step int, unit *float32, n int)
TEXT ·multipleTile(SB), NOSPLIT, $0-40
	MOVQ    dst+0(FP), DI
	MOVQ    src+8(FP), SI
	MOVQ    step+16(FP), DX
	MOVQ    unit+24(FP), BX
	MOVQ    n+32(FP), CX
	VMOVUPS (BX), Y12
	VMOVUPS 32(BX), Y13
	VMOVUPS 64(BX), Y14
	VMOVUPS 96(BX), Y15

multiple:
	VPMOVSXBD (SI), Y0
	VPMOVSXBD 8(SI), Y1
	VPMOVSXBD -16(SI)(DX*1), Y2
	VPMOVSXBD -8(SI)(DX*1), Y3
	VCVTDQ2PS Y0, Y0
	VCVTDQ2PS Y1, Y1
	VCVTDQ2PS Y2, Y2
	VCVTDQ2PS Y3, Y3
	VMULPS    Y12, Y0, Y0
	VMULPS    Y13, Y1, Y1
	VMULPS    Y14, Y2, Y2
	VMULPS    Y15, Y3, Y3
	VMOVUPS   Y0, (DI)
	VMOVUPS   Y1, 32(DI)
	VMOVUPS   Y2, 64(DI)
	VMOVUPS   Y3, 96(DI)
	ADDQ      DX, SI
	ADDQ      $128, DI
	DECQ      CX
	JNZ       multiple
	VZEROUPPER
	RET

// EIGHT adds, as sums of 16 bits in Y2 and Y3, the products of eight columns of sixteen rows: of DI and R8 with those of the vector.
#define EIGHT(at) \
	VMOVDQU      (4*(at))(R8), Y4       \
	VMOVDQU      (8*(at))(DI), Y8       \
	VPSRLW       $4, Y8, Y9           \
	VPAND        Y15, Y8, Y8          \
	VPAND        Y15, Y9, Y9          \
	VPSLLW       $4, Y4, Y10          \
	VPSLLW       $2, Y4, Y11          \
	VPAND        Y14, Y10, Y10        \
	VPAND        Y14, Y11, Y11        \
	VPOR         Y10, Y8, Y8          \
	VPOR         Y11, Y9, Y9          \
	VPBROADCASTD (at)(SI), Y10          \
	VPMADDUBSW   Y10, Y8, Y2          \
	VPMADDUBSW   Y10, Y9, Y3          \
	VMOVDQU      (8*(at)+32)(DI), Y8    \
	VPSRLW       $4, Y8, Y9           \
	VPAND        Y15, Y8, Y8          \
	VPAND        Y15, Y9, Y9          \
	VPSRLW       $2, Y4, Y11          \
	VPAND        Y14, Y4, Y4          \
	VPAND        Y14, Y11, Y11        \
	VPOR         Y4, Y8, Y8           \
	VPOR         Y11, Y9, Y9          \
	VPBROADCASTD ((at)+4)(SI), Y10      \
	VPMADDUBSW   Y10, Y8, Y4          \
	VPMADDUBSW   Y10, Y9, Y5          \
	VPADDW       Y4, Y2, Y2           \
	VPADDW       Y5, Y3, Y3           \
	VPMADDWD     Y13, Y2, Y2          \
	VPMADDWD     Y13, Y3, Y3

// SIXTEEN adds sixteen columns to Y6 and Y7.
#define SIXTEEN(at) \
	EIGHT(at)                           \
	VMOVDQA        Y2, Y0               \
	VMOVDQA        Y3, Y1               \
	EIGHT(at+8)                         \
	VPADDD         Y2, Y0, Y0           \
	VPADDD         Y3, Y1, Y1           \
	VCVTDQ2PS      Y0, Y0               \
	VCVTDQ2PS      Y1, Y1               \
	VBROADCASTI128 at(SI), Y2           \
	VPMADDUBSW     Y2, Y12, Y2          \
	VPMADDWD       Y13, Y2, Y2          \
	VPHADDD        Y2, Y2, Y2           \
	VPHADDD        Y2, Y2, Y2           \
	VCVTDQ2PS      Y2, Y2               \
	VBROADCASTSS   (R12), Y3            \
	VMULPS         Y3, Y2, Y2           \
	VMULPS         (BX), Y3, Y4         \
	VMULPS         32(BX), Y3, Y5       \
	VFMADD231PS    Y4, Y0, Y6           \
	VFMADD231PS    Y5, Y1, Y7           \
	VFMADD231PS    64(BX), Y2, Y6       \
	VFMADD231PS    96(BX), Y2, Y7

// func sixTile(low, high *byte, d *float32, dStep int, x *int8, dx *float32, width int, y *float32)
TEXT ·sixTile(SB), NOSPLIT, $0-64
	MOVQ         low+0(FP), DI
	MOVQ         high+8(FP), R8
	MOVQ         d+16(FP), BX
	MOVQ         dStep+24(FP), DX
	SHLQ         $2, DX
	MOVQ         x+32(FP), SI
	MOVQ         dx+40(FP), R12
	MOVQ         width+48(FP), CX
	MOVQ         y+56(FP), AX
	VPBROADCASTD six<>+0(SB), Y15
	VPBROADCASTD six<>+4(SB), Y14
	VPBROADCASTD six<>+8(SB), Y13
	VPBROADCASTD six<>+12(SB), Y12
	VXORPS       Y6, Y6, Y6
	VXORPS       Y7, Y7, Y7

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
	VMOVUPS Y6, (AX)
	VMOVUPS Y7, 32(AX)
	VZEROUPPER
	RET

// FOURCOLUMN writes one of four columns at DI to one of the rows at AX.
#define FOURCOLUMN(by, to, more) \
	VPSRLD      $by, Y8, Y9        \
	VPSRLD      $(by+4), Y8, Y10   \
	VPAND       Y15, Y9, Y9        \
	VPAND       Y15, Y10, Y10      \
	VCVTDQ2PS   Y9, Y9             \
	VCVTDQ2PS   Y10, Y10           \
	VFMADD213PS Y2, Y0, Y9         \
	VFMADD213PS Y3, Y1, Y10        \
	VMOVUPS     Y9, to             \
	VMOVUPS     Y10, more

// func unpackFourTile(dst *float32, stride int, w *byte, d *float32, n int)
TEXT ·unpackFourTile(SB), NOSPLIT, $0-40
	MOVQ         dst+0(FP), AX
	MOVQ         stride+8(FP), DX
	SHLQ         $2, DX
	LEAQ         (DX)(DX*2), R9
	MOVQ         w+16(FP), DI
	MOVQ         d+24(FP), BX
	MOVQ         n+32(FP), CX
	VPBROADCASTD six<>+16(SB), Y15
	VMOVUPS      (BX), Y0
	VMOVUPS      32(BX), Y1
	VMOVUPS      64(BX), Y2
	VMOVUPS      96(BX), Y3

fourColumns:
	VMOVDQU (DI), Y8
	FOURCOLUMN(0, (AX), 32(AX))
	FOURCOLUMN(8, (AX)(DX*1), 32(AX)(DX*1))
	FOURCOLUMN(16, (AX)(DX*2), 32(AX)(DX*2))
	FOURCOLUMN(24, (AX)(R9*1), 32(AX)(R9*1))
	LEAQ (AX)(DX*4), AX
	ADDQ $32, DI
	SUBQ $4, CX
	JNZ  fourColumns
	VZEROUPPER
	RET

// SIXCOLUMN is FOURCOLUMN with the bits of Y4 and Y5, which are where they belong but for the column.
#define SIXCOLUMN(by, to, more) \
	VPSRLD      $by, Y8, Y9        \
	VPSRLD      $(by+4), Y8, Y10   \
	VPSRLD      $by, Y4, Y11       \
	VPSRLD      $by, Y5, Y12       \
	VPAND       Y15, Y9, Y9        \
	VPAND       Y15, Y10, Y10      \
	VPAND       Y14, Y11, Y11      \
	VPAND       Y14, Y12, Y12      \
	VPOR        Y11, Y9, Y9        \
	VPOR        Y12, Y10, Y10      \
	VCVTDQ2PS   Y9, Y9             \
	VCVTDQ2PS   Y10, Y10           \
	VFMADD213PS Y2, Y0, Y9         \
	VFMADD213PS Y3, Y1, Y10        \
	VMOVUPS     Y9, to             \
	VMOVUPS     Y10, more

#define SIXCOLUMNS \
	SIXCOLUMN(0, (AX), 32(AX))                  \
	SIXCOLUMN(8, (AX)(DX*1), 32(AX)(DX*1))      \
	SIXCOLUMN(16, (AX)(DX*2), 32(AX)(DX*2))     \
	SIXCOLUMN(24, (AX)(R9*1), 32(AX)(R9*1))     \
	LEAQ (AX)(DX*4), AX                         \
	ADDQ $32, DI

// func unpackSixTile(dst *float32, stride int, low, high *byte, d *float32, n int)
TEXT ·unpackSixTile(SB), NOSPLIT, $0-48
	MOVQ         dst+0(FP), AX
	MOVQ         stride+8(FP), DX
	SHLQ         $2, DX
	LEAQ         (DX)(DX*2), R9
	MOVQ         low+16(FP), DI
	MOVQ         high+24(FP), R8
	MOVQ         d+32(FP), BX
	MOVQ         n+40(FP), CX
	VPBROADCASTD six<>+16(SB), Y15
	VPBROADCASTD six<>+20(SB), Y14
	VMOVUPS      (BX), Y0
	VMOVUPS      32(BX), Y1
	VMOVUPS      64(BX), Y2
	VMOVUPS      96(BX), Y3

sixColumns:
	VMOVDQU (R8), Y7
	VMOVDQU (DI), Y8
	VPSLLW  $4, Y7, Y4 // what comes from the neighbouring byte is masked
	VPSLLW  $2, Y7, Y5
	SIXCOLUMNS
	VMOVDQU (DI), Y8
	VMOVDQA Y7, Y4
	VPSRLW  $2, Y7, Y5
	SIXCOLUMNS
	ADDQ $32, R8
	SUBQ $8, CX
	JNZ  sixColumns
	VZEROUPPER
	RET
