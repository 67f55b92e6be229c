package pdf

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCMap(t *testing.T) {
	m := parseCMap([]byte(`/CIDInit /ProcSet findresource begin 12 dict begin begincmap
1 begincodespacerange <0000> <FFFF> endcodespacerange
3 beginbfchar <0001> <0041> <0002> <D83DDE00> <0003> <00660069> endbfchar
2 beginbfrange <0010> <0012> <0061> <0020> <0022> [<0078> <0079>] endbfrange
1 begincidrange <0100> <01FF> 500 endcidrange
1 begincidchar <0300> 7 endcidchar
endcmap`))
	for code, want := range map[uint32]string{1: "A", 2: "😀", 3: "fi", 0x10: "a", 0x12: "c", 0x20: "x", 0x21: "y"} {
		got, ok := m.lookup(code)
		assert.True(t, ok, code)
		assert.Equal(t, want, got)
	}
	for _, code := range []uint32{0, 4, 0x13, 0x22, 0xFFFF} {
		_, ok := m.lookup(code)
		assert.False(t, ok, code)
	}
	cid, ok := m.cid(0x1FF)
	assert.True(t, ok)
	assert.EqualValues(t, 755, cid)
	cid, _ = m.cid(0x300)
	assert.EqualValues(t, 7, cid)
	code, n := m.split([]byte{0x12, 0x34, 0x56})
	assert.EqualValues(t, 0x1234, code)
	assert.Equal(t, 2, n)
}

func TestCMapCountsAreNotBelieved(t *testing.T) {
	m := parseCMap([]byte("2000000000 beginbfchar <01> <0041> endbfchar -5 beginbfrange <02> <FFFFFFFF> <0042> endbfrange"))
	assert.Len(t, m.chars, 1)
	assert.Len(t, m.ranges, 1)
	got, ok := m.lookup(3)
	assert.True(t, ok)
	assert.Equal(t, "C", got)
	_, ok = m.lookup(0xFFFFFFF0) // beyond Unicode: the first text again, never a panic
	assert.True(t, ok)
}

func TestNilCMap(t *testing.T) {
	var m *cmap
	_, ok := m.lookup(1)
	assert.False(t, ok)
}

func FuzzCMap(f *testing.F) {
	f.Add([]byte("1 begincodespacerange <00> <FF> endcodespacerange 1 beginbfrange <00> <05> [<0041>] endbfrange"), uint32(3))
	f.Add([]byte("beginbfchar <01> <D8> <02> /a endbfchar begincidrange <00> <FF> 9 endcidrange"), uint32(1))
	f.Fuzz(func(t *testing.T, data []byte, code uint32) {
		m := parseCMap(data)
		m.lookup(code)
		m.cid(code)
		if _, n := m.split([]byte{1, 2, 3}); n < 1 || n > 3 {
			t.Fatal(n)
		}
	})
}
