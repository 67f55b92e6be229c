package pdf

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	stdimage "image"
	"image/color"
	"image/png"
	"math"
	"slices"
)

// drawn is a picture on a page; its stream is nil if it stands in the content itself.
type drawn struct {
	stream *stream
	area   float64 // square points
	top    float64
}

const (
	maxPictures = 64   // of one page, for a scan that is cut into strips
	scanShare   = 0.1  // of the page's area: what pictures cover of one that was scanned
	stripShare  = 0.01 // of it: a smaller picture is no part of a scan
	maxPixels   = 1 << 26
)

func (in *interpreter) picture(s *stream, ctm matrix) {
	if len(in.drawn) >= maxPictures {
		return
	}
	_, y0 := ctm.apply(0, 0)
	_, y1 := ctm.apply(1, 1)
	in.drawn = append(in.drawn, drawn{s, math.Abs(ctm[0]*ctm[3] - ctm[1]*ctm[2]), max(y0, y1)})
}

// scan keeps the pictures that may be a scan of the page, from top to bottom.
func (f *File) scan(all []drawn, page box) (kept []drawn) {
	whole := (page.right - page.left) * (page.top - page.bottom)
	covered := 0.0
	for _, d := range all {
		if covered += d.area; d.area >= stripShare*whole {
			kept = append(kept, d)
		}
	}
	if covered < scanShare*whole {
		return nil
	}
	slices.SortStableFunc(kept, func(a, b drawn) int { return cmp.Compare(b.top, a.top) })
	return kept
}

// Scanned tells whether pictures cover a good part of the page that Text read last.
func (f *File) Scanned() bool { return len(f.drawn) > 0 }

// Pictures returns these pictures from top to bottom, each as a PNG, JPEG, JPEG 2000 or TIFF file.
func (f *File) Pictures() (files [][]byte, err error) {
	for _, d := range f.drawn {
		file, pictureErr := f.pictureFile(d.stream)
		if pictureErr != nil {
			err = cmp.Or(err, pictureErr)
			continue
		}
		files = append(files, file)
	}
	return files, err
}

func (f *File) pictureFile(s *stream) ([]byte, error) {
	if s == nil {
		return nil, fmt.Errorf("a picture inside the content")
	}
	chain := f.index.filters(s.dict)
	last := filter{}
	if n := len(chain); n > 0 {
		switch chain[n-1].name {
		case "DCTDecode", "DCT", "JPXDecode", "CCITTFaxDecode", "CCF", "JBIG2Decode":
			last, chain = chain[n-1], chain[:n-1]
		}
	}
	data, err := decode(f.crypt.stream(s, f.data[s.start:s.end]), chain, f.limits.StreamBytes)
	if err != nil {
		return nil, err
	}
	width, _ := s.dict.int("Width")
	height, _ := s.dict.int("Height")
	switch last.name {
	case "DCTDecode", "DCT", "JPXDecode":
		return data, nil
	case "JBIG2Decode":
		return nil, fmt.Errorf("a picture in JBIG2")
	}
	if width < 1 || height < 1 || width > maxPixels/height {
		return nil, fmt.Errorf("a picture of %d by %d pixels", width, height)
	}
	if last.name != "" {
		return faxFile(data, last.parms, width, height), nil
	}
	return f.sampleFile(data, s.dict, width, height)
}

