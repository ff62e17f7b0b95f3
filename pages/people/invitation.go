package people

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// Invitations are those that wait for an answer of who is logged in.
type Invitations struct {
	Waiting []RoleOf
	More    bool // others than that of the profile asked for
}

// An InvitationByKey is what the page behind the link of an invitation shows.
type InvitationByKey struct {
	*invitation
	Gone    bool // answered, taken back or too old
	Mine    bool // who is logged in may answer
	ToOther bool // it is to another user than who is logged in
}

// caller is who is logged in. Errors: a refusal, which leads to log-in.
func caller(q *pages.Request) (username string, err error) {
	var who struct {
		Username string `json:"username"`
	}
	err = q.Get(&who, "/api/auth/tokens")
	return who.Username, err
}

// waiting are the invitations that a user has not answered.
func waiting(q *pages.Request, username string) ([]RoleOf, error) {
	list, err := listRoles(q, username, url.Values{"role_status": {"invited"}, "page_size": {"100"}})
	return list.Results, err
}

func showInvitations(q *pages.Request) (any, error) {
	username, err := caller(q)
	if err != nil {
		return nil, err
	}
	all, err := waiting(q, username)
	if err != nil {
		return nil, err
	}
	shown := &Invitations{Waiting: all}
	if profile := q.Query("q"); profile != "" {
		for i := range all {
			if all[i].Profile.Slug == profile {
				shown.Waiting, shown.More = all[i:i+1], len(all) > 1
			}
		}
	}
	return shown, nil
}

// acceptInvitation accepts one of the invitations of the list.
func acceptInvitation(q *pages.Request) (pages.Outcome, error) {
	return answerInvitation(q, "invitation_accepted", func(username string, in *RoleOf) error {
		_, err := q.Put(nil, "/api/users/{user}/accessibles/accept/{verification_key}", username, in.Key())
		return err
	})
}

// declineInvitation says no to one of the invitations of the list.
func declineInvitation(q *pages.Request) (pages.Outcome, error) {
	return answerInvitation(q, "invitation_declined", func(username string, in *RoleOf) error {
		_, err := q.Delete(nil, "/api/users/{user}/accessibles/{role}/{profile}", username, in.role(), in.Profile.Slug)
		return err
	})
}

// answerInvitation answers the invitation to the profile that the form names, and shows those that are left, or goes on when it was the
// last one.
func answerInvitation(
	q *pages.Request, said string, answer func(username string, in *RoleOf) error,
) (pages.Outcome, error) {
	username, err := caller(q)
	if err != nil {
		return pages.Outcome{}, err
	}
	all, err := waiting(q, username)
	if err != nil {
		return pages.Outcome{}, err
	}
	i := slices.IndexFunc(all, func(in RoleOf) bool { return in.Profile.Slug == q.Field("profile") && in.Key() != "" })
	if i < 0 {
		return pages.Said("invitation_gone")
	}
	if err := answer(username, &all[i]); err != nil {
		return pages.Outcome{}, err
	}
	if len(all) > 1 {
		return pages.Outcome{To: q.With(q.Link("/users/roles/accept/")), Said: said}, nil
	}
	return pages.Outcome{To: q.Onward(), Said: said}, nil
}

func showInvitation(q *pages.Request) (any, error) {
	in, err := findInvitation(q, q.Param("key"))
	if failedOn(err, http.StatusNotFound) != nil {
		return &InvitationByKey{invitation: in, Gone: true}, nil
	}
	if err != nil {
		return nil, err
	}
	shown := &InvitationByKey{invitation: in}
	if u := q.Caller(); u != nil {
		shown.Mine = in.Username == "" || in.Username == u.Username
		shown.ToOther = !shown.Mine
	}
	return shown, nil
}

// acceptByKey accepts the invitation of a link.
func acceptByKey(q *pages.Request) (pages.Outcome, error) {
	username, err := caller(q)
	if err != nil {
		return pages.Outcome{}, err
	}
	key := q.Param("key")
	in, err := findInvitation(q, key)
	if failedOn(err, http.StatusNotFound) != nil {
		return pages.Outcome{}, nil // the page says so
	}
	if err != nil {
		return pages.Outcome{}, err
	}
	_, err = q.Put(nil, "/api/users/{user}/accessibles/accept/{verification_key}", username, key)
	var answer *rest.Error
	switch {
	case err == nil:
		return pages.Outcome{To: q.Onward(), Said: "invitation_accepted"}, nil
	case !errors.As(err, new(*rest.Refusal)) && errors.As(err, &answer) && answer.Status == http.StatusNotFound:
		if in.Email != "" { // nobody is told whether somebody has that address
			return pages.Outcome{}, rest.Invalid("proof", toAddress)
		}
		return pages.Outcome{}, rest.Invalid("proof", one(answer.Fields()["detail"]))
	}
	return pages.Outcome{}, err
}

// toAddress is what the API says of an invitation to an address that the caller has not proven.
const toAddress = "This invitation waits for a proof of the address that it was sent to. " +
	"Please add that address to your account and bring back its code."

// declineByKey says no to the invitation of a link, with or without an account.
func declineByKey(q *pages.Request) (pages.Outcome, error) {
	_, err := q.Delete(nil, "/api/auth/invitations/{grant_key}", q.Param("key"))
	if err != nil && failedOn(err, http.StatusNotFound) == nil {
		return pages.Outcome{}, err
	}
	if q.Caller() != nil {
		return pages.Outcome{To: q.Onward(), Said: "invitation_declined"}, nil
	}
	return pages.Outcome{To: q.Link("/login/"), Said: "invitation_declined"}, nil
}
