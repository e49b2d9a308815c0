// Command sealedreader opens an object of the sealed format. It is written from docs/format.md,
// section 14, with the standard library alone, to show that the document suffices for a reader.
//
// It writes the plaintext to standard output. When it fails, it exits with 1, and the first word on
// standard error is envelope, no-key, wrong-key, recipients, binding, integrity or range.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	chunk  = 16384      // C: a chunk of plaintext
	sealed = chunk + 16 // S: the same encrypted
	header = 56         // salt and commitment
)

// object is the file of -object. Without a name, -from-body accepts the one of the footer.
type object struct {
	Name     *string           `json:"name"`
	Context  map[string]string `json:"context"`
	Keys     []key             `json:"keys"`
	Metadata map[string]string `json:"metadata"`
	BodyFile string            `json:"body_file"`
}

// key is a master key: "aes" has Key, "rsa" the rest, all in hexadecimal.
type key struct {
	Type, Key, N, E, D, P, Q string
	Description              map[string]string
}

type recipient struct {
	algorithm   string
	description map[string]string
	wrapped     []byte
}

// envelope is all that the metadata, or the body alone, says about an object.
type envelope struct {
	flags, footerSize                int
	id, footerHash, salt, commitment []byte
	name                             string // only of a footer
	recipients                       []recipient
	signed, mac                      []byte // only of metadata
}

// message is a body with the keys that were found to be the right ones.
type message struct {
	*envelope
	body
	aead  cipher.AEAD
	nonce []byte
}

// failure ends the program; main says it.
type failure string

// check ends the program, with a word and a reason, if something is not as it must be.
func check(right bool, reason string) {
	if !right {
		panic(failure(reason))
	}
}

func main() {
	defer func() {
		cause := recover()
		if reason, told := cause.(failure); told {
			fmt.Fprintln(os.Stderr, reason)
			os.Exit(1)
		} else if cause != nil {
			panic(cause)
		}
	}()
	file := flag.String("object", "", "the `file` that tells of the object")
	start := flag.Int64("start", -1, "the first byte of a range")
	length := flag.Int64("length", -1, "the length of a range; to the end if not given")
	tail := flag.Int64("tail", -1, "the length of a range that is the end of the object")
	alone := flag.Bool("from-body", false, "open the object from its body alone")
	flag.Parse()
	var o object
	text, err := os.ReadFile(*file)
	check(err == nil && json.Unmarshal(text, &o) == nil, "usage: no file that tells of an object")
	opened, err := os.Open(o.BodyFile)
	check(err == nil, "usage: no body")
	info, err := opened.Stat()
	check(err == nil, "usage: no size of the body")
	b := body{opened, info.Size()}
	if *alone {
		os.Stdout.Write(o.open(b.envelope(), b).read(*start, *length, *tail))
	} else {
		os.Stdout.Write(o.open(parseMetadata(o.Metadata), b).read(*start, *length, *tail))
	}
}

// ---- Parsing: 14.2, 14.5 ----

// cursor takes a byte string apart.
type cursor struct{ rest []byte }

func (c *cursor) take(count int) []byte {
	check(count <= len(c.rest), "envelope: cut short")
	taken := c.rest[:count]
	c.rest = c.rest[count:]
	return taken
}

func (c *cursor) number(bytes int) (value int) {
	for _, digit := range c.take(bytes) {
		value = value<<8 | int(digit)
	}
	return value
}

func parseMetadata(metadata map[string]string) *envelope {
	foreign := regexp.MustCompile(
		`^(client-side-encryption-.*|oss-crypto-.*|oss-cek-alg|oss-wrap-alg|oss-matdesc)$`)
	values := map[string][]byte{}
	for name, text := range metadata {
		name = strings.ToLower(name)
		check(!foreign.MatchString(name), "envelope: a name of another envelope")
		if strings.HasPrefix(name, "cipherbucket-") {
			value, err := base64.StdEncoding.DecodeString(text)
			canonical := err == nil && base64.StdEncoding.EncodeToString(value) == text
			check(canonical && values[name] == nil, "envelope: not canonical, or there twice")
			values[name] = value
		}
	}
	seal, mac := values["cipherbucket-seal"], values["cipherbucket-mac"]
	recipients := values["cipherbucket-recipients"]
	check(len(values) == 3 && len(seal) == 112 && len(mac) == 32, "envelope: not the three names")
	c := &cursor{seal}
	version, flags, footerSize := c.number(2), c.number(2), c.number(4)
	check(version == 1 && flags <= 3, "envelope: another version, or unknown flags")
	check(56 <= footerSize && footerSize <= 65536, "envelope: a footer of no footer's size")
	e := &envelope{flags: flags, footerSize: footerSize, signed: join(seal, recipients), mac: mac}
	e.id, e.footerHash, e.salt, e.commitment = c.take(16), c.take(32), c.take(24), c.take(32)
	e.parseFields(recipients, false)
	return e
}

