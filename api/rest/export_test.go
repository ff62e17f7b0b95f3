package rest

// Remembered is how many clients and /48s are kept.
func (f *Fair) Remembered() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.last)
}
