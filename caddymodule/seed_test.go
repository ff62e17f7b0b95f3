package caddymodule

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api"
	"github.com/caddy-tollgate/tollgate/api/auth"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/store"
)

// A seed is the data that golden scenarios start from, as seed.json has it.
type seed struct {
	Clock     time.Time `json:"clock"`
	Processor struct {
		Slug     string `json:"slug"`
		FullName string `json:"full_name"`
	} `json:"processor"`
	Broker     string `json:"broker"`
	Agreements []struct {
		Slug, Title string
		UpdatedAt   time.Time `json:"updated_at"`
	} `json:"agreements"`
	RoleDescriptions []struct {
		Slug, Title       string
		Profile           *string
		CreatedAt         time.Time `json:"created_at"`
		SkipOptinOnGrant  bool      `json:"skip_optin_on_grant"`
		ImplicitOnNone    bool      `json:"implicit_create_on_none"`
		OTPRequiredOnRole bool      `json:"otp_required"`
	} `json:"role_descriptions"`
	Users []struct {
		Username, Email string
		Password        *string
		IsActive        bool      `json:"is_active"`
		DateJoined      time.Time `json:"date_joined"`
		Agreements      []string
		Contact         struct {
			FullName string `json:"full_name"`
			NickName string `json:"nick_name"`
			Phone    *string
		}
	} `json:"users"`
	Profiles []struct {
		Slug            string `json:"slug"`
		FullName        string `json:"full_name"`
		Email           string
		Phone           string
		StreetAddress   string `json:"street_address"`
		Locality        string
		Region          string
		PostalCode      string `json:"postal_code"`
		Country         string
		DefaultTimezone string    `json:"default_timezone"`
		IsProvider      bool      `json:"is_provider"`
		IsBulkBuyer     bool      `json:"is_bulk_buyer"`
		CreatedAt       time.Time `json:"created_at"`
		Extra           *string
		CardKey         *string `json:"processor_card_key"`
		DepositKey      *string `json:"processor_deposit_key"`
	} `json:"profiles"`
	Roles []struct {
		Profile, User string
		Role          *string
		GrantKey      *string    `json:"grant_key"`
		RequestKey    *string    `json:"request_key"`
		CreatedAt     *time.Time `json:"created_at"`
	} `json:"roles"`
	Plans         []map[string]any `json:"plans"`
	Coupons       []map[string]any `json:"coupons"`
	Subscriptions []struct {
		Profile, Plan string
		CreatedAt     time.Time `json:"created_at"`
		EndsAt        time.Time `json:"ends_at"`
		AutoRenew     bool      `json:"auto_renew"`
		GrantKey      *string   `json:"grant_key"`
		RequestKey    *string   `json:"request_key"`
	} `json:"subscriptions"`
	BalanceLines []struct {
		Report, Title, Selector string
		Rank                    int64
		IsPositive              bool `json:"is_positive"`
	} `json:"balance_lines"`
}

func readSeed(t *testing.T, file string) *seed {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := new(seed)
	if err := json.Unmarshal(text, s); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return s
}

