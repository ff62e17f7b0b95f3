package profile

import (
	"strconv"
	"strings"
	"testing"
)

// Who may do what: access.md A.4 for every endpoint of this package, with the limits of decisions 2, 3, 27, 29, 30 and 31. Each row
// runs on a site of its own, its callers one after the other.
func TestMatrix(t *testing.T) {
	callers := strings.Fields("- xia yan kim alice donny carol gus olga pia ray nina bob ben")
	// xia: herself and her profile.    yan, kim: manager and contributor of acme.   donny, carol: of cowork, the current provider of
	// xia and of joey-black.           gus: of gym, the provider of an ended subscription of acme.   pia, ray: only a pending grant and
	// a pending request on cowork.     nina: no password.    bob, ben: of the broker.
	rows := []struct{ class, request, body, want string }{
		//                                                                               -   xia yan kim ali don car gus olg pia ray nin bob ben
		{"AUTH", "GET /api/accounts?q=acme", "", "                                       401 200 200 200 200 200 200 200 200 200 200 200 200 200"},
		{"AUTH", "GET /api/accounts/profiles?q=acme", "", "                              401 200 200 200 200 200 200 200 200 200 200 200 200 200"},
		{"AUTH", "POST /api/accounts/profiles", `{"full_name":"A","email":"a@a.example"}`, "401 201 201 201 201 201 201 201 201 201 201 201 201 201"},
		{"AUTH", "GET /api/accounts/profiles/acme", "", "                                401 200 200 200 200 200 200 200 200 200 200 200 200 200"},
		{"AUTH", "GET /api/accounts/users?q=xia", "", "                                  401 200 200 200 200 200 200 200 200 200 200 200 200 200"},

		{"BROKER", "GET /api/agreements", "", "                                          401 403 403 403 403 403 403 403 403 403 403 403 200 200"},
		{"BROKER", "POST /api/agreements", `{"title":"Privacy"}`, "                      401 403 403 403 403 403 403 403 403 403 403 403 201 403"},
		{"BROKER", "GET /api/agreements/privacy", "", "                                  401 403 403 403 403 403 403 403 403 403 403 403 404 404"},
		{"BROKER", "PUT /api/agreements/privacy", `{}`, "                                401 403 403 403 403 403 403 403 403 403 403 403 404 403"},
		{"BROKER", "PATCH /api/agreements/privacy", `{}`, "                              401 403 403 403 403 403 403 403 403 403 403 403 404 403"},
		{"BROKER", "DELETE /api/agreements/privacy", "", "                               401 403 403 403 403 403 403 403 403 403 403 403 404 403"},
		{"PUBLIC", "GET /api/auth/invitations/ffffffffffffffffffffffffffffffffffffffff", "", "   404 404 404 404 404 404 404 404 404 404 404 404 404 404"},
		{"PUBLIC", "DELETE /api/auth/invitations/ffffffffffffffffffffffffffffffffffffffff", "", "404 404 404 404 404 404 404 404 404 404 404 404 404 404"},
		{"PUBLIC", "GET /api/legal", "", "                                               200 200 200 200 200 200 200 200 200 200 200 200 200 200"},
		{"PUBLIC", "GET /api/legal/privacy", "", "                                       404 404 404 404 404 404 404 404 404 404 404 404 404 404"},
		{"PUBLIC", "POST /api/legal/privacy", `{"analytics":true}`, "                    404 404 404 404 404 404 404 404 404 404 404 404 404 404"},
		{"AUTH", "POST /api/legal/privacy/sign", `{"read_terms":true}`, "                401 404 404 404 404 404 404 404 404 404 404 404 404 404"},

		{"BROKER", "GET /api/profile", "", "                                             401 403 403 403 403 403 403 403 403 403 403 403 200 200"},
		{"PROVIDER-F", "GET /api/profile/acme", "", "                                    401 403 200 200 403 403 403 200 403 403 403 403 200 200"},
		{"PROVIDER-F", "GET /api/profile/xia", "", "                                     401 200 403 403 403 200 200 403 403 403 403 403 200 200"},
		{"PROVIDER-F", "GET /api/profile/joey-black", "", "                              401 403 403 403 403 200 200 403 403 403 403 403 200 200"},
		{"PROVIDER-F", "PUT /api/profile/acme", `{"full_name":"A"}`, "                   401 403 200 403 403 403 403 403 403 403 403 403 200 403"},
		{"PROVIDER-F", "PUT /api/profile/xia", `{"full_name":"A"}`, "                    401 200 403 403 403 403 403 403 403 403 403 403 200 403"},
		{"PROVIDER-F", "PATCH /api/profile/joey-black", `{"region":"A"}`, "              401 403 403 403 403 200 403 403 403 403 403 403 200 403"},
		{"PROVIDER-F", "PATCH /api/profile/ghost", `{"region":"A"}`, "                   401 403 403 403 403 403 403 403 403 403 403 403 200 403"},
		{"PROVIDER-F", "PATCH /api/profile/nope", `{"region":"A"}`, "                    401 403 403 403 403 403 403 403 403 403 403 403 404 403"},
		{"PROVIDER-F delete", "DELETE /api/profile/joey-black", "", "                    401 403 403 403 403 403 403 403 403 403 403 403 204 403"},
		{"PROVIDER-F delete", "DELETE /api/profile/acme", "", "                          401 403 204 403 403 403 403 403 403 403 403 403 404 403"},
		{"PROVIDER-F", "POST /api/profile/joey-black/picture", "", "                     401 403 403 403 403 400 403 403 403 403 403 403 400 403"},
		{"PROVIDER-F", "POST /api/profile/acme/picture", "", "                           401 403 400 403 403 403 403 403 403 403 403 403 400 403"},

		{"PROVIDER", "GET /api/profile/acme/roles", "", "                                401 403 200 200 403 403 403 200 403 403 403 403 200 200"},
		{"DIRECT", "GET /api/profile/acme/roles/describe", "", "                         401 403 200 200 403 403 403 403 403 403 403 403 200 200"},
		{"DIRECT", "POST /api/profile/acme/roles/describe", `{"title":"Support"}`, "     401 403 201 403 403 403 403 403 403 403 403 403 201 403"},
		{"DIRECT", "GET /api/profile/acme/roles/describe/manager", "", "                 401 403 200 200 403 403 403 403 403 403 403 403 200 200"},
		{"DIRECT", "PUT /api/profile/acme/roles/describe/manager", `{"title":"A"}`, "    401 403 403 403 403 403 403 403 403 403 403 403 200 403"},
		{"DIRECT", "PATCH /api/profile/acme/roles/describe/manager", `{"title":"A"}`, "  401 403 403 403 403 403 403 403 403 403 403 403 200 403"},
		{"DIRECT", "DELETE /api/profile/acme/roles/describe/manager", "", "              401 403 403 403 403 403 403 403 403 403 403 403 400 403"},
		{"PROVIDER", "GET /api/profile/acme/roles/manager", "", "                        401 403 200 200 403 403 403 200 403 403 403 403 200 200"},
		{"PROVIDER", "POST /api/profile/acme/roles/manager", `{"slug":"alice"}`, "       401 403 201 403 403 403 403 403 403 403 403 403 200 403"},
		{"PROVIDER", "POST /api/profile/xia/roles/manager", `{"slug":"donny"}`, "        401 201 403 403 403 403 403 403 403 403 403 403 200 403"},
		{"PROVIDER", "POST /api/profile/joey-black/roles/manager", `{"slug":"alice"}`, " 401 403 403 403 403 201 403 403 403 403 403 403 200 403"},
		{"PROVIDER", "POST /api/profile/ghost/roles/manager", `{"slug":"donny"}`, "      401 403 403 403 403 403 403 403 403 403 403 403 201 403"},
		{"PROVIDER", "GET /api/profile/acme/roles/manager/yan", "", "                    401 403 200 200 403 403 403 200 403 403 403 403 200 200"},
		{"PROVIDER", "POST /api/profile/acme/roles/manager/yan", "", "                   401 403 200 403 403 403 403 403 403 403 403 403 200 403"},
		{"PROVIDER", "PUT /api/profile/acme/roles/manager/yan", `{"extra":{"a":1}}`, "   401 403 200 403 403 403 403 403 403 403 403 403 200 403"},
		{"PROVIDER", "DELETE /api/profile/acme/roles/contributor/kim", "", "             401 403 204 403 403 403 403 403 403 403 403 403 204 403"},
		{"PROVIDER", "DELETE /api/profile/cowork/roles/contributor/pia", "", "           401 403 403 403 403 204 403 403 403 403 403 403 204 403"},

		// donny and carol: staff of cowork, the provider of xia. gus is nobody to her.
		{"SELF", "GET /api/users/xia/accessibles", "", "                                 401 200 403 403 403 200 200 403 403 403 403 403 200 200"},
		{"SELF", "GET /api/users/kim/accessibles", "", "                                 401 403 200 200 403 403 403 200 403 403 403 403 200 200"},
		{"SELF", "POST /api/users/xia/accessibles", `{"slug":"gym"}`, "                  401 201 403 403 403 403 403 403 403 403 403 403 200 403"},
		{"SELF", "GET /api/users/xia/accessibles/manager", "", "                         401 200 403 403 403 200 200 403 403 403 403 403 200 200"},
		{"SELF", "POST /api/users/xia/accessibles/contributor", `{"slug":"gym"}`, "      401 201 403 403 403 403 403 403 403 403 403 403 200 403"},
		{"SELF", "GET /api/users/xia/accessibles/manager/xia", "", "                     401 200 403 403 403 200 200 403 403 403 403 403 200 200"},
		{"SELF", "POST /api/users/ray/accessibles/manager/cowork", "", "                 401 403 403 403 403 403 403 403 403 403 200 403 200 403"},
		{"SELF-F", "DELETE /api/users/kim/accessibles/contributor/acme", "", "           401 403 403 204 403 403 403 403 403 403 403 403 204 403"},
		{"SELF", "PUT /api/users/pia/accessibles/accept/" + piaKey, "", "                401 403 403 403 403 403 403 403 403 200 403 403 404 403"},
		{"SELF", "GET /api/users/xia/profiles", "", "                                    401 200 403 403 403 200 200 403 403 403 403 403 200 200"},
		{"SELF", "POST /api/users/xia/profiles", `{"full_name":"A"}`, "                  401 201 403 403 403 403 403 403 403 403 403 403 201 403"},
		{"SELF", "GET /api/users/nope/profiles", "", "                                   401 403 403 403 403 403 403 403 403 403 403 403 404 404"},
		{"SELF", "GET /api/users/nope/accessibles", "", "                                401 403 403 403 403 403 403 403 403 403 403 403 404 404"},
	}
	seen := map[string]bool{}
	for _, row := range rows {
		t.Run(row.request, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			want := strings.Fields(row.want)
			if len(want) != len(callers) {
				t.Fatalf("%d answers for %d callers", len(want), len(callers))
			}
			for i, caller := range callers {
				if caller == "-" {
					caller = ""
				}
				if r := w.Do(caller, row.request, row.body); strconv.Itoa(r.Code) != want[i] {
					t.Errorf("%s: %d, want %s: %s", callers[i], r.Code, want[i], r.Body)
				}
			}
		})
		seen[row.class+" "+template(row.request)] = true
	}
	// Every endpoint of the table is in a row, with its class.
	for _, e := range bareWorld(t).service.Endpoints() {
		if row := e.Condition.String() + " " + e.Method + " " + e.Path; !seen[row] {
			t.Errorf("no row tests %s", row)
		}
	}
}

// template is a request with the parameters of its path by their names.
func template(request string) string {
	method, target, _ := strings.Cut(request, " ")
	target, _, _ = strings.Cut(target, "?")
	s := strings.Split(target, "/")
	name := func(i int, parameter string) {
		if len(s) > i {
			s[i] = parameter
		}
	}
	switch {
	case s[2] == "profile":
		name(3, "{profile}")
		if len(s) > 5 && s[5] == "describe" {
			name(6, "{role}")
		} else {
			name(5, "{role}")
			name(6, "{user}")
		}
	case s[2] == "users":
		name(3, "{user}")
		if len(s) > 5 && s[5] == "accept" {
			name(6, "{verification_key}")
		} else {
			name(5, "{role}")
			name(6, "{profile}")
		}
	case s[2] == "accounts" && len(s) == 5:
		name(4, "{profile}")
	case s[2] == "agreements":
		name(3, "{document}")
	case s[2] == "auth":
		name(4, "{grant_key}")
	case s[2] == "legal":
		name(3, "{agreement}")
	}
	return method + " " + strings.Join(s, "/")
}