func parseFooter(footer []byte) *envelope {
	size := len(footer)
	check(size >= 56, "envelope: too short for a footer")
	c := &cursor{footer}
	version, flags, fields := c.number(2), c.number(2), c.take(size-16)
	check(version == 1 && flags <= 3, "envelope: another version, or unknown flags")
	check(c.number(4) == size && string(c.rest) == "CBSEALED", "envelope: no end of a footer")
	hash := sha256.Sum256(footer)
	e := &envelope{flags: flags, footerSize: size, footerHash: hash[:]}
	e.parseFields(fields, true)
	return e
}

func (e *envelope) parseFields(data []byte, inFooter bool) {
	last, named := 0, e.flags&1 != 0
	for c := (&cursor{data}); len(c.rest) > 0; {
		kind := c.number(2)
		value := c.take(c.number(4))
		check(kind > last || kind == 3 && last == 3, "envelope: fields out of order")
		last = kind
		switch {
		case kind == 1 && inFooter:
			check(len(value) == 16, "envelope: no object id")
			e.id = value
		case kind == 2 && inFooter && named:
			check(0 < len(value) && len(value) < 1024 && utf8.Valid(value), "envelope: no name")
			e.name = string(value)
		case kind == 3:
			e.recipients = append(e.recipients, e.parseRecipient(value))
		default:
			check(kind >= 0x8000 && inFooter, "envelope: a field of an unknown type")
		}
	}
	check(0 < len(e.recipients) && len(e.recipients) <= 16, "envelope: no recipient, or too many")
	check(e.id != nil && (e.name != "") == (named && inFooter), "envelope: a field is missing")
}

func (e *envelope) parseRecipient(value []byte) recipient {
	c := &cursor{value}
	algorithm, text, wrapped := c.take(c.number(2)), c.take(c.number(4)), c.take(c.number(4))
	form := regexp.MustCompile(`^[A-Z0-9][A-Z0-9-]{0,63}$`)
	check(len(c.rest) == 0 && form.Match(algorithm), "envelope: a malformed recipient")
	check(len(text) <= 8192, "envelope: too long a description")
	check(0 < len(wrapped) && len(wrapped) <= 8192, "envelope: no wrapped key, or too long a one")
	r := recipient{string(algorithm), parseDescription(text), wrapped}
	check(e.find(r.algorithm, r.description) == nil, "envelope: one recipient twice")
	return r
}

func (e *envelope) find(algorithm string, description map[string]string) *recipient {
	for i, r := range e.recipients {
		if r.algorithm == algorithm && maps.Equal(r.description, description) {
			return &e.recipients[i]
		}
	}
	return nil
}

// parseDescription refuses what section 5 refuses; encoding/json alone would let it pass.
func parseDescription(text []byte) map[string]string {
	description := map[string]string{}
	if len(bytes.Trim(text, " \t\r\n")) == 0 {
		return description
	}
	// Every escape but half of a surrogate pair.
	sound := regexp.MustCompile(
		`\\(u[dD][89abAB]..\\u[dD][c-fC-F]..|u[dD][0-7]..|u[^dD]...|[^u])`).ReplaceAll(text, nil)
	check(utf8.Valid(text) && json.Valid(text) && !bytes.ContainsRune(sound, '\\') &&
		bytes.TrimLeft(text, " \t\r\n")[0] == '{', "envelope: a description that is no JSON object")
	tokens := json.NewDecoder(bytes.NewReader(text))
	tokens.Token()
	for tokens.More() {
		name, _ := tokens.Token()
		value, _ := tokens.Token()
		content, isText := value.(string)
		_, twice := description[name.(string)]
		check(isText && !twice, "envelope: a description that is no mapping of texts")
		description[name.(string)] = content
	}
	return description
}