// load fills an empty site: users, profiles and roles by the operations of their packages, plans and coupons through the API, at
// the clock of each.
func (d *seed) load(t *testing.T, g *golden) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("seed: %v", err)
		}
	}
	dir, db := g.site.Directory, g.site.Store
	notices, err := notice.New(notice.Options{Directory: dir, Store: db, Now: g.now, Logger: zap.NewNop()})
	must(err)
	profiles := profile.NewService(profile.Options{Store: db, Directory: dir, Notices: notices, Settings: profile.DefaultSettings()})
	users := auth.New(auth.Options{Store: db, Directory: dir, Notices: notices, Profiles: profiles, Logger: zap.NewNop(), Settings: goldenOptions().Auth})
	profiles.SetUsers(users)
	write := func(at time.Time, fn func(tx *store.Tx) error) {
		t.Helper()
		g.clock.Set(at)
		must(db.Write(context.Background(), fn))
	}
	hash, err := users.Hash(context.Background(), "yoyo")
	must(err)

	ids := map[string]int64{}
	for _, u := range d.Users {
		write(u.DateJoined, func(tx *store.Tx) error {
			n := auth.NewUser{Username: u.Username, Email: u.Email, FullName: u.Contact.FullName, NickName: u.Contact.NickName, Proven: true}
			if u.Password != nil {
				n.Password = hash
			}
			if u.Contact.Phone != nil {
				n.Phone = *u.Contact.Phone
			}
			id, _, err := users.AddUser(tx, n)
			ids[u.Username] = id
			return err
		})
		if !u.IsActive {
			must(users.Disable(context.Background(), u.Username))
		}
	}
	for _, p := range d.Profiles {
		write(p.CreatedAt, func(tx *store.Tx) error {
			id := int64(0)
			if p.Slug != d.Broker {
				n := profile.New{
					Slug: p.Slug, FullName: p.FullName, Email: p.Email, Phone: p.Phone, StreetAddress: p.StreetAddress, Locality: p.Locality,
					Region: p.Region, PostalCode: p.PostalCode, Country: p.Country, DefaultTimezone: p.DefaultTimezone, Provider: p.IsProvider,
				}
				if p.Extra != nil {
					n.Extra = *p.Extra
				}
				if n.Personal = ids[p.Slug] != 0; n.Personal {
					n.Manager = ids[p.Slug]
				}
				var err error
				if id, err = profiles.Create(tx, n); err != nil {
					return err
				}
			} else if err := tx.QueryRow(`SELECT id FROM profile WHERE slug = ?`, p.Slug).Scan(&id); err != nil {
				return err
			}
			_, err := tx.Exec(`UPDATE profile SET is_bulk_buyer = ?, processor_card_key = ?, processor_deposit_key = ?, phone = ?, street_address = ?,
				locality = ?, region = ?, postal_code = ?, country = ?, full_name = ?, email = ?, is_provider = ?, created_at = ? WHERE id = ?`,
				p.IsBulkBuyer, p.CardKey, p.DepositKey, p.Phone, p.StreetAddress, p.Locality, p.Region, p.PostalCode, p.Country, p.FullName, p.Email,
				p.IsProvider, store.At(p.CreatedAt), id)
			return err
		})
	}
	start := d.Clock
	if len(d.Users) > 0 {
		start = d.Users[0].DateJoined
	}
	write(start, func(tx *store.Tx) error {
		for _, a := range d.Agreements {
			if _, err := tx.Exec(`INSERT INTO agreement (slug, title, updated_at) VALUES (?, ?, ?)`, a.Slug, a.Title, store.At(a.UpdatedAt)); err != nil {
				return err
			}
		}
		for _, u := range d.Users {
			for _, a := range u.Agreements {
				if err := profiles.Sign(tx, ids[u.Username], a); err != nil {
					return err
				}
			}
		}
		for _, r := range d.RoleDescriptions {
			if r.Profile == nil {
				if _, err := tx.Exec(`UPDATE role_description SET created_at = ? WHERE slug = ?`, store.At(r.CreatedAt), r.Slug); err != nil {
					return err
				}
				continue
			}
			_, err := tx.Exec(`INSERT INTO role_description (created_at, slug, title, profile_id, skip_optin_on_grant, implicit_create_on_none, otp_required)
				SELECT ?, ?, ?, id, ?, ?, ? FROM profile WHERE slug = ?`,
				store.At(r.CreatedAt), r.Slug, r.Title, r.SkipOptinOnGrant, r.ImplicitOnNone, r.OTPRequiredOnRole, *r.Profile)
			if err != nil {
				return err
			}
		}
		for _, r := range d.Roles {
			at := start
			if r.CreatedAt != nil {
				at = *r.CreatedAt
			}
			_, err := tx.Exec(`INSERT INTO role (created_at, profile_id, user_id, role_description_id, grant_key, request_key)
				SELECT ?, p.id, ?, (SELECT id FROM role_description WHERE slug = ? AND (profile_id IS NULL OR profile_id = p.id)), ?, ?
				FROM profile p WHERE p.slug = ? ON CONFLICT DO NOTHING`, store.At(at), ids[r.User], r.Role, r.GrantKey, r.RequestKey, r.Profile)
			if err != nil {
				return err
			}
		}
		return nil
	})
	dir.TouchAll()
	post := func(path string, body map[string]any) {
		t.Helper()
		at, err := time.Parse(time.RFC3339, body["created_at"].(string))
		must(err)
		g.clock.Set(at)
		if s, a := g.call("POST", path, body, g.token(t, "alice")); s != 201 {
			t.Fatalf("seed: POST %s %v: %d %s", path, body, s, a)
		}
	}
	fees := map[string]any{}
	for _, p := range d.Plans {
		fees[p["slug"].(string)] = p["broker_fee_percent"]
		for _, use := range p["use_charges"].([]any) {
			if use := use.(map[string]any); use["maximum_limit"] == nil {
				use["maximum_limit"] = 0 // as in the recorded system
			}
		}
		post("/api/profile/"+p["profile"].(string)+"/plans", p)
	}
	for _, c := range d.Coupons {
		post("/api/billing/"+c["profile"].(string)+"/coupons", c)
	}
	write(start, func(tx *store.Tx) error {
		for slug, fee := range fees {
			if _, err := tx.Exec(`UPDATE plan SET broker_fee_percent = ? WHERE slug = ?`, fee, slug); err != nil {
				return err
			}
		}
		for _, c := range d.Coupons {
			if c["ends_at"] == nil { // never, which the API cannot say
				if _, err := tx.Exec(`UPDATE coupon SET ends_at = NULL WHERE code = ?`, c["code"]); err != nil {
					return err
				}
			}
		}
		for _, s := range d.Subscriptions {
			_, err := tx.Exec(`INSERT INTO subscription (profile_id, plan_id, created_at, ends_at, auto_renew, grant_key, request_key)
				SELECT p.id, pl.id, ?, ?, ?, ?, ? FROM profile p, plan pl WHERE p.slug = ? AND pl.slug = ?`,
				store.At(s.CreatedAt), store.At(s.EndsAt), s.AutoRenew, s.GrantKey, s.RequestKey, s.Profile, s.Plan)
			if err != nil {
				return err
			}
		}
		for _, l := range d.BalanceLines {
			_, err := tx.Exec(`INSERT INTO balance_line (report, title, selector, rank, is_positive) VALUES (?, ?, ?, ?, ?)`,
				l.Report, l.Title, l.Selector, l.Rank, l.IsPositive)
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(`UPDATE user SET last_login = NULL`)
		return err
	})
	dir.TouchAll()
}

func goldenOptions() api.Options {
	o := api.Options{
		BaseURL: goldenBase, WelcomeEmail: new(true), TokenLifetime: 14 * 24 * time.Hour, Cookies: directory.ContractCookies(false, ""),
		Auth: auth.DefaultSettings(), Profile: profile.DefaultSettings(),
	}
	o.Auth.MinPassword = 4
	o.Auth.Hashing.Memory, o.Auth.Hashing.Iterations = 64, 1
	o.Auth.Throttle = auth.Throttle{}
	return o
}
