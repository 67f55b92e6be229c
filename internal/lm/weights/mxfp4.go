package weights

import (
	"math"
	"slices"
	"strings"
)

// pairMXFP4 makes one tensor of "X_blocks" [..., n/32, 16] and "X_scales" [..., n/32], as gpt_oss has them: "X" [..., n], nibbles of
// which the low one comes first, and an exponent for each 32.
func (c *catalog) pairMXFP4() {
	for name, b := range c.byName {
		base, ok := strings.CutSuffix(name, "_blocks")
		scales, n := c.byName[base+"_scales"], len(b.Shape)-1
		if !ok || scales == nil || b.DType != "U8" || scales.DType != "U8" || n < 1 || b.Shape[n] != 16 || !slices.Equal(b.Shape[:n], scales.Shape) || c.byName[base] != nil {
			continue
		}
		x := *b
		x.Tensor = Tensor{base, slices.Clone(b.Shape[:n]), "MXFP4"}
		x.Shape[n-1] *= 32
		x.scales, x.codec = scales, codec{"MXFP4", 32, 16, func(dst []float32, src []byte) {
			for i, q := range src {
				dst[2*i], dst[2*i+1] = mxfp4[q&15]/2, mxfp4[q>>4]/2
			}
		}}
		delete(c.byName, name)
		delete(c.byName, scales.Name)
		c.byName[base] = &x
	}
	c.tensors = c.tensors[:0]
	for _, s := range c.byName {
		c.tensors = append(c.tensors, s.Tensor)
	}
	sortedByName(c.tensors)
}

// scale multiplies blocks of 32 elements, from element start on, by powers of 2.
func (s *stored) scale(dst []float32, start int) error {
	exponents := make([]byte, len(dst)/32)
	if err := s.scales.readAt(exponents, s.scales.offset+int64(start/32)); err != nil {
		return err
	}
	for i, e := range exponents {
		factor := float32(math.Ldexp(1, int(e)-127))
		for j := range dst[32*i:][:32] {
			dst[32*i+j] *= factor
		}
	}
	return nil
}
