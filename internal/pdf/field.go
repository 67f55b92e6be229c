package pdf

import (
	"strconv"
	"strings"
)

// field is an annotation as this package reads it, without the parser library, which does not decrypt.
type field struct {
	file *File
	ref  ref // of the object that it stands in
	dict dict
}

func (f *File) field(v any) field {
	r, _ := v.(ref)
	return field{f, r, f.index.dict(v)}
}

const maxParents = 32

// inherited looks for key in the field and in those that it is part of.
func (a field) inherited(key string) (v any, owner ref) {
	for range maxParents {
		if v := a.dict[key]; v != nil {
			return v, a.ref
		}
		if a.dict["Parent"] == nil {
			break
		}
		a = a.file.field(a.dict["Parent"])
	}
	return nil, ref{}
}

// string reads a text that stands in object owner.
func (a field) string(v any, owner ref) string {
	if r, ok := v.(ref); ok {
		owner = r
	}
	s, ok := a.file.index.get(v).(string)
	if !ok {
		return ""
	}
	if def := a.file.index.defs[owner.num]; def.offset >= 0 { // object streams are encrypted whole
		s = a.file.crypt.string(def.ref, s)
	}
	return textString(s)
}

// Flags and types of fields.
const (
	multilineFlag = 1 << 12
	passwordFlag  = 1 << 13
	pushFlag      = 1 << 16
)

// value is what a viewer writes into a field, or a box of text, that brings no picture of itself.
func (a field) value() string {
	if a.dict.name("Subtype") == "FreeText" {
		return a.string(a.dict["Contents"], a.ref)
	}
	kind, _ := a.inherited("FT")
	flags, _ := a.inherited("Ff")
	bits, _ := flags.(float64)
	if kind == nameObj("Btn") && a.dict["AP"] == nil && int(bits)&pushFlag == 0 { // a box to tick
		if state := a.dict.name("AS"); state == "" || state == "Off" {
			return "☐"
		}
		return "☒"
	}
	if a.dict.name("Subtype") != "Widget" || kind != nameObj("Tx") && kind != nameObj("Ch") || int(bits)&passwordFlag != 0 {
		return ""
	}
	v, owner := a.inherited("V")
	if r, ok := v.(ref); ok {
		if s := a.file.index.defs[r.num].stream; s != nil { // of a long text
			data, _ := a.file.decode(s)
			return textString(string(data))
		}
	}
	if list, ok := a.file.index.get(v).(array); ok { // of a list, all that are chosen
		var chosen []string
		for _, item := range list {
			chosen = append(chosen, a.option(a.string(item, owner)))
		}
		return strings.Join(chosen, "\n")
	}
	return a.option(a.string(v, owner))
}

// option is what a choice shows for a value: the options are pairs of both.
func (a field) option(value string) string {
	v, owner := a.inherited("Opt")
	list, _ := a.file.index.get(v).(array)
	for _, o := range list {
		if pair, ok := a.file.index.get(o).(array); ok && len(pair) == 2 && a.string(pair[0], owner) == value {
			return a.string(pair[1], owner)
		}
	}
	return value
}

// fontSize is the operand of Tf in the field's default appearance; 0: as fits.
func (a field) fontSize() float64 {
	v, owner := a.inherited("DA")
	if v == nil {
		v = a.file.form["DA"]
	}
	words := strings.Fields(a.string(v, owner))
	for i, w := range words {
		if w == "Tf" && i > 0 {
			size, _ := strconv.ParseFloat(words[i-1], 64)
			return size
		}
	}
	return 0
}

// typeset writes the value of a field into its rectangle, about as viewers do.
func (in *interpreter) typeset(a field, rect box) {
	text := strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(a.value()))
	if text == "" {
		return
	}
	lines := strings.Split(text, "\n")
	size := a.fontSize()
	if size <= 0 {
		size = min(max((rect.top-rect.bottom)*0.7, 4), 12)
	}
	y := (rect.top+rect.bottom)/2 - 0.35*size
	if len(lines) > 1 || rect.top-rect.bottom > 2*size {
		y = rect.top - size
	}
	// Letters of half their height stand in the rectangle; a long line is set closer, for what stands outside of the
	// page is taken for hidden.
	for _, l := range lines {
		chars := []rune(l)
		width := min(0.5*size, (rect.right-rect.left)/float64(max(len(chars), 1)))
		for i, c := range chars {
			x := rect.left + float64(i)*width
			in.emit(shown{x0: x, y0: y, x1: x + width, y1: y, size: size, text: string(c)})
		}
		y -= 1.15 * size
	}
}
