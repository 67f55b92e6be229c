package pdf

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rc4"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
)

// decrypter undoes the standard security handler (PDF 32000-2, 7.6), revisions
// 2 to 6: RC4 and AES with 40 to 256 bits. A nil decrypter leaves data alone.
type decrypter struct {
	key      []byte
	streams  method
	strings  method
	metadata bool // whether XMP metadata is encrypted too
}

type method uint8

const (
	identity method = iota
	rc4Method
	aesV2 // 128 bits, the key mixed with the object's number
	aesV3 // 256 bits, one key for all objects
)

var passwordPad = []byte("\x28\xBF\x4E\x5E\x4E\x75\x8A\x41\x64\x00\x4E\x56\xFF\xFA\x01\x08" +
	"\x2E\x2E\x00\xB6\xD0\x68\x3E\x80\x2F\x0C\xA9\xFE\x64\x53\x69\x7A")

// encryption is the dictionary in the terms of the algorithms.
type encryption struct {
	revision int
	keyLen   int // bytes
	o, u     []byte
	oe, ue   []byte
	perms    uint32
	id       []byte
	metadata bool
}

// newDecrypter opens the handler with the given password, as user or owner, or
// with the empty one that most encrypted files accept.
func newDecrypter(ix *index, enc dict, id any, password string) (*decrypter, error) {
	if f := enc.name("Filter"); f != "Standard" && f != "" {
		return nil, fmt.Errorf("%w: by the security handler %q, which needs its own software", ErrEncrypted, f)
	}
	version, _ := enc.int("V")
	revision, _ := enc.int("R")
	bits, ok := enc.int("Length")
	if !ok || bits < 40 {
		bits = 40
	}
	d := &decrypter{streams: rc4Method, strings: rc4Method, metadata: true}
	if version >= 4 {
		filters := ix.dict(enc["CF"])
		var err1, err2 error
		d.streams, err1 = cryptMethod(ix, filters, enc.name("StmF"))
		d.strings, err2 = cryptMethod(ix, filters, enc.name("StrF"))
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		bits = 128
	}
	if m, ok := enc["EncryptMetadata"].(bool); ok {
		d.metadata = m
	}
	str := func(key string) []byte { s, _ := ix.get(enc[key]).(string); return []byte(s) }
	p := ix.num(enc["P"])
	e := encryption{
		revision: revision, keyLen: min(bits/8, 16), metadata: d.metadata,
		o: str("O"), u: str("U"), oe: str("OE"), ue: str("UE"), perms: uint32(int64(p)),
	}
	if list, ok := ix.get(id).(array); ok && len(list) > 0 {
		s, _ := ix.get(list[0]).(string)
		e.id = []byte(s)
	}
	switch {
	case revision < 2 || revision > 6:
		return nil, fmt.Errorf("%w: with revision %d of the standard handler, which is unknown", ErrEncrypted, revision)
	case revision >= 5 && (len(e.o) < 48 || len(e.u) < 48 || len(e.oe) < 32 || len(e.ue) < 32),
		revision < 5 && (len(e.o) < 32 || len(e.u) < 32):
		return nil, fmt.Errorf("%w: encryption dictionary is incomplete", ErrMalformed)
	}
	if revision == 2 {
		e.keyLen = 5
	}
	for _, pw := range []string{password, ""} {
		if d.key = e.open([]byte(pw)); d.key != nil {
			return d, nil
		}
	}
	if password == "" {
		return nil, fmt.Errorf("%w: a password is needed", ErrEncrypted)
	}
	return nil, fmt.Errorf("%w: the password does not open it", ErrEncrypted)
}

func cryptMethod(ix *index, filters dict, name string) (method, error) {
	if name == "" || name == "Identity" {
		return identity, nil
	}
	cfm := ix.dict(filters[name]).name("CFM")
	m, known := map[string]method{"None": identity, "V2": rc4Method, "AESV2": aesV2, "AESV3": aesV3}[cfm]
	if !known {
		return 0, fmt.Errorf("%w: with the unknown method %q", ErrEncrypted, cfm)
	}
	return m, nil
}

// open returns the file key, or nil when the password is wrong.
func (e *encryption) open(password []byte) []byte {
	if e.revision >= 5 {
		return e.open256(password)
	}
	if key := e.openUser(password); key != nil {
		return key
	}
	return e.openUser(e.userFromOwner(password))
}

func pad(password []byte) []byte {
	return append(bytes.Clone(password), passwordPad...)[:32]
}

// openUser is algorithms 2, 4 and 5.
func (e *encryption) openUser(password []byte) []byte {
	h := md5.New()
	h.Write(pad(password))
	h.Write(e.o[:32])
	h.Write(binary.LittleEndian.AppendUint32(nil, e.perms))
	h.Write(e.id)
	if e.revision >= 4 && !e.metadata {
		h.Write([]byte{255, 255, 255, 255})
	}
	key := h.Sum(nil)
	if e.revision >= 3 {
		for range 50 {
			sum := md5.Sum(key[:e.keyLen])
			copy(key, sum[:])
		}
	}
	key = key[:e.keyLen]
	if e.revision == 2 {
		if !bytes.Equal(rc4With(key, passwordPad), e.u[:32]) {
			return nil
		}
		return key
	}
	sum := md5.Sum(append(bytes.Clone(passwordPad), e.id...))
	check := rc4With(key, sum[:])
	for i := 1; i <= 19; i++ {
		check = rc4With(xored(key, byte(i)), check)
	}
	if !bytes.Equal(check, e.u[:16]) {
		return nil
	}
	return key
}

