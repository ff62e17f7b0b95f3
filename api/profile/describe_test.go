package profile

import (
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

func TestDescriptions(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const url = "/api/profile/cowork/roles/describe"
	support := func(title, rest string) string {
		return `{"created_at":"2025-03-10T12:00:00Z","slug":"support","title":"` + title + `",` + rest + `,"is_global":false,"profile":` + shortOf("cowork")
	}
	const none = `"skip_optin_on_grant":false,"implicit_create_on_none":false,"otp_required":false`
	w.Run(t,
		c("the global ones", "carol", "GET "+url, "", 200, `{"count":2,"next":null,"previous":null,"results":[`+contributorDescription+`,`+managerDescription+`]}`),
		c("nothing", "donny", "POST "+url, `{}`, 400, `{"title":["This field is required."]}`),
		c("blank", "donny", "POST "+url, `{"title":""}`, 400, `{"title":["This field may not be blank."]}`),
		c("long", "donny", "POST "+url, `{"title":"123456789012345678901"}`, 400, `{"title":["Ensure this field has no more than 20 characters."]}`),
		c("not a boolean", "donny", "POST "+url, `{"title":"A","otp_required":"maybe"}`, 400, `{"otp_required":["Must be a valid boolean."]}`),
		c("the slug of a global one", "donny", "POST "+url, `{"title":"Manager"}`, 400, `{"title":"This title is already taken."}`),
		c("a word of the paths", "donny", "POST "+url, `{"title":"Describe"}`, 400, `{"title":"This title is already taken."}`),
		c("the other", "donny", "POST "+url, `{"title":"accept"}`, 400, `{"title":"This title is already taken."}`),
		c("a local one", "donny", "POST "+url, `{"title":"Support","slug":"ignored"}`, 201, support("Support", none)+`,"extra":null,"editable":true}`),
		c("its title again", "donny", "POST "+url, `{"title":"Support"}`, 201, `~"slug":"support-~"title":"Support"`),
		c("on another profile", "olga", "POST /api/profile/otherprov/roles/describe", `{"title":"Support"}`, 201, `~"slug":"support","title":"Support"~"slug":"otherprov"`),
		c("of nothing a slug can keep", "donny", "POST "+url, `{"title":"日本","extra":{"a":1},"skip_optin_on_grant":true,"implicit_create_on_none":true,"otp_required":true}`, 201,
			`~"title":"日本","skip_optin_on_grant":true,"implicit_create_on_none":true,"otp_required":true~"extra":{"a":1}`),
		c("read by a contributor", "carol", "GET "+url+"/support", "", 200, support("Support", none)+`,"extra":null,"editable":false}`),
		c("exactly", "carol", "GET "+url+"/supports", "", 404, `{"detail":"RoleDescription 'supports' does not exist."}`),
		c("that of another profile", "olga", "GET /api/profile/otherprov/roles/describe/support", "", 200, `~"slug":"otherprov"`),
		c("search", "carol", "GET "+url+"?q=manager", "", 200, `{"count":1,"next":null,"previous":null,"results":[`+managerDescription+`]}`),
		c("order", "carol", "GET "+url+"?q=manager,contributor&o=-title", "", 200, `{"count":2,"next":null,"previous":null,"results":[`+managerDescription+`,`+contributorDescription+`]}`),
		c("PUT wants a title", "donny", "PUT "+url+"/support", `{}`, 400, `{"title":["This field is required."]}`),
		c("PUT leaves the rest", "donny", "PUT "+url+"/support", `{"title":"Helpers","skip_optin_on_grant":true,"extra":"x"}`, 200,
			support("Helpers", `"skip_optin_on_grant":true,"implicit_create_on_none":false,"otp_required":false`)+`,"extra":"x","editable":true}`),
		c("PATCH", "donny", "PATCH "+url+"/support", `{"otp_required":true}`, 200,
			support("Helpers", `"skip_optin_on_grant":true,"implicit_create_on_none":false,"otp_required":true`)+`,"extra":"x","editable":true}`),
		c("PUT again", "donny", "PUT "+url+"/support", `{"title":"Helpers","extra":null}`, 200,
			support("Helpers", `"skip_optin_on_grant":true,"implicit_create_on_none":false,"otp_required":true`)+`,"extra":null,"editable":true}`),
		c("a global one by a manager", "donny", "PUT "+url+"/manager", `{"title":"Boss"}`, 403, `{"detail":"Permission denied"}`),
		c("and a bad body", "donny", "PUT "+url+"/manager", `{}`, 403, `{"detail":"Permission denied"}`),
		c("delete a global one", "donny", "DELETE "+url+"/manager", "", 403, `{"detail":"Permission denied"}`),
		c("by the broker", "bob", "DELETE "+url+"/manager", "", 400, `{"detail":"The role 'manager' cannot be deleted."}`),
		c("whatever it says", "bob", "DELETE "+url+"/contributor?force=1", "", 400, `{"detail":"The role 'contributor' cannot be deleted."}`),
		c("the broker's are global", "bob", "POST /api/profile/broker/roles/describe", `{"title":"Auditor"}`, 201, `~"slug":"auditor"~"is_global":true,"profile":null,"extra":null,"editable":true}`),
		c("everywhere", "carol", "GET "+url+"/auditor", "", 200, `~"is_global":true~"editable":false`),
		c("the broker cannot take a local slug for it", "bob", "POST /api/profile/broker/roles/describe", `{"title":"Support"}`, 201, `~"slug":"support-`),
		c("unknown", "donny", "DELETE "+url+"/nope", "", 404, `{"detail":"RoleDescription 'nope' does not exist."}`),
		c("in use", "donny", "POST /api/profile/cowork/roles/support", `{"slug":"alice"}`, 201, "*"),
		c("is refused", "donny", "DELETE "+url+"/support", "", 400, `{"detail":"The role 'support' is in use."}`),
		c("unless forced", "donny", "DELETE "+url+"/support?force=1", "", 204, ""),
		c("with its roles", "donny", "GET /api/profile/cowork/roles?q=alice", "", 200, `~"count":0`),
		c("not in use", "bob", "DELETE /api/profile/broker/roles/describe/auditor", "", 204, ""),
	)
}

// A description whose slug ends in "s" is found before its singular; roles by a path that is no role.
func TestSlugsThatEndInS(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.Run(t,
		c("make", "donny", "POST /api/profile/cowork/roles/describe", `{"title":"Sales"}`, 201, `~"slug":"sales"`),
		c("grant", "donny", "POST /api/profile/cowork/roles/sales", `{"slug":"alice"}`, 201, `~"slug":"sales"`),
		c("list", "donny", "GET /api/profile/cowork/roles/sales?role_status=invited", "", 200, `~"count":1`),
	)
}

// A role that asks for one-time passwords does not count until its holder has them, and nothing else depends on it.
func TestOTPRequired(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.Run(t,
		c("before", "carol", "GET /api/profile/cowork/roles", "", 200, "*"),
		c("asked for", "bob", "PATCH /api/profile/broker/roles/describe/contributor", `{"otp_required":true}`, 200, "*"),
		c("after", "carol", "GET /api/profile/cowork/roles", "", 403, `{"detail":"Permission denied"}`),
		c("who only asked for the role may act", "pia", "GET /api/users/pia/accessibles", "", 200, "*"),
		c("frictionless or not", "carol", "GET /api/profile/cowork", "", 403, `{"detail":"Permission denied"}`),
		c("what is her own", "carol", "GET /api/users/carol/accessibles", "", 200, `~"slug":"cowork"`),
		c("the role goes whenever she wants", "carol", "DELETE /api/users/carol/accessibles/contributor/cowork", "", 204, ""),
	)
}

// A profile has so many types of role of its own, and no more; the global ones are the broker's.
func TestDescriptionsAreBounded(t *testing.T) {
	w := newWorld(t)
	for _, owner := range []string{"(SELECT id FROM profile WHERE slug = 'otherprov')", "NULL"} {
		w.exec(`INSERT INTO role_description (created_at, slug, profile_id, title)
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 199)
			SELECT 1, 'many-' || ` + map[bool]string{true: "'global-'", false: "''"}[owner == "NULL"] + ` || i, ` + owner + `, 'Many' FROM n`)
	}
	c := resttest.Case
	w.Run(t,
		c("the last", "olga", "POST /api/profile/otherprov/roles/describe", `{"title":"Last"}`, 201, `*`),
		c("one more", "olga", "POST /api/profile/otherprov/roles/describe", `{"title":"More"}`, 400,
			`{"detail":"A profile has at most 200 types of role. Delete one first."}`),
		c("a global one", "bob", "POST /api/profile/broker/roles/describe", `{"title":"First"}`, 201, `*`),
		c("and more", "bob", "POST /api/profile/broker/roles/describe", `{"title":"Second"}`, 201, `*`),
	)
}
