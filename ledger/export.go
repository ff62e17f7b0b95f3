package ledger

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// A Format is a plain-text accounting format.
type Format string

// Formats of Export, by the program that reads them.
const (
	HLedger   Format = "hledger"
	LedgerCLI Format = "ledger"
	Beancount Format = "beancount"
)

// ErrFormat says that a format is not known.
var ErrFormat = errors.New("ledger: the formats are hledger, ledger and beancount")

// ParseFormat reads the name of a format. The error is ErrFormat.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case HLedger, LedgerCLI, Beancount:
		return f, nil
	}
	return "", ErrFormat
}

// Export writes the books as they are when it starts, as a journal that f's program reads: one balanced transaction an entry,
// in the order of ids, each with its id, batch, kind, event and exact date, in accounts "<profile>:<account>" (in the five
// categories of beancount, "Assets:<Profile>:<Account>"). Units are upper-case commodities. What two units exchange goes through
// an account of its own. The head of the chain is in the first lines.
//
// It reads in short snapshots, so it may run beside writers and write to a slow receiver, and its memory does not grow with the
// books. The error is ErrFormat, ctx's, the store's or w's.
func Export(ctx context.Context, s *store.Store, w io.Writer, f Format) error {
	if _, err := ParseFormat(string(f)); err != nil {
		return err
	}
	j := &journal{format: f, w: bufio.NewWriterSize(w, 1<<16)}
	var end int64
	err := s.Read(ctx, func(r store.Reader) error {
		anchor, last, err := head(r)
		if err != nil {
			return err
		}
		end = last
		var first store.Time
		if err := r.QueryRow(`SELECT MIN(created_at) FROM txn`).Scan(&first); err != nil {
			return err
		}
		units, err := unitsOf(r)
		if err != nil {
			return err
		}
		j.begin(anchor, r.Now(), first, units)
		return nil
	})
	if err != nil {
		return err
	}
	if err := j.accounts(ctx, s); err != nil {
		return err
	}
	for after := int64(0); after < end; {
		var page []journalEntry
		err := s.Read(ctx, func(r store.Reader) (err error) {
			page, err = journalEntries(r, after, end)
			return err
		})
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return fmt.Errorf("ledger: the entries after %d are missing", after)
		}
		for i := range page {
			j.entry(&page[i])
		}
		after = page[len(page)-1].ID
	}
	return j.w.Flush()
}

// A journalEntry is an entry with what its ids stand for.
type journalEntry struct {
	Entry
	dest, orig string // slugs
	writtenAt  store.Time
	actor      string
	hash       []byte
}

const exportPage = 2000

func journalEntries(r store.Reader, after, upTo int64) ([]journalEntry, error) {
	list := make([]journalEntry, 0, exportPage)
	err := each(r, func(scan func(...any) error) (err error) {
		var e journalEntry
		e.Entry, err = ScanEntry(scan, &e.dest, &e.orig, &e.writtenAt, &e.actor, &e.hash)
		list = append(list, e)
		return err
	}, `SELECT `+Columns+`, COALESCE(d.slug, 'profile-' || CAST(t.dest_profile_id AS TEXT)),
			COALESCE(o.slug, 'profile-' || CAST(t.orig_profile_id AS TEXT)), b.created_at, b.actor, b.hash
		FROM txn AS t JOIN batch AS b ON b.id = t.batch_id
		LEFT JOIN profile AS d ON d.id = t.dest_profile_id LEFT JOIN profile AS o ON o.id = t.orig_profile_id
		WHERE t.id > ? AND t.id <= ? ORDER BY t.id LIMIT ?`, after, upTo, exportPage)
	return list, err
}

func unitsOf(r store.Reader) (units []string, err error) {
	err = each(r, func(scan func(...any) error) error {
		var unit string
		err := scan(&unit)
		units = append(units, unit)
		return err
	}, `SELECT DISTINCT unit FROM balance ORDER BY unit`)
	return units, err
}