// userFromOwner is algorithm 7: the owner's password decrypts the user's.
func (e *encryption) userFromOwner(password []byte) []byte {
	sum := md5.Sum(pad(password))
	if e.revision == 2 {
		return rc4With(sum[:e.keyLen], e.o[:32])
	}
	for range 50 {
		sum = md5.Sum(sum[:])
	}
	user := e.o[:32]
	for i := 19; i >= 0; i-- {
		user = rc4With(xored(sum[:e.keyLen], byte(i)), user)
	}
	return user
}

func rc4With(key, data []byte) []byte {
	out := make([]byte, len(data))
	if c, err := rc4.NewCipher(key); err == nil {
		c.XORKeyStream(out, data)
	}
	return out
}

func xored(key []byte, x byte) []byte {
	out := bytes.Clone(key)
	for i := range out {
		out[i] ^= x
	}
	return out
}

// open256 is algorithm 2.A of revisions 5 and 6: the user's or the owner's
// password opens a box with the file key.
func (e *encryption) open256(password []byte) []byte {
	password = password[:min(len(password), 127)]
	boxes := []struct{ entry, box, extra []byte }{
		{e.u, e.ue, nil},
		{e.o, e.oe, e.u[:48]},
	}
	for _, b := range boxes {
		validation, keySalt := b.entry[32:40], b.entry[40:48]
		if !bytes.Equal(e.hash256(password, validation, b.extra), b.entry[:32]) {
			continue
		}
		block, err := aes.NewCipher(e.hash256(password, keySalt, b.extra))
		if err != nil {
			return nil
		}
		key := make([]byte, 32)
		cipher.NewCBCDecrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(key, b.box[:32])
		return key
	}
	return nil
}

// hash256 is SHA-256 in revision 5 and algorithm 2.B in revision 6.
func (e *encryption) hash256(password, salt, extra []byte) []byte {
	sum := sha256.Sum256(bytes.Join([][]byte{password, salt, extra}, nil))
	if e.revision == 5 {
		return sum[:]
	}
	k := sum[:]
	for round := 0; ; round++ {
		data := bytes.Repeat(bytes.Join([][]byte{password, k, extra}, nil), 64)
		block, err := aes.NewCipher(k[:16])
		if err != nil {
			return nil
		}
		cipher.NewCBCEncrypter(block, k[16:32]).CryptBlocks(data, data)
		remainder := 0
		for _, b := range data[:16] {
			remainder += int(b)
		}
		next := []func() hash.Hash{sha256.New, sha512.New384, sha512.New}[remainder%3]()
		next.Write(data)
		k = next.Sum(nil)
		if round >= 63 && int(data[len(data)-1]) <= round-31 {
			return k[:32]
		}
	}
}

// stream decrypts the raw bytes of s.
func (d *decrypter) stream(s *stream, raw []byte) []byte {
	if d == nil {
		return raw
	}
	kind := s.dict.name("Type")
	if kind == "XRef" || kind == "Metadata" && !d.metadata || hasCryptFilter(s.dict) {
		return raw
	}
	return d.decrypt(d.streams, s.ref, raw)
}

// isReadable tells of what was appended to an encrypted file without its key:
// ciphertext is never text.
func isReadable(raw []byte) bool {
	const shortest, most = 16, 1024
	raw = raw[:min(len(raw), most)]
	odd := 0
	for _, c := range raw {
		if !isPlain(c) {
			odd++
		}
	}
	return 8*odd <= len(raw)-shortest
}

// hasCryptFilter tells of a stream that names its own method; writers do that
// only to leave it in the clear.
func hasCryptFilter(d dict) bool {
	list, ok := d["Filter"].(array)
	if !ok {
		return d.name("Filter") == "Crypt"
	}
	return len(list) > 0 && list[0] == nameObj("Crypt")
}

func (d *decrypter) string(r ref, raw string) string {
	if d == nil {
		return raw
	}
	return string(d.decrypt(d.strings, r, []byte(raw)))
}

func (d *decrypter) decrypt(m method, r ref, raw []byte) []byte {
	if isReadable(raw) {
		return raw
	}
	switch m {
	case rc4Method:
		return rc4With(d.objectKey(r, false), raw)
	case aesV2:
		return unCBC(d.objectKey(r, true), raw)
	case aesV3:
		return unCBC(d.key, raw)
	}
	return raw
}

func (d *decrypter) objectKey(r ref, salt bool) []byte {
	seed := append(bytes.Clone(d.key), byte(r.num), byte(r.num>>8), byte(r.num>>16), byte(r.gen), byte(r.gen>>8))
	if salt {
		seed = append(seed, "sAlT"...)
	}
	sum := md5.Sum(seed)
	return sum[:min(len(d.key)+5, 16)]
}

// unCBC decrypts AES-CBC with the initial vector in front. A length that is no
// multiple of the block size loses the odd tail, as in other readers.
func unCBC(key, raw []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil || len(raw) < 2*aes.BlockSize {
		return nil
	}
	iv, body := raw[:aes.BlockSize], raw[aes.BlockSize:]
	out := bytes.Clone(body[:len(body)/aes.BlockSize*aes.BlockSize])
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, out)
	if n := int(out[len(out)-1]); n >= 1 && n <= aes.BlockSize {
		out = out[:len(out)-n]
	}
	return out
}