// ---- Keys: 14.3, 14.4 ----

func join(pieces ...[]byte) []byte { return bytes.Join(pieces, nil) }

// expand is HKDF-Expand with SHA-512 (RFC 5869, section 2.3).
func expand(secret []byte, label string, context []byte, length int) (out []byte) {
	var block []byte
	for counter := byte(1); len(out) < length; counter++ {
		mac := hmac.New(sha512.New, secret)
		mac.Write(join(block, []byte(label), context, []byte{counter}))
		block = mac.Sum(nil)
		out = append(out, block...)
	}
	return out[:length]
}

// unwrap returns the data key, out of the recipient that the first fitting key of the ring opens.
func (e *envelope) unwrap(ring []key) []byte {
	algorithms := map[string]string{"aes": "AES-256-KWP", "rsa": "RSA-OAEP-SHA-256"}
	for _, k := range ring {
		if r := e.find(algorithms[k.Type], k.Description); r != nil {
			return k.unwrap(e, r)
		}
	}
	panic(failure("no-key: no recipient has the algorithm and description of a key"))
}

func (k key) unwrap(e *envelope, r *recipient) []byte {
	context := join([]byte("cipherbucket/sealed/v1\x00"), e.id)
	if k.Type == "aes" {
		master, err := hex.DecodeString(k.Key)
		check(err == nil && len(master) == 32, "usage: the key has not 32 bytes")
		return unwrapPadded(expand(master, "cipherbucket/kek/v1/AES-256-KWP\x00", context, 32), r.wrapped)
	}
	numbers := make([]*big.Int, 5)
	for i, text := range []string{k.N, k.E, k.D, k.P, k.Q} {
		number, valid := new(big.Int).SetString(text, 16)
		check(valid, "usage: the key is not of hexadecimal numbers")
		numbers[i] = number
	}
	public := rsa.PublicKey{N: numbers[0], E: int(numbers[1].Int64())}
	private := &rsa.PrivateKey{PublicKey: public, D: numbers[2], Primes: numbers[3:]}
	private.Precompute()
	dataKey, err := rsa.DecryptOAEP(sha256.New(), nil, private, r.wrapped, context)
	check(err == nil && len(r.wrapped) == private.Size(), "wrong-key: it does not unwrap")
	check(len(dataKey) == 32, "wrong-key: what is unwrapped has not 32 bytes")
	return dataKey
}

// unwrapPadded is AES key unwrap with padding (RFC 5649) of 32 bytes, which have no padding.
func unwrapPadded(kek, wrapped []byte) []byte {
	check(len(wrapped) == 40, "wrong-key: what is unwrapped has not 32 bytes")
	block, _ := aes.NewCipher(kek)
	both, key := bytes.Clone(wrapped[:16]), bytes.Clone(wrapped[8:])
	for step := uint64(24); step > 0; step-- { // six times over four half blocks, backwards
		half := key[(step-1)%4*8:][:8]
		binary.BigEndian.PutUint64(both, binary.BigEndian.Uint64(both)^step)
		copy(both[8:], half)
		block.Decrypt(both, both)
		copy(half, both[8:])
	}
	unwraps := hmac.Equal(both[:8], []byte{0xa6, 0x59, 0x59, 0xa6, 0, 0, 0, 32})
	check(unwraps, "wrong-key: it does not unwrap")
	return key
}

// sized is u32 length | text, for one text after the other.
func sized(texts ...string) (out []byte) {
	for _, text := range texts {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(text))), text...)
	}
	return out
}