// journal writes in one of the formats. Errors of writing stay in w until it is flushed.
type journal struct {
	format Format
	w      *bufio.Writer
	buf    []byte
	opened string // date of the first entry, for beancount
	batch  int64  // of the entry before
}

func (j *journal) begin(a Anchor, now, first store.Time, units []string) {
	fmt.Fprintf(j.w, "; Tollgate, exported at %s\n; chain %s\n\n", now, a)
	if first.IsZero() {
		first = now
	}
	j.opened = first.Format(time.DateOnly)
	if j.format == LedgerCLI {
		for _, tag := range []string{"entry", "batch", "kind", "event", "at", "reverts"} {
			fmt.Fprintf(j.w, "tag %s\n", tag)
		}
	}
	for _, unit := range units {
		switch unit = strings.ToUpper(unit); j.format {
		case HLedger:
			fmt.Fprintf(j.w, "commodity 1000.00 %s\n", unit)
		case LedgerCLI:
			fmt.Fprintf(j.w, "commodity %s\n", unit)
		case Beancount:
			fmt.Fprintf(j.w, "%s commodity %s\n", j.opened, unit)
		}
	}
}

// accounts declares every account that has entries.
func (j *journal) accounts(ctx context.Context, s *store.Store) error {
	j.account(j.exchange())
	var profile int64
	var account, unit, declared string
	for more := true; more; {
		var names []string
		err := s.Read(ctx, func(r store.Reader) error {
			n := 0
			err := each(r, func(scan func(...any) error) error {
				var slug sql.Null[string]
				if err := scan(&profile, &account, &unit, &slug); err != nil {
					return err
				}
				n++
				if !slug.Valid {
					slug.V = "profile-" + strconv.FormatInt(profile, 10)
				}
				if name := j.name(slug.V, account); name != declared {
					names = append(names, name)
					declared = name
				}
				return nil
			}, `SELECT b.profile_id, b.account, b.unit, p.slug FROM balance AS b LEFT JOIN profile AS p ON p.id = b.profile_id
				WHERE (b.profile_id, b.account, b.unit) > (?, ?, ?) ORDER BY b.profile_id, b.account, b.unit LIMIT ?`,
				profile, account, unit, exportPage)
			more = n == exportPage
			return err
		})
		if err != nil {
			return err
		}
		for _, name := range names {
			j.account(name)
		}
	}
	return nil
}

func (j *journal) account(name string) {
	if j.format == Beancount {
		fmt.Fprintf(j.w, "%s open %s\n", j.opened, name)
	} else {
		fmt.Fprintf(j.w, "account %s\n", name)
	}
}

func (j *journal) entry(e *journalEntry) {
	b := j.buf[:0]
	if e.Batch != j.batch {
		j.batch = e.Batch
		b = fmt.Appendf(b, "\n; batch %d, %s by %s, %x\n", e.Batch, e.writtenAt, oneLine(e.actor), e.hash)
	}
	b = append(b, '\n')
	b = e.CreatedAt.Time.AppendFormat(b, time.DateOnly)
	if j.format == Beancount {
		b = append(b, ` * "`...)
		b = append(b, quotedText.Replace(oneLine(e.Descr))...)
		b = append(b, "\"\n"...)
	} else {
		b = append(b, " * ("...)
		b = strconv.AppendInt(b, e.ID, 10)
		b = append(b, ") "...)
		b = append(b, strings.ReplaceAll(oneLine(e.Descr), ";", ",")...)
		b = append(b, '\n')
	}
	b = j.tagInt(b, "entry", e.ID)
	b = j.tagInt(b, "batch", e.Batch)
	b = j.tag(b, "kind", e.Kind)
	b = j.tag(b, "event", e.Event)
	b = j.tag(b, "at", e.CreatedAt.String())
	if e.Reverts != 0 {
		b = j.tagInt(b, "reverts", e.Reverts)
	}
	b = j.posting(b, j.name(e.dest, e.Dest.Account), false, e.Dest)
	b = j.posting(b, j.name(e.orig, e.Orig.Account), true, e.Orig)
	if e.Dest.Unit != e.Orig.Unit {
		b = j.posting(b, j.exchange(), true, e.Dest)
		b = j.posting(b, j.exchange(), false, e.Orig)
	}
	j.w.Write(b)
	j.buf = b
}

