package accessrules

// Self holds for {user} itself with any method, and for who has a role on a profile of {user}, on the owner of a plan that such
// a profile is or was subscribed to, or on the broker (operations 12, 13, 14). Without {user}, or with one that does not exist,
// the broker alone counts.
func Self(options ...RoleOption) Condition { return newRoleTest(reachSelf, options) }

func (t *roleTest) self(q *Query) (bool, error) {
	name := t.username(q)
	if name != "" && name == q.Caller.Username {
		return true, nil
	}
	if t.onBroker(q) {
		return true, nil
	}
	if name == "" || !t.anywhere(q) {
		return false, nil
	}
	u, err := q.Facts.User(name)
	if u == nil || err != nil {
		return false, err
	}
	for i := range u.Roles {
		theirs := &u.Roles[i]
		if !theirs.Valid(q.Now) || !theirs.Profile.Active {
			continue
		}
		if t.onProfile(q, theirs.Profile.Slug) || t.onProvider(q, theirs.Profile) {
			return true, nil
		}
	}
	return false, nil
}

// username is the user that the test is about.
func (t *roleTest) username(q *Query) string {
	if t.user != "" {
		return t.user
	}
	return q.Params.Get("user")
}

// selfWrite narrows Self as decision 29 says.
type selfWrite struct {
	self    roleTest
	reading bool // reading is narrowed as well
}

// SelfWrite is Self for requests that read; other requests need {user} itself or a manager of the broker (decision 29).
func SelfWrite() Condition { return &selfWrite{self: *newRoleTest(reachSelf, nil)} }

// SelfOnly holds for {user} itself and for the staff of the broker: what SelfWrite asks of writing, it asks of reading too, where
// contributors of the broker may read (decision 29: API keys, notification settings).
func SelfOnly() Condition { return &selfWrite{self: *newRoleTest(reachSelf, nil), reading: true} }

func (s *selfWrite) Check(q *Query) Verdict { return q.cured(s) }

func (s *selfWrite) check(q *Query) Verdict {
	if !s.reading && q.reads() {
		return s.self.check(q)
	}
	if v := identified(q); !v.OK() {
		return v
	}
	if q.frozen() {
		return Verdict{Reason: ReadOnlySite}
	}
	if name := s.self.username(q); name != "" && name == q.Caller.Username {
		return Verdict{}
	}
	if !s.self.onBroker(q) {
		return Verdict{Reason: RoleMissing}
	}
	return Verdict{}
}

func (s *selfWrite) String() string {
	if s.reading {
		return "self_only"
	}
	return "self_write"
}
