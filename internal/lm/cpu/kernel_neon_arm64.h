// Instructions of NEON that Go's assembler lacks. Operands are numbers of registers, in the assembler's order: the result is the last.
// Lanes are 32 bits where the name says no other.

#define FADD(m, n, d)     WORD $(0x4e20d400 | (m)<<16 | (n)<<5 | (d))
#define FSUB(m, n, d)     WORD $(0x4ea0d400 | (m)<<16 | (n)<<5 | (d)) // n - m
#define FMUL(m, n, d)     WORD $(0x6e20dc00 | (m)<<16 | (n)<<5 | (d))
#define FDIV(m, n, d)     WORD $(0x6e20fc00 | (m)<<16 | (n)<<5 | (d)) // n / m
#define FMAX(m, n, d)     WORD $(0x4e20f400 | (m)<<16 | (n)<<5 | (d))
#define FADDP(m, n, d)    WORD $(0x6e20d400 | (m)<<16 | (n)<<5 | (d)) // sums of pairs: those of n, then those of m
#define FCMGE(m, n, d)    WORD $(0x6e20e400 | (m)<<16 | (n)<<5 | (d)) // n ≥ m
#define FCMGE0(n, d)      WORD $(0x6ea0c800 | (n)<<5 | (d))           // n ≥ 0
#define FABS(n, d)        WORD $(0x4ea0f800 | (n)<<5 | (d))
#define FMAXV(n, d)       WORD $(0x6e30f800 | (n)<<5 | (d))           // the largest lane
#define FRINTN(n, d)      WORD $(0x4e218800 | (n)<<5 | (d))           // to the nearest, even between two
#define FCVTNS(n, d)      WORD $(0x4e21a800 | (n)<<5 | (d))           // the same, as integers
#define SCVTF(n, d)       WORD $(0x4e21d800 | (n)<<5 | (d))           // floats of integers
#define FCVTL(n, d)       WORD $(0x0e217800 | (n)<<5 | (d))           // floats of the lower four numbers of half precision
#define FCVTL2(n, d)      WORD $(0x4e217800 | (n)<<5 | (d))           // of the upper four
#define FMLA(m, n, d)     WORD $(0x4e20cc00 | (m)<<16 | (n)<<5 | (d)) // d += n · m
#define FMLA_LANE(m, l, n, d) WORD $(0x4f801000 | ((l)&1)<<21 | ((l)>>1)<<11 | (m)<<16 | (n)<<5 | (d)) // d += n · lane l of m
#define FMUL_LANE(m, l, n, d) WORD $(0x4f809000 | ((l)&1)<<21 | ((l)>>1)<<11 | (m)<<16 | (n)<<5 | (d))

#define SXTL8(n, d)       WORD $(0x0f08a400 | (n)<<5 | (d))           // 16 bits of the lower eight of 8 bits, with their sign
#define SXTL8_2(n, d)     WORD $(0x4f08a400 | (n)<<5 | (d))           // of the upper eight
#define SXTL16(n, d)      WORD $(0x0f10a400 | (n)<<5 | (d))           // 32 bits of 16
#define SXTL16_2(n, d)    WORD $(0x4f10a400 | (n)<<5 | (d))
#define SQXTN16(n, d)     WORD $(0x0e614800 | (n)<<5 | (d))           // 16 bits of 32, to the lower half of d
#define SQXTN16_2(n, d)   WORD $(0x4e614800 | (n)<<5 | (d))           // to the upper half
#define SQXTN8(n, d)      WORD $(0x0e214800 | (n)<<5 | (d))           // 8 bits of 16
#define SQXTN8_2(n, d)    WORD $(0x4e214800 | (n)<<5 | (d))
#define SADDLV8(n, d)     WORD $(0x4e303800 | (n)<<5 | (d))           // the sum of sixteen integers of 8 bits, in 16
#define SMULL8(m, n, d)   WORD $(0x0e20c000 | (m)<<16 | (n)<<5 | (d)) // products of the lower eight integers of 8 bits
#define SMULL8_2(m, n, d) WORD $(0x4e20c000 | (m)<<16 | (n)<<5 | (d)) // of the upper eight
#define SADDLP16(n, d)    WORD $(0x4e602800 | (n)<<5 | (d))           // sums of pairs of 16 bits, in 32

#define ADD32(m, n, d)    WORD $(0x4ea08400 | (m)<<16 | (n)<<5 | (d))
#define ADDP32(m, n, d)   WORD $(0x4ea0bc00 | (m)<<16 | (n)<<5 | (d)) // sums of pairs
#define DUP32(m, l, d)    WORD $(0x4e040400 | (l)<<19 | (m)<<5 | (d)) // lane l of m in all lanes
#define SDOT(m, l, n, d)  WORD $(0x4f80e000 | ((l)&1)<<21 | ((l)>>1)<<11 | (m)<<16 | (n)<<5 | (d)) // d += the four bytes of n · those of lane l of m

#define CLEAR4(a, b, c, d) \
	VEOR a.B16, a.B16, a.B16 \
	VEOR b.B16, b.B16, b.B16 \
	VEOR c.B16, c.B16, c.B16 \
	VEOR d.B16, d.B16, d.B16
