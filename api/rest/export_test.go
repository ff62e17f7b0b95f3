package rest

// Queued is how many wait.
func (f *Fair) Queued() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.heap)
}

// Remembered is how many clients and /48s are kept.
func (f *Fair) Remembered() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.last)
}
