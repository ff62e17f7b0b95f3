package rest

// Remembered is how many clients and /48s are kept.
func (f *Fair) Remembered() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.last)
}

// Paced is how many clients and /48s the pace is kept of.
func (s *Service) Paced() int {
	s.pacer.mu.Lock()
	defer s.pacer.mu.Unlock()
	return len(s.pacer.clients)
}
