package grammar

import (
	"cmp"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Numbers are kept to lengths that every reader of JSON takes, because models also loop in digits: the longest that
// common encoders write, and exponents of finite doubles.
const (
	maxIntegerDigits = 19
	maxWholeDigits   = 21
	someFraction     = `(?:\.[0-9]{1,24})?`
	someExponent     = `(?:[eE][+-]?(?:[0-9]{1,2}|[01][0-9]{2}|2[0-7][0-9]))?`
)

// bounds are the numbers between two others. nil is no bound.
type bounds struct {
	lo, hi         *big.Rat
	loOpen, hiOpen bool // the bound itself is out
	integer        bool
	multiple       *big.Rat // of which they are multiples; nil: of any
}

const (
	maxMultiple   = 256 // without its point
	maxNumberSize = 1 << 16
)

// multiples keeps only multiples of x also. It reports whether a grammar can.
func (b *bounds) multiples(x *big.Rat) bool {
	if b.multiple != nil { // the least number that is a multiple of both
		scale := new(big.Int).Mul(b.multiple.Denom(), x.Denom())
		p := new(big.Int).Mul(b.multiple.Num(), x.Denom())
		q := new(big.Int).Mul(x.Num(), b.multiple.Denom())
		gcd := new(big.Int).GCD(nil, nil, p, q)
		x = new(big.Rat).SetFrac(p.Mul(p, q.Quo(q, gcd)), scale)
	}
	places, _ := x.FloatPrec()
	scaled := new(big.Rat).Mul(x, new(big.Rat).SetInt(powerOfTen(places)))
	if places > 10 || scaled.Num().Cmp(big.NewInt(maxMultiple)) > 0 {
		return false
	}
	b.multiple = x
	return true
}

func powerOfTen(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func (b *bounds) atLeast(x *big.Rat, open bool) {
	if b.lo == nil || x.Cmp(b.lo) > 0 || x.Cmp(b.lo) == 0 && open {
		b.lo, b.loOpen = x, open
	}
}

func (b *bounds) atMost(x *big.Rat, open bool) {
	if b.hi == nil || x.Cmp(b.hi) < 0 || x.Cmp(b.hi) == 0 && open {
		b.hi, b.hiOpen = x, open
	}
}

func (b *bounds) has(x *big.Rat) bool {
	return (b.lo == nil || x.Cmp(b.lo) > 0 || x.Cmp(b.lo) == 0 && !b.loOpen) &&
		(b.hi == nil || x.Cmp(b.hi) < 0 || x.Cmp(b.hi) == 0 && !b.hiOpen) &&
		(!b.integer || x.IsInt()) && (b.multiple == nil || new(big.Rat).Quo(x, b.multiple).IsInt())
}

// rational reads a JSON number exactly, if it is of a size that a bound may have.
func rational(text string) (*big.Rat, bool) {
	if _, exponent, ok := strings.Cut(strings.ToLower(text), "e"); ok {
		if n, err := strconv.Atoi(exponent); err != nil || n < -40 || n > 40 {
			return nil, false
		}
	}
	if len(text) > 64 {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// number reads a number within the bounds: what is written like one, and is in each of their languages.
func (c *compiler) number(from, to int32, in bounds) error {
	longest, form, within := maxWholeDigits, `-?(?:0|[1-9][0-9]{0,%d})`+someFraction, []*language(nil)
	if in.integer {
		longest, form = maxIntegerDigits, `(?:0|-?[1-9][0-9]{0,%d})` // some readers take -0 for a fraction
	}
	for _, x := range []*big.Rat{in.lo, in.hi} {
		if x != nil {
			longest = max(longest, len(decimal(x)[0]))
		}
	}
	if in.lo != nil {
		within = append(within, complement(below(in.lo, in.loOpen)))
	}
	if in.hi != nil {
		within = append(within, below(in.hi, !in.hiOpen))
	}
	if in.multiple != nil {
		within = append(within, multiples(in.multiple))
	}
	if !in.integer && within == nil { // the others are compared digit by digit
		form += someExponent
	}
	l, err := c.language("number", "^"+fmt.Sprintf(form, longest-1)+"$")
	for _, other := range within {
		if l != nil {
			l = intersect(l, other, maxNumberSize)
		}
	}
	if err != nil || l == nil {
		return &SchemaError{Path: c.root.path(), Reason: "the bounds of a number are too large"}
	}
	c.b.raw(from, to, l)
	return nil
}

// decimal are the digits of a magnitude before and behind the point, without zeros that mean nothing.
func decimal(x *big.Rat) [2]string {
	places, _ := x.FloatPrec() // a JSON number is always exact in decimal
	whole, fraction, _ := strings.Cut(new(big.Rat).Abs(x).FloatString(places), ".")
	return [2]string{strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")}
}

// below are the decimals less than x, or also x itself. A state knows how the digits so far compare with those of x.
func below(x *big.Rat, itself bool) *language {
	digits := decimal(x)
	type place struct {
		negative       bool
		part, n, order int // digits read before, or in part 1 behind, the point
	}
	behind := func(p place) place { // the point. More digits in front of it are more
		if p.n != len(digits[0]) {
			p.order = cmp.Compare(p.n, len(digits[0]))
		}
		return place{p.negative, 1, 0, p.order}
	}
	return explore(place{}, func(p place) (spans []span, targets []place) {
		for i, c := range []byte("-.0123456789") {
			next := p
			switch {
			case c == '-':
				next.negative = true
			case c == '.':
				next = behind(p)
			case p.part == 1 && p.order != 0, p.part == 0 && p.n == 0 && c == '0': // says nothing more
			default:
				want := byte('0')
				if p.n < len(digits[p.part]) {
					want = digits[p.part][p.n]
				}
				if p.order == 0 {
					next.order = cmp.Compare(c, want)
				}
				next.n = min(p.n, len(digits[p.part])) + 1
			}
			spans, targets = append(spans, span{rune(c), rune(c), int32(i)}), append(targets, next)
		}
		return spans, targets
	}, func(p place) bool {
		if p.part == 0 {
			p = behind(p)
		}
		order := p.order
		if order == 0 && p.n < len(digits[1]) {
			order = -1
		}
		switch sign := x.Sign(); {
		case p.negative && sign < 0:
			order = -order
		case p.negative && (sign > 0 || order != 0): // or both are zero
			order = -1
		case !p.negative && sign < 0:
			order = 1
		}
		return order < 0 || order == 0 && itself
	}, maxNumberSize)
}

// multiples are the decimals that are multiples of x. A state knows the remainder in units of the last place that x has.
func multiples(x *big.Rat) *language {
	places, _ := x.FloatPrec()
	unit := int(new(big.Rat).Mul(x, new(big.Rat).SetInt(powerOfTen(places))).Num().Int64())
	type place struct {
		left      int // places that are still to come
		behind    bool
		remainder int
	}
	return explore(place{left: places}, func(p place) (spans []span, targets []place) {
		for _, c := range []byte("-.0123456789") {
			next := p
			switch {
			case c == '-':
			case c == '.':
				next.behind = true
			case p.behind && p.left == 0:
				continue
			default:
				if next.remainder = (10*p.remainder + int(c-'0')) % unit; p.behind {
					next.left--
				}
			}
			spans, targets = append(spans, span{rune(c), rune(c), int32(len(targets))}), append(targets, next)
		}
		return spans, targets
	}, func(p place) bool {
		for range p.left {
			p.remainder = 10 * p.remainder % unit
		}
		return p.remainder == 0
	}, maxNumberSize)
}