// faxFile puts lines coded as by fax machines into a TIFF file.
func faxFile(data []byte, parms dict, width, height int) []byte {
	if columns, ok := parms.int("Columns"); ok {
		width = columns
	} else if parms["K"] != nil {
		width = 1728
	}
	k, _ := parms.int("K")
	compression, options := 4, 0
	if k >= 0 {
		compression = 3
	}
	if k > 0 {
		options = 1
	}
	white := 0 // the meaning of a bit that is not set
	if parms["BlackIs1"] == true {
		white = 1
	}
	tags := [][3]int{ // number, type (3: 16 bits, 4: 32), value
		{256, 4, width}, {257, 4, height}, {258, 3, 1}, {259, 3, compression}, {262, 3, white}, {273, 4, 0}, {277, 3, 1}, {278, 4, height}, {279, 4, len(data)}, {292, 4, options},
	}
	if compression == 4 {
		tags = tags[:len(tags)-1]
	}
	order := binary.LittleEndian
	b := order.AppendUint32([]byte("II*\x00"), 8)
	b = order.AppendUint16(b, uint16(len(tags)))
	for _, t := range tags {
		if t[0] == 273 {
			t[2] = 8 + 2 + 12*len(tags) + 4 // the data stands behind the tags
		}
		b = order.AppendUint16(b, uint16(t[0]))
		b = order.AppendUint16(b, uint16(t[1]))
		b = order.AppendUint32(b, 1)
		b = order.AppendUint32(b, uint32(t[2]))
	}
	return append(order.AppendUint32(b, 0), data...)
}

// sampleFile makes a PNG file of plain samples.
func (f *File) sampleFile(data []byte, d dict, width, height int) ([]byte, error) {
	bits, ok := d.int("BitsPerComponent")
	if d["ImageMask"] == true || !ok {
		bits = 1
	}
	channels, palette := f.colours(d["ColorSpace"])
	if bits != 1 && bits != 2 && bits != 4 && bits != 8 || channels == 0 {
		return nil, fmt.Errorf("a picture of %d bits and %d channels", bits, channels)
	}
	row := (width*channels*bits + 7) / 8
	if len(data) < row*height {
		return nil, fmt.Errorf("a picture of %d bytes instead of %d", len(data), row*height)
	}
	inverted := false
	if list := f.index.nums(d["Decode"]); len(list) > 0 {
		inverted = list[0] == 1
	}
	img := stdimage.NewRGBA(stdimage.Rect(0, 0, width, height))
	largest := 1<<bits - 1
	for y := range height {
		line := data[y*row:]
		sample := func(i int) int {
			v := int(line[i*bits/8]) >> (8 - bits - i*bits%8) & largest
			if inverted {
				v = largest - v
			}
			return v
		}
		for x := range width {
			var c [4]uint8
			for i := range channels {
				c[i] = uint8(sample(x*channels+i) * 255 / largest)
			}
			at := color.RGBA{c[0], c[1], c[2], 255}
			switch {
			case palette != nil:
				if i := 3 * sample(x); i+2 < len(palette) {
					at = color.RGBA{palette[i], palette[i+1], palette[i+2], 255}
				}
			case channels == 1:
				at = color.RGBA{c[0], c[0], c[0], 255}
			case channels == 4:
				r, g, b := color.CMYKToRGB(c[0], c[1], c[2], c[3])
				at = color.RGBA{r, g, b, 255}
			}
			img.SetRGBA(x, y, at)
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, img)
	return b.Bytes(), err
}

// colours returns the channels of a colour space, and the RGB palette of an indexed one. 0: one that is not known.
func (f *File) colours(v any) (channels int, palette []byte) {
	ix := f.index
	if v = ix.get(v); v == nil {
		return 1, nil
	}
	space := ix.list(v)
	space = append(space[:len(space):len(space)], make(array, max(4-len(space), 0))...)
	kind := cmp.Or(ix.name(v), ix.name(space[0]))
	switch kind {
	case "DeviceGray", "G", "CalGray":
		return 1, nil
	case "DeviceRGB", "RGB", "CalRGB", "Lab":
		return 3, nil
	case "DeviceCMYK", "CMYK":
		return 4, nil
	case "ICCBased":
		if n := int(ix.num(ix.dict(space[1])["N"])); n == 1 || n == 3 || n == 4 {
			return n, nil
		}
	case "Indexed", "I":
		if n, _ := f.colours(space[1]); n != 3 {
			return 0, nil
		}
		if s := ix.stream(space[3]); s != nil {
			palette, _ = f.decode(s)
			return 1, palette
		}
		text, _ := ix.get(space[3]).(string)
		return 1, []byte(text)
	}
	return 0, nil
}