func (j *journal) tagInt(b []byte, key string, v int64) []byte {
	if j.format == Beancount {
		return fmt.Appendf(b, "  %s: %d\n", key, v)
	}
	return j.tag(b, key, strconv.FormatInt(v, 10))
}

func (j *journal) tag(b []byte, key, value string) []byte {
	switch {
	case value == "":
		return b
	case j.format == Beancount:
		return fmt.Appendf(b, "  %s: \"%s\"\n", key, quotedText.Replace(oneLine(value)))
	}
	return fmt.Appendf(b, "    ; %s: %s\n", key, oneLine(value))
}

func (j *journal) posting(b []byte, account string, credit bool, l Leg) []byte {
	b = append(b, "    "...)
	b = append(b, account...)
	b = append(b, "  "...)
	if credit && l.Amount != 0 {
		b = append(b, '-')
	}
	b = appendHundredths(b, uint64(l.Amount))
	b = append(b, ' ')
	b = append(b, strings.ToUpper(l.Unit)...)
	return append(b, '\n')
}

// exchange is the account through which two units exchange.
func (j *journal) exchange() string {
	if j.format == Beancount {
		return "Equity:Exchange"
	}
	return "equity:exchange"
}

// name is the account of a profile in the journal.
func (j *journal) name(slug, account string) string {
	if j.format != Beancount {
		return escaped(slug) + ":" + escaped(account)
	}
	category, ok := categories[account]
	if !ok {
		category = "Assets" // an importer's, as in "Cash"
	}
	return category + ":" + component(slug) + ":" + component(account)
}

// categories are those of beancount.
var categories = map[string]string{
	AccountFunds: "Assets", AccountOffline: "Assets", AccountReceivable: "Assets", AccountWithdraw: "Assets",
	AccountPayable: "Liabilities", AccountLiability: "Liabilities", AccountBacklog: "Liabilities",
	AccountIncome: "Income", AccountRefunded: "Income",
	AccountExpenses: "Expenses", AccountWriteoff: "Expenses", AccountRefund: "Expenses", AccountChargeback: "Expenses",
	AccountCanceled: "Equity", AccountSettled: "Equity",
}

// escaped is a name as hledger and ledger take it: what is not a letter, a digit, '-' or '_' is written as %XX.
func escaped(name string) string {
	if strings.Trim(name, plainCharacters) == "" {
		return name
	}
	var b strings.Builder
	for i := range len(name) {
		if strings.IndexByte(plainCharacters, name[i]) >= 0 {
			b.WriteByte(name[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", name[i])
		}
	}
	return b.String()
}

const plainCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// component is a name as a part of a beancount account: it begins with a capital or a digit, and holds letters, digits and '-'.
// Names are lower-cased (slugs are unique in any case) so that capitals are free to stand for the rest: U for '_', X and two
// digits for any other byte. So two names never share an account.
func component(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			c |= 0x20
			if i == 0 {
				c &^= 0x20
			}
			b.WriteByte(c)
		case c >= '0' && c <= '9':
			b.WriteByte(c)
		case c == '-' && i > 0:
			b.WriteByte(c)
		default:
			if i == 0 {
				b.WriteByte('X') // twice, where a capital is no escape yet
			}
			if c == '_' {
				b.WriteByte('U')
			} else {
				fmt.Fprintf(&b, "X%02x", c)
			}
		}
	}
	return b.String()
}

// oneLine is a text without line ends and other control characters.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s))
}

var quotedText = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
