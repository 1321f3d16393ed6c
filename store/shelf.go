package store

import "time"

// shelf holds things that expire. Nobody tidies it by the clock: what has
// expired is dropped when it is met, and all of it when the shelf has doubled.
type shelf[V any] struct {
	entries map[string]*entry[V]
	tidyAt  int
}

type entry[V any] struct {
	v   V
	end time.Time
}

// at returns what lives under key, or nil.
func (s *shelf[V]) at(key string, now time.Time) *entry[V] {
	e := s.entries[key]
	if e == nil || now.Before(e.end) {
		return e
	}
	delete(s.entries, key)
	return nil
}

func (s *shelf[V]) put(key string, v V, end time.Time) *entry[V] {
	if s.entries == nil {
		s.entries = make(map[string]*entry[V])
	}
	if len(s.entries) >= s.tidyAt {
		s.tidy(time.Now())
	}
	e := &entry[V]{v: v, end: end}
	s.entries[key] = e
	return e
}

func (s *shelf[V]) tidy(now time.Time) {
	for key, e := range s.entries {
		if !now.Before(e.end) {
			delete(s.entries, key)
		}
	}
	s.tidyAt = max(64, 2*len(s.entries))
}

func (s *shelf[V]) drop(key string) { delete(s.entries, key) }

// extend lets the entry live until end at least.
func (e *entry[V]) extend(end time.Time) {
	if end.After(e.end) {
		e.end = end
	}
}
