package pdf

import (
	"bytes"
	"cmp"
	"compress/flate"
	"compress/lzw"
	"compress/zlib"
	"encoding/ascii85"
	"errors"
	"fmt"
	"io"
	"sync"

	earlylzw "golang.org/x/image/tiff/lzw" // its codes grow one entry early, as PDF's do
)

var errTooLong = errors.New("decoded stream is over the size limit")

// filter is one step of a stream's decoding.
type filter struct {
	name  string
	parms dict
}

// filters reads the chain from a stream's dictionary.
func (ix *index) filters(d dict) (chain []filter) {
	names, parms := ix.get(cmp.Or(d["Filter"], d["F"])), ix.get(cmp.Or(d["DecodeParms"], d["DP"]))
	list, several := names.(array)
	if !several && names != nil {
		list = array{names}
	}
	parmList, several := parms.(array)
	if !several {
		parmList = array{parms}
	}
	for i, v := range list {
		f := filter{name: ix.name(v)}
		if i < len(parmList) {
			f.parms = ix.dict(parmList[i])
		}
		chain = append(chain, f)
	}
	return chain
}

// maxFilters is more than any writer chains; a longer list is an attack.
const maxFilters = 8

// decode undoes a chain of filters. It returns what it could decode together
// with the first error, for a damaged end need not cost the beginning.
func decode(data []byte, chain []filter, limit int) ([]byte, error) {
	if len(chain) > maxFilters {
		return nil, fmt.Errorf("%d filters on one stream", len(chain))
	}
	var errs []error
	for _, f := range chain {
		var err error
		if data, err = f.apply(data, limit); err != nil {
			errs = append(errs, err)
		}
		if data == nil {
			break
		}
	}
	return data, errors.Join(errs...)
}

func (f filter) apply(data []byte, limit int) ([]byte, error) {
	var out []byte
	var err error
	switch f.name {
	case "FlateDecode", "Fl":
		out, err = inflate(data, limit)
	case "LZWDecode", "LZW":
		codes := io.Reader(earlylzw.NewReader(bytes.NewReader(data), earlylzw.MSB, 8))
		if f.parms["EarlyChange"] == 0.0 {
			codes = lzw.NewReader(bytes.NewReader(data), lzw.MSB, 8)
		}
		if out, err = readLimited(codes, limit); errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil // the mark of the end is missing
		}
	case "ASCIIHexDecode", "AHx":
		l := lexer{data: data}
		return l.hex(), nil
	case "ASCII85Decode", "A85":
		return unASCII85(data, limit)
	case "RunLengthDecode", "RL":
		return unRunLength(data, limit)
	case "Crypt":
		return data, nil
	default:
		return nil, fmt.Errorf("filter %q holds no text", f.name)
	}
	if p, ok := f.parms.int("Predictor"); ok && p > 1 {
		restored, perr := unpredict(out, p, f.parms)
		return restored, errors.Join(err, perr)
	}
	return out, err
}

// buffers take what streams decode to until its length is known.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxKeptBytes is more than most streams need; a larger buffer is not kept.
const maxKeptBytes = 4 << 20

// readLimited keeps what was read before an error.
func readLimited(r io.Reader, limit int) ([]byte, error) {
	b := buffers.Get().(*bytes.Buffer)
	defer func() {
		if b.Cap() <= maxKeptBytes {
			b.Reset()
			buffers.Put(b)
		}
	}()
	n, err := io.Copy(b, io.LimitReader(r, int64(limit)+1))
	if n > int64(limit) {
		b.Truncate(limit)
		err = errTooLong
	}
	return bytes.Clone(b.Bytes()), err
}

// inflater reads zlib data. Its window and tables are larger than most streams,
// so it is used again.
type inflater struct {
	src bytes.Reader
	io.ReadCloser
}

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

func (z *inflater) reset(data []byte) (err error) {
	z.src.Reset(data)
	if z.ReadCloser == nil {
		z.ReadCloser, err = zlib.NewReader(&z.src)
		return err
	}
	return z.ReadCloser.(zlib.Resetter).Reset(&z.src, nil)
}

