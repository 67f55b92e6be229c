package grammar

import (
	"cmp"
	"math/big"
	"strconv"
	"strings"
)

// Numbers are kept to lengths that every reader of JSON takes, because models also loop in digits: the longest that
// common encoders write, and exponents of finite doubles.
const (
	maxIntegerDigits  = 19
	maxWholeDigits    = 21
	maxFractionDigits = 24
	maxExponent       = 280
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

// limit is a bound of the magnitude in decimal.
type limit struct {
	whole, fraction string
	open            bool
}

func newLimit(x *big.Rat, open bool) *limit {
	digits, _ := x.FloatPrec() // a JSON number is always exact in decimal
	whole, fraction, _ := strings.Cut(new(big.Rat).Abs(x).FloatString(digits), ".")
	if whole == "0" {
		whole = ""
	}
	return &limit{whole, strings.TrimRight(fraction, "0"), open}
}

// digit compares one more digit: order is that of the digits before.
func digit(order int8, digits string, i int, c byte) int8 {
	want := byte('0')
	if i < len(digits) {
		want = digits[i]
	}
	switch {
	case order != 0 || c == want:
		return order
	case c < want:
		return -1
	}
	return 1
}

// reading is a state while a number is read: n digits of its part, and how what was read compares with the limits.
type reading struct {
	part     part
	negative bool
	n        int
	lo, hi   int8
}

type part uint8

const (
	begin part = iota
	minus
	zero
	whole
	point
	fraction
	exponent
	exponentSign
	power
)

// numbers describes the numbers within bounds by magnitude, for each sign.
type numbers struct {
	integer   bool
	exponents bool // not with bounds: they are compared digit by digit
	longest   int  // digits of the whole part
	signs     [2]magnitude
}

// magnitude is the range of one sign; nil is no limit.
type magnitude struct {
	some   bool
	lo, hi *limit
}

func newNumbers(in bounds) *numbers {
	n := &numbers{integer: in.integer, exponents: !in.integer && in.lo == nil && in.hi == nil && in.multiple == nil, longest: maxWholeDigits}
	if in.integer {
		n.longest = maxIntegerDigits
	}
	n.signs[0] = newMagnitude(in.lo, in.hi, in.loOpen, in.hiOpen, false)
	n.signs[1] = newMagnitude(in.hi, in.lo, in.hiOpen, in.loOpen, true)
	for _, m := range n.signs {
		for _, l := range []*limit{m.lo, m.hi} {
			if l != nil {
				n.longest = max(n.longest, len(l.whole))
			}
		}
	}
	return n
}

// newMagnitude takes the bound nearer to zero, or beyond it, and the farther one.
func newMagnitude(near, far *big.Rat, nearOpen, farOpen, negative bool) (m magnitude) {
	reaches := func(x *big.Rat) bool { return x.Sign() > 0 && !negative || x.Sign() < 0 && negative }
	if m.some = far == nil || reaches(far) || far.Sign() == 0 && !negative; !m.some {
		return m
	}
	if far != nil {
		m.hi = newLimit(far, farOpen)
	}
	if near != nil && (reaches(near) || near.Sign() == 0) {
		m.lo = newLimit(near, nearOpen)
	}
	return m
}

func (n *numbers) magnitude(r reading) magnitude {
	if r.negative {
		return n.signs[1]
	}
	return n.signs[0]
}

// read compares a digit with the limits and counts it.
func (n *numbers) read(r reading, c byte) reading {
	m := n.magnitude(r)
	for _, side := range []struct {
		limit *limit
		order *int8
	}{{m.lo, &r.lo}, {m.hi, &r.hi}} {
		switch {
		case side.limit == nil:
		case r.part == fraction:
			*side.order = digit(*side.order, side.limit.fraction, r.n, c)
		default:
			*side.order = digit(*side.order, side.limit.whole, r.n, c)
		}
	}
	r.n++
	return r
}

// settle compares the whole part, which is over, with the limits: more digits are more.
func (n *numbers) settle(r reading) reading {
	if r.part != whole && r.part != zero {
		return r
	}
	m := n.magnitude(r)
	for _, side := range []struct {
		limit *limit
		order *int8
	}{{m.lo, &r.lo}, {m.hi, &r.hi}} {
		if side.limit != nil && r.n != len(side.limit.whole) {
			*side.order = int8(cmp.Compare(r.n, len(side.limit.whole)))
		}
	}
	r.n = 0
	return r
}

func (n *numbers) step(r reading, c byte) (reading, bool) {
	digits := '0' <= c && c <= '9'
	inFraction := r.part == point || r.part == fraction
	switch {
	case r.part == begin && c == '-':
		return reading{part: minus, negative: true}, n.signs[1].some
	case r.part == begin || r.part == minus:
		r.part = whole
		if c == '0' {
			r.part = zero
			return r, n.magnitude(r).some
		}
		return n.read(r, c), digits && n.magnitude(r).some
	case r.part == whole && digits:
		return n.read(r, c), r.n < n.longest
	case (r.part == whole || r.part == zero) && c == '.':
		r = n.settle(r)
		r.part = point
		return r, !n.integer
	case inFraction && digits:
		r.part = fraction
		return n.read(r, c), r.n < maxFractionDigits
	case (r.part == whole || r.part == zero || r.part == fraction) && (c == 'e' || c == 'E'):
		return reading{part: exponent}, n.exponents
	case r.part == exponent && (c == '+' || c == '-'):
		return reading{part: exponentSign}, true
	case (r.part == exponent || r.part == exponentSign) && digits:
		return reading{part: power, n: int(c - '0'), lo: 1}, true
	case r.part == power && digits: // lo counts the digits
		next := reading{part: power, n: 10*r.n + int(c-'0'), lo: r.lo + 1}
		return next, next.n < maxExponent && next.lo <= 3
	}
	return r, false
}

func (n *numbers) final(r reading) bool {
	switch r.part {
	case whole, zero, fraction:
	default:
		return r.part == power
	}
	if n.integer && r.negative && r.part == zero {
		return false // some readers take -0 for a fraction
	}
	m, r := n.magnitude(r), n.settle(r)
	end := func(l *limit, order int8) int8 {
		if order == 0 && r.n < len(l.fraction) {
			return -1
		}
		return order
	}
	if m.lo != nil {
		if o := end(m.lo, r.lo); o < 0 || o == 0 && m.lo.open {
			return false
		}
	}
	if m.hi != nil {
		if o := end(m.hi, r.hi); o > 0 || o == 0 && m.hi.open {
			return false
		}
	}
	return true
}

// number reads a number within the bounds. Of what was read so far it knows the remainder in units of the last place
// that a multiple has.
func (b *builder) number(from, to int32, in bounds) {
	n := newNumbers(in)
	places, unit := maxFractionDigits, 1
	if in.multiple != nil {
		places, _ = in.multiple.FloatPrec()
		unit = int(new(big.Rat).Mul(in.multiple, new(big.Rat).SetInt(powerOfTen(places))).Num().Int64())
	}
	type partial struct {
		reading
		remainder int
	}
	b.raw(from, to, explore(partial{}, func(r partial) (spans []span, targets []partial) {
		for _, c := range []byte("+-.0123456789Ee") {
			next, ok := n.step(r.reading, c)
			remainder := r.remainder
			if '0' <= c && c <= '9' {
				remainder = (10*remainder + int(c-'0')) % unit
			}
			if ok && (next.part != fraction || next.n <= places) {
				spans = append(spans, span{rune(c), rune(c), int32(len(targets))})
				targets = append(targets, partial{next, remainder})
			}
		}
		return spans, targets
	}, func(r partial) bool {
		remainder := r.remainder
		if unit > 1 {
			read := 0
			if r.part == fraction {
				read = r.n
			}
			for range places - read {
				remainder = 10 * remainder % unit
			}
		}
		return remainder == 0 && n.final(r.reading)
	}, maxNumberSize))
}
