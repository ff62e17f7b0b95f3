package people

import "github.com/caddy-tollgate/tollgate/pages"

// A Contact is what the contact form begins with: who is logged in need not type name and address.
type Contact struct{ Name, Email string }

func showContact(q *pages.Request) (any, error) {
	if q.Caller() == nil {
		return &Contact{}, nil
	}
	var who struct {
		Name  string `json:"full_name"`
		Email string `json:"email"`
	}
	err := q.Get(&who, "/api/auth/tokens")
	return &Contact{who.Name, who.Email}, err
}

// sendMessage sends a message to the people who run the site.
func sendMessage(q *pages.Request) (pages.Outcome, error) {
	if q.Field("message") == "" {
		return pages.Outcome{}, q.Refuse("message", "message")
	}
	body := map[string]any{"full_name": q.Field("full_name"), "email": q.Field("email"), "message": q.Field("message")}
	_, err := q.Post(body, "/api/contact")
	return pages.Outcome{Said: "message_sent"}, err
}
