package ledger

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// A Hash is the SHA-256 of a batch and of everything written before it.
type Hash [sha256.Size]byte

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// genesis stands for the batch before the first.
var genesis = Hash(sha256.Sum256([]byte("tollgate ledger")))

// chainVersion is the first byte of what is hashed. It changes with the list of fields below.
const chainVersion = 1

// A Batch is what one Post wrote.
type Batch struct {
	ID        int64
	CreatedAt store.Time // when it was written
	Kind      string
	Actor     string
	Hash      Hash
	Entries   []Entry // with their ids, in the order given
}

// chained is the hash of a batch whose predecessor has the hash prev: of a version byte and then every field, preceded by its
// length so that no two batches encode alike. NULL has a length of its own.
func (b *Batch) chained(prev Hash) Hash {
	buf := b.appendHeader(make([]byte, 0, 512*(len(b.Entries)+1)), prev, len(b.Entries))
	for i := range b.Entries {
		buf = b.Entries[i].appendTo(buf)
	}
	return sha256.Sum256(buf)
}

// appendHeader is what is hashed before the entries.
func (b *Batch) appendHeader(buf []byte, prev Hash, entries int) []byte {
	buf = append(buf, chainVersion)
	buf = appendString(buf, string(prev[:]))
	buf = appendInt(buf, b.ID)
	buf = appendInt(buf, b.CreatedAt.UnixMicro())
	buf = appendString(buf, b.Kind)
	buf = appendString(buf, b.Actor)
	return appendInt(buf, int64(entries))
}

// appendTo is what is hashed of an entry: all that is stored, but the batch.
func (e *Entry) appendTo(buf []byte) []byte {
	buf = appendInt(buf, e.ID)
	buf = appendInt(buf, e.CreatedAt.UnixMicro())
	buf = appendString(buf, e.Descr)
	buf = appendNullable(buf, e.Event, e.Event != "")
	buf = appendLeg(buf, &e.Dest)
	buf = appendLeg(buf, &e.Orig)
	buf = appendNullableInt(buf, e.Payer, e.Payer != 0)
	buf = appendNullableInt(buf, e.Periods.V, e.Periods.Valid)
	buf = appendString(buf, e.Kind)
	return appendNullableInt(buf, e.Reverts, e.Reverts != 0)
}

func appendLeg(b []byte, l *Leg) []byte {
	b = appendInt(b, l.Profile)
	b = appendString(b, l.Account)
	b = appendInt(b, l.Amount)
	return appendString(b, l.Unit)
}

const nullLength = 1<<32 - 1

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

func appendInt(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, 8), uint64(v))
}

func appendNullable(b []byte, s string, ok bool) []byte {
	if !ok {
		return binary.BigEndian.AppendUint32(b, nullLength)
	}
	return appendString(b, s)
}

func appendNullableInt(b []byte, v int64, ok bool) []byte {
	if !ok {
		return binary.BigEndian.AppendUint32(b, nullLength)
	}
	return appendInt(b, v)
}

// An Anchor names a batch and its hash. Kept outside of the database (a log, a backup, an export), it proves later that the
// books still begin with everything they held then: the chain alone cannot see that its end was cut off.
type Anchor struct {
	Batch int64
	Hash  Hash
}

// String is "<batch>:<hash in hexadecimal>".
func (a Anchor) String() string { return strconv.FormatInt(a.Batch, 10) + ":" + a.Hash.String() }

// ParseAnchor reads what String prints.
func ParseAnchor(s string) (Anchor, error) {
	number, digits, _ := strings.Cut(s, ":")
	batch, err := strconv.ParseInt(number, 10, 64)
	hash, hexErr := hex.DecodeString(digits)
	if err != nil || hexErr != nil || batch < 0 || len(hash) != sha256.Size {
		return Anchor{}, fmt.Errorf("ledger: %q is not an anchor", s)
	}
	return Anchor{batch, Hash(hash)}, nil
}

// Head is the anchor of the last batch; batch 0 in empty books.
func Head(r store.Reader) (Anchor, error) {
	a, _, err := head(r)
	return a, err
}

// head returns the last batch, and the id of the last entry.
func head(r store.Reader) (Anchor, int64, error) {
	var a Anchor
	var hash []byte
	var last int64
	err := r.QueryRow(`SELECT id, hash, first_id + nb_entries - 1 FROM batch ORDER BY id DESC LIMIT 1`).Scan(&a.Batch, &hash, &last)
	if errors.Is(err, sql.ErrNoRows) {
		return Anchor{Hash: genesis}, 0, nil
	}
	if err != nil {
		return Anchor{}, 0, err
	}
	if len(hash) != sha256.Size {
		return Anchor{}, 0, fmt.Errorf("ledger: batch %d has no hash", a.Batch)
	}
	a.Hash = Hash(hash)
	return a, last, nil
}

// ErrAnchor says that the books do not hold the batch of an anchor: their end was cut off, or they were written anew.
var ErrAnchor = errors.New("ledger: the books do not continue the anchor")

// VerifyAnchor checks that the books hold the anchored batch. Together with Verify, which proves that the chain is whole, it
// proves that nothing up to the anchor has changed. The error is ErrAnchor.
func VerifyAnchor(r store.Reader, a Anchor) error {
	hash := genesis[:]
	if a.Batch != 0 {
		err := r.QueryRow(`SELECT hash FROM batch WHERE id = ?`, a.Batch).Scan(&hash)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrAnchor
		}
		if err != nil {
			return err
		}
	}
	if string(hash) != string(a.Hash[:]) {
		return ErrAnchor
	}
	return nil
}