func inflate(data []byte, limit int) ([]byte, error) {
	zr := inflaters.Get().(*inflater)
	defer func() {
		zr.src.Reset(nil) // the file must not live on with it
		inflaters.Put(zr)
	}()
	err := zr.reset(data)
	if err == nil {
		out, err := readLimited(zr, limit)
		if len(out) > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil // every viewer shows what is there
		}
		return out, err
	}
	if len(data) < 2 {
		return nil, err
	}
	// A damaged zlib header often stands before sound deflate data.
	out, rawErr := readLimited(flate.NewReader(bytes.NewReader(data[2:])), limit)
	if len(out) > 0 {
		return out, rawErr
	}
	return nil, err
}

func unASCII85(data []byte, limit int) ([]byte, error) {
	clean := make([]byte, 0, len(data))
	for _, c := range bytes.TrimPrefix(bytes.TrimSpace(data), []byte("<~")) {
		if c == '~' {
			break
		}
		if c >= '!' && c <= 'u' || c == 'z' {
			clean = append(clean, c)
		}
	}
	return readLimited(ascii85.NewDecoder(bytes.NewReader(clean)), limit)
}

func unRunLength(data []byte, limit int) ([]byte, error) {
	var out []byte
	for i := 0; i < len(data) && data[i] != 128; {
		n := int(data[i])
		i++
		if n < 128 {
			end := min(i+n+1, len(data))
			out = append(out, data[i:end]...)
			i = end
		} else if i < len(data) {
			out = append(out, bytes.Repeat(data[i:i+1], 257-n)...)
			i++
		}
		if len(out) > limit {
			return out[:limit], errTooLong
		}
	}
	return out, nil
}

// unpredict undoes PNG (10 and up) and TIFF (2) prediction in place.
func unpredict(data []byte, predictor int, parms dict) ([]byte, error) {
	get := func(key string, def int) int {
		if v, ok := parms.int(key); ok {
			return v
		}
		return def
	}
	columns, colors, bits := get("Columns", 1), get("Colors", 1), get("BitsPerComponent", 8)
	if columns < 1 || colors < 1 || colors > 32 || bits < 1 || bits > 16 || columns > len(data)*8 {
		return nil, fmt.Errorf("predictor with %d columns of %d×%d bits on %d bytes", columns, colors, bits, len(data))
	}
	pixel := max(colors*bits/8, 1)
	row := (columns*colors*bits + 7) / 8
	if predictor == 2 {
		if bits != 8 {
			return nil, fmt.Errorf("TIFF predictor with %d bits", bits)
		}
		for start := 0; start+row <= len(data); start += row {
			for i := start + pixel; i < start+row; i++ {
				data[i] += data[i-pixel]
			}
		}
		return data, nil
	}
	out := data[:0] // each row loses its tag, so writing stays behind reading
	above := make([]byte, row)
	for len(data) > 1 {
		tag, line := data[0], data[1:min(row+1, len(data))]
		data = data[1+len(line):]
		if err := unfilterRow(tag, line, above, pixel); err != nil {
			return out, err
		}
		copy(above, line)
		out = append(out, line...)
	}
	return out, nil
}

func unfilterRow(tag byte, line, above []byte, pixel int) error {
	if tag > 4 {
		return fmt.Errorf("PNG row filter %d", tag)
	}
	for i := range line {
		var left, diagonal byte
		if i >= pixel {
			left, diagonal = line[i-pixel], above[i-pixel]
		}
		switch tag {
		case 1:
			line[i] += left
		case 2:
			line[i] += above[i]
		case 3:
			line[i] += byte((int(left) + int(above[i])) / 2)
		case 4:
			line[i] += paeth(left, above[i], diagonal)
		}
	}
	return nil
}

func paeth(left, up, diagonal byte) byte {
	l, u, d := int(left), int(up), int(diagonal)
	p := l + u - d
	a, b, c := max(p-l, l-p), max(p-u, u-p), max(p-d, d-p)
	switch {
	case a <= b && a <= c:
		return left
	case b <= c:
		return up
	}
	return diagonal
}
