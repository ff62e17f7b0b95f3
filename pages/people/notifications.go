package people

import (
	"slices"

	"github.com/caddy-tollgate/tollgate/pages"
)

// Notifications is what the page of notifications shows: a switch for each event.
type Notifications struct {
	Holder
	Groups []EventGroup
}

// An EventGroup are events that are about the same.
type EventGroup struct {
	Name   string // of its messages
	Events []Event
}

// An Event is one that its user is told about by mail.
type Event struct {
	Slug        string `json:"slug"`
	Title       string `json:"title"`
	Description string `json:"description"`
	On          bool   `json:"-"`
	Said        bool   `json:"-"` // there are messages about it; else the operator's words stand
}

// Field is the name of the switch.
func (e Event) Field() string { return "on_" + e.Slug }

// eventGroups are the events that there are messages about.
var eventGroups = []struct {
	name   string
	events []string
}{
	{"money", []string{"order_executed", "charge_updated", "renewal_charge_failed", "card_updated", "card_expires_soon",
		"claim_code_generated",
		"use_charge_limit_crossed", "quota_reached"}},
	{"subscriptions", []string{"expires_soon", "subscription_grant_created", "subscription_grant_accepted", "subscription_request_created",
		"subscription_request_accepted"}},
	{"people", []string{"role_grant_created", "role_grant_accepted", "role_request_created", "profile_updated"}},
	{"security", []string{"user_logged_in", "user_login_failed"}},
	{"site", []string{"user_registered", "user_activated", "user_contact", "period_sales_report_created", "processor_setup_error"}},
}

// preferences are the events that are on, and all that there are.
type preferences struct {
	On        []string `json:"notifications"`
	Available []Event  `json:"available"`
}

func showNotifications(q *pages.Request) (any, error) {
	_, holder, err := readAccount(q)
	if err != nil {
		return nil, err
	}
	var p preferences
	if err := q.Get(&p, "/api/users/{user}/notifications", holder.Username); err != nil {
		return nil, err
	}
	left := map[string]Event{}
	for _, e := range p.Available {
		e.On = slices.Contains(p.On, e.Slug)
		left[e.Slug] = e
	}
	d := &Notifications{Holder: holder}
	for _, g := range eventGroups {
		group := EventGroup{Name: g.name}
		for _, slug := range g.events {
			if e, ok := left[slug]; ok {
				e.Said = true
				group.Events = append(group.Events, e)
				delete(left, slug)
			}
		}
		d.add(group)
	}
	others := EventGroup{Name: "others"}
	for _, e := range p.Available {
		if _, ok := left[e.Slug]; ok {
			others.Events = append(others.Events, left[e.Slug])
		}
	}
	d.add(others)
	return d, nil
}

func (d *Notifications) add(g EventGroup) {
	if len(g.Events) > 0 {
		d.Groups = append(d.Groups, g)
	}
}

// chooseNotifications leaves the events on that are ticked.
func chooseNotifications(q *pages.Request) (pages.Outcome, error) {
	var p preferences
	if err := q.Get(&p, "/api/users/{user}/notifications", q.Param("user")); err != nil {
		return pages.Outcome{}, err
	}
	on := []string{}
	for _, e := range p.Available {
		if q.Checked(e.Field()) {
			on = append(on, e.Slug)
		}
	}
	_, err := q.Put(map[string]any{"notifications": on}, "/api/users/{user}/notifications", q.Param("user"))
	return pages.Outcome{Said: "saved"}, err
}
