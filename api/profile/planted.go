package profile

import "github.com/caddy-tollgate/tollgate/store"

// EndPlanted ends what others have on the personal profile of a user whose address alone opened the account for the first time, and what
// was agreed to before: whoever set the account up may have been somebody else, and let others in (decision 67). What was bought stays.
func (s *Service) EndPlanted(tx *store.Tx, user int64) error {
	if _, err := tx.Exec(`DELETE FROM role_answer WHERE user_id = ? AND accepted = 1`, user); err != nil {
		return err
	}
	personal, err := s.Personal(tx, user)
	if err != nil || personal == 0 {
		return err
	}
	others, err := store.Column[int64](tx, `SELECT user_id FROM role WHERE profile_id = ? AND user_id <> ?`, personal, user)
	if err != nil {
		return err
	}
	for _, query := range []string{
		`DELETE FROM role WHERE profile_id = ?1 AND user_id <> ?2`,
		`DELETE FROM invitation WHERE profile_id = ?1 AND ?2 <> 0`,
		`DELETE FROM grant_consent WHERE profile_id = ?1 AND ?2 <> 0`,
	} {
		if _, err := tx.Exec(query, personal, user); err != nil {
			return err
		}
	}
	s.dir.TouchUser(tx, others...)
	s.dir.TouchProfile(tx, personal)
	return nil
}
