#include "textflag.h"

// Products of bfloat16, and of integers of 8 bits, in tiles of 16 rows of 64 bytes. Go's assembler lacks the instructions, so their
// bytes are written here: a VEX prefix of three bytes, whose second has the upper bits of the registers that an address is made of,
// inverted, and whose third has what tells instructions with one opcode apart. Source: Intel's Software Developer's Manual, volume 2.

// tileShapes is what LDTILECFG reads: palette 1, and of each of eight tiles the bytes of a row and the rows.
DATA tileShapes<>+0(SB)/8, $1
DATA tileShapes<>+16(SB)/8, $0x0040004000400040
DATA tileShapes<>+24(SB)/8, $0x0040004000400040
DATA tileShapes<>+48(SB)/8, $0x1010101010101010
GLOBL tileShapes<>(SB), RODATA|NOPTR, $64

// LDTILECFG (AX), and TILERELEASE
#define SHAPES  BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0x00
#define RELEASE BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0xC0

// Numbers of registers in addresses.
#define rCX 1
#define rDX 2
#define rSI 6
#define rDI 7
#define r8  8
#define r9  9
#define r10 10
#define r11 11

#define ROWS(kind, tile, base, stride, offset) \
	BYTE $0xC4; BYTE $(0xE2^(((base)>>3)<<5)^(((stride)>>3)<<6)); BYTE $kind; BYTE $0x4B  \
	BYTE $(0x44|(tile)<<3); BYTE $(((stride)&7)<<3|((base)&7)); BYTE $offset

// TILELOADD and TILESTORED, of rows stride apart
#define LOAD(tile, base, stride, offset)  ROWS(0x7B, tile, base, stride, offset)
#define STORE(tile, base, stride, offset) ROWS(0x7A, tile, base, stride, offset)

// TDPBF16PS: y += a·b
#define MULTIPLY(y, a, b) BYTE $0xC4; BYTE $0xE2; BYTE $((15^(b))<<3|2); BYTE $0x5C; BYTE $(0xC0|(y)<<3|(a))

// TDPBSSD, the same for fours of integers, and TILEZERO
#define MULTIPLYINTS(y, a, b) BYTE $0xC4; BYTE $0xE2; BYTE $((15^(b))<<3|3); BYTE $0x5E; BYTE $(0xC0|(y)<<3|(a))
#define ZERO(tile)            BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x49; BYTE $(0xC0|(tile)<<3)

// func tileOuter(a *uint16, aRow, steps int, b *float32, blocks int, y *float32, yStride int)
//
// It is plainOuterHalves for steps of 32 numbers and blocks of 32 rows, of which four tiles have the sums. Tiles are used within one call
// only: goroutines are not interrupted in assembly, and Go saves no tiles when it changes them.
TEXT ·tileOuter(SB), NOSPLIT, $0-56
	MOVQ a+0(FP), R12
	MOVQ aRow+8(FP), CX
	SHLQ $1, CX
	MOVQ blocks+32(FP), R13
	MOVQ y+40(FP), DI
	MOVQ yStride+48(FP), R11
	SHLQ $2, R11
	MOVQ $128, R9
	LEAQ tileShapes<>(SB), AX
	SHAPES

block:
	MOVQ R12, SI
	MOVQ CX, R8
	SHLQ $4, R8
	ADDQ SI, R8 // rows 16 to 31
	MOVQ R11, R10
	SHLQ $4, R10
	ADDQ DI, R10
	MOVQ b+24(FP), DX
	MOVQ steps+16(FP), BX
	LOAD(0, rDI, r11, 0)
	LOAD(1, rDI, r11, 64)
	LOAD(2, r10, r11, 0)
	LOAD(3, r10, r11, 64)

step:
	LOAD(4, rSI, rCX, 0)
	LOAD(6, rDX, r9, 0)
	LOAD(7, rDX, r9, 64)
	LOAD(5, r8, rCX, 0)
	MULTIPLY(0, 4, 6)
	MULTIPLY(1, 4, 7)
	MULTIPLY(2, 5, 6)
	MULTIPLY(3, 5, 7)
	ADDQ $64, SI
	ADDQ $64, R8
	ADDQ $2048, DX
	DECQ BX
	JNZ  step
	STORE(0, rDI, r11, 0)
	STORE(1, rDI, r11, 64)
	STORE(2, r10, r11, 0)
	STORE(3, r10, r11, 64)
	MOVQ CX, AX
	SHLQ $5, AX
	ADDQ AX, R12
	MOVQ R11, AX
	SHLQ $5, AX
	ADDQ AX, DI
	DECQ R13
	JNZ  block
	RELEASE
	RET

