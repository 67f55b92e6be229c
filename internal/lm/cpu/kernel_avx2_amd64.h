// What the kernels in AVX2 have in common.

// SUMS writes the sums of the lanes of a, b, c and d, adding pairs as plainDot does. low is the lower half of a.
#define SUMS(a, b, c, d, low, to) \
	VHADDPS      b, a, a        \
	VHADDPS      d, c, c        \
	VHADDPS      c, a, a        \
	VEXTRACTF128 $1, a, X12     \
	VADDPS       X12, low, low  \
	VMOVUPS      low, to

#define CLEAR4(a, b, c, d) \
	VXORPS a, a, a \
	VXORPS b, b, b \
	VXORPS c, c, c \
	VXORPS d, d, d

// LARGEST sets the lanes of low, the lower half of a, to the largest lane of a.
#define LARGEST(a, low, free) \
	VEXTRACTF128 $1, a, free       \
	VMAXPS       free, low, low    \
	VPERMILPS    $0x4e, low, free  \
	VMAXPS       free, low, low    \
	VPERMILPS    $0xb1, low, free  \
	VMAXPS       free, low, low