// derive returns key, base nonce and commitment under a name and the user's context.
func (e *envelope) derive(dataKey []byte, name string, user map[string]string) (k, n, c []byte) {
	if e.flags&1 == 0 {
		name = ""
	}
	var keys []string
	for key := range user {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if e.flags&2 == 0 {
		keys = nil
	}
	context := join(e.salt, []byte("cipherbucket/sealed/v1\x00"), e.footerHash)
	context = join(context, []byte{byte(e.flags & 1)}, sized(name))
	context = binary.BigEndian.AppendUint32(context, uint32(len(keys)))
	for _, key := range keys {
		context = append(context, sized(key, user[key])...)
	}
	out := expand(dataKey, "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00", context, 76)
	return out[:32], out[32:44], out[44:]
}

// open is steps 2 to 4 of reading. Without metadata there is no MAC to compare.
func (o *object) open(e *envelope, b body) *message {
	dataKey, name := e.unwrap(o.Keys), e.name
	if o.Name != nil {
		name = *o.Name
	}
	key, nonce, commitment := e.derive(dataKey, name, o.Context)
	committed := hmac.Equal(commitment, e.commitment)
	mac := hmac.New(sha256.New, expand(dataKey, "cipherbucket/metadata/v1", nil, 32))
	mac.Write(e.signed)
	authentic := e.mac == nil || hmac.Equal(mac.Sum(nil), e.mac)
	check(committed || authentic, "wrong-key: a wrong key, or the envelope was altered")
	check(committed, "binding: sealed under another name or another user context")
	check(authentic, "recipients: they were altered")
	block, _ := aes.NewCipher(key)
	aead, _ := cipher.NewGCM(block)
	return &message{e, b, aead, nonce}
}

// ---- Reading: 14.1, 14.6, 14.7 ----

type body struct {
	file   *os.File
	stored int64
}

func (b body) bytes(start, stop int64) []byte {
	data := make([]byte, stop-start)
	_, err := b.file.ReadAt(data, start)
	check(err == nil, "integrity: the body is cut short")
	return data
}

// envelope is that of the body alone.
func (b body) envelope() *envelope {
	check(b.stored >= 72+56, "envelope: the body is too short")
	end := &cursor{b.bytes(b.stored-12, b.stored)}
	size := int64(end.number(4))
	check(string(end.rest) == "CBSEALED", "envelope: the body has no footer")
	check(size <= 65536 && size <= b.stored-72, "envelope: a footer of no footer's size")
	e, head := parseFooter(b.bytes(b.stored-size, b.stored)), b.bytes(0, header)
	e.salt, e.commitment = head[:24], head[24:]
	return e
}

// checkEnds compares both ends of the body with the envelope of the metadata.
func (m *message) checkEnds() {
	footer := m.bytes(m.stored-int64(m.footerSize), m.stored)
	hash := sha256.Sum256(footer)
	check(bytes.Equal(hash[:], m.footerHash), "integrity: another footer")
	check(bytes.Equal(m.bytes(0, header), join(m.salt, m.commitment)), "integrity: another header")
	told := parseFooter(footer)
	agrees := bytes.Equal(told.id, m.id) && told.flags == m.flags
	check(agrees, "integrity: the footer contradicts the metadata")
}

// chunks fetches and opens the chunks from first up to and with last.
func (m *message) chunks(first, last int64) (plain []byte) {
	data := m.bytes(header+sealed*first, min(header+sealed*(last+1), m.stored-int64(m.footerSize)))
	for number := first; number <= last; number++ {
		nonce, piece := bytes.Clone(m.nonce), data[:min(sealed, len(data))]
		low := binary.BigEndian.Uint64(nonce[4:]) ^ uint64(number)
		binary.BigEndian.PutUint64(nonce[4:], low)
		opened, err := m.aead.Open(plain, nonce, piece, nil)
		check(err == nil, fmt.Sprintf("integrity: chunk %d does not open", number))
		plain, data = opened, data[len(piece):]
	}
	return plain
}

// read returns a range, or everything if nothing of it is given (is negative).
func (m *message) read(start, length, tail int64) []byte {
	between := m.stored - header - int64(m.footerSize)
	check(between >= 16 && between%sealed >= 16, "integrity: no plaintext has such a stored size")
	last := between / sealed
	size := last*chunk + between%sealed - 16 // a claim until the last chunk has been opened
	from, stop := max(start, 0), size
	if tail >= 0 {
		from = max(size-tail, 0)
	}
	if 0 <= length && from < size && length <= size-from {
		stop = from + length
	} else {
		m.chunks(last, last)
	}
	if start < 0 && tail < 0 {
		m.checkEnds()
	}
	check(from <= size, "range: it begins after the end")
	if from >= stop {
		return nil
	}
	plain := m.chunks(from/chunk, (stop-1)/chunk)
	return plain[from%chunk:][:stop-from]
}
