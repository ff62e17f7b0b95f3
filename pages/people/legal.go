package people

import (
	"html/template"
	"net/url"
	"time"

	"github.com/microcosm-cc/bluemonday"

	"github.com/caddy-tollgate/tollgate/pages"
)

// A Legal is what the page of all agreements shows.
type Legal struct{ Agreements []agreement }

// An Agreement is what the page of one shows, and the page that it is signed on.
type Agreement struct {
	agreement
	HTML   template.HTML
	Signed time.Time // when who is logged in has signed this version, zero for not yet
}

// sanitary is what may be in the text of an agreement: what people write, and nothing that does something.
var sanitary = bluemonday.UGCPolicy()

func showLegal(q *pages.Request) (any, error) {
	var list struct {
		Results []agreement `json:"results"`
	}
	err := q.List(&list, url.Values{"page_size": {"100"}}, "/api/legal")
	return &Legal{list.Results}, err
}

func showAgreement(q *pages.Request) (any, error) {
	var a agreement
	if err := q.Get(&a, "/api/legal/{agreement}", q.Param("agreement")); err != nil {
		return nil, err
	}
	shown := &Agreement{agreement: a, HTML: template.HTML(sanitary.Sanitize(a.Text))}
	if u := q.Caller(); u != nil {
		updated, err := time.Parse(time.RFC3339Nano, a.UpdatedAt)
		if signed, ok := u.Signed[a.Slug]; ok && err == nil && !signed.Before(updated) {
			shown.Signed = signed
		}
	}
	return shown, nil
}

// showSigning shows an agreement to somebody who may sign it.
func showSigning(q *pages.Request) (any, error) {
	if _, err := caller(q); err != nil {
		return nil, err
	}
	return showAgreement(q)
}

func signAgreement(q *pages.Request) (pages.Outcome, error) {
	if !q.Checked("read_terms") {
		return pages.Outcome{}, q.Refuse("read_terms", "sign")
	}
	if _, err := q.Post(map[string]any{"read_terms": true}, "/api/legal/{agreement}/sign", q.Param("agreement")); err != nil {
		return pages.Outcome{}, err
	}
	return pages.Outcome{To: q.Onward(), Said: "signed"}, nil
}