// func tileInts(shapes *[64]byte, w *int8, d *float32, x *int16, dx *float32, xBytes, blocks, n int, y *float32, yBytes, dxBytes int)
//
// A block of sixteen rows is a tile, and so are the low and the high bytes of all vectors. What tiles add up is in memory between.
TEXT ·tileInts(SB), 0, $2048-88
	MOVQ shapes+0(FP), AX
	SHAPES
	MOVQ w+8(FP), DI
	MOVQ d+16(FP), BX
	MOVQ x+24(FP), SI
	MOVQ dx+32(FP), R9
	MOVQ xBytes+40(FP), R10
	MOVQ $64, R11
	MOVQ yBytes+72(FP), R13
	LEAQ low-2048(SP), DX
	LEAQ high-1024(SP), R8

	MOVQ   y+64(FP), R14
	MOVQ   n+56(FP), CX
	VPXORD Z3, Z3, Z3

clear:
	VMOVUPS Z3, (R14)
	ADDQ    R13, R14
	DECQ    CX
	JNZ     clear

ints:
	LOAD(4, rDI, r11, 0)
	LOAD(2, rSI, r10, 0)
	LOAD(3, rSI, r10, 32)
	ZERO(0)
	ZERO(1)
	MULTIPLYINTS(0, 2, 4)
	MULTIPLYINTS(1, 3, 4)
	STORE(0, rDX, r11, 0)
	STORE(1, r8, r11, 0)
	VMOVUPS (BX), Z2
	MOVQ    y+64(FP), R14
	MOVQ    R9, R15
	MOVQ    n+56(FP), CX
	XORQ    AX, AX

scaled:
	VPSLLD       $8, (R8)(AX*1), Z0
	VPADDD       (DX)(AX*1), Z0, Z0
	VCVTDQ2PS    Z0, Z0
	VMULPS.BCST  (R15), Z2, Z1
	VFMADD213PS  (R14), Z1, Z0
	VMOVUPS      Z0, (R14)
	ADDQ         $64, AX
	ADDQ         R13, R14
	ADDQ         dxBytes+80(FP), R15
	DECQ         CX
	JNZ          scaled

	ADDQ $512, DI
	ADDQ $64, SI
	ADDQ $64, BX
	ADDQ $4, R9
	DECQ blocks+48(FP)
	JNZ  ints
	RELEASE
	VZEROUPPER
	RET

// func splitVector(x *int16, blocks int)
TEXT ·splitVector(SB), NOSPLIT, $0-16
	MOVQ         x+0(FP), SI
	MOVQ         blocks+8(FP), CX
	MOVL         $128, AX
	VPBROADCASTW AX, Z2

split:
	VMOVDQU16 (SI), Z0
	VPADDW    Z2, Z0, Z1
	VPSRAW    $8, Z1, Z1
	VPMOVWB   Z0, (SI)
	VPMOVWB   Z1, 32(SI)
	ADDQ      $64, SI
	DECQ      CX
	JNZ       split
	VZEROUPPER
	RET

// func braidVector(dst *float32, a, b *uint16)
TEXT ·braidVector(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX

#define BRAID(from, to) \
	VMOVDQU  from(SI), Y0          \
	VMOVDQU  from(DX), Y1          \
	VPSLLD   $16, Y1, Y2           \
	VPSRLD   $16, Y0, Y3           \
	VPBLENDW $0xAA, Y2, Y0, Y2     \
	VPBLENDW $0xAA, Y1, Y3, Y3     \
	VMOVDQU  Y2, to(DI)            \
	VMOVDQU  Y3, (to+32)(DI)

	BRAID(0, 0)
	BRAID(32, 64)
	VZEROUPPER
	RET

// func savedState() uint32
//
// It is the lower half of XCR0.
TEXT ·savedState(SB), NOSPLIT, $0-4
	XORL CX, CX
	XGETBV
	MOVL AX, ret+0(FP)
	RET
