package flexsim

import (
	"net/http"
	"net/url"
	"slices"
)

// Call is a REST call that arrived.
type Call struct {
	Op           Op
	Method, Path string
	Params       url.Values // of the form or the query
	Header       http.Header
	Status       int // of the answer; 0 while there is none, or when it was cut
}

// Calls returns all REST calls, in order of arrival.
func (s *Sim) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Call, len(s.calls))
	for i, c := range s.calls {
		all[i] = *c
	}
	return all
}

// Count is the number of calls of the operations, or of all without any.
func (s *Sim) Count(ops ...Op) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if len(ops) == 0 || slices.Contains(ops, c.Op) {
			n++
		}
	}
	return n
}

// Webhooks returns what became of each webhook, in the order in which that was
// known.
func (s *Sim) Webhooks() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.deliveries)
}

// Reset forgets the calls and webhooks that were recorded.
func (s *Sim) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.deliveries = nil, nil
}

// arrived records a call and returns its parameters. The error is that of a body
// that is no form.
func (s *Sim) arrived(r *http.Request, op Op) (*Call, url.Values, error) {
	err := r.ParseForm()
	call := &Call{Op: op, Method: r.Method, Path: r.URL.Path, Params: r.Form, Header: r.Header}
	if s.config.OnCall != nil {
		s.config.OnCall(*call)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
	s.note()
	return call, r.Form, err
}

func (s *Sim) answered(call *Call, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	call.Status = status
	s.note()
}

func (s *Sim) record(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliveries = append(s.deliveries, d)
	s.note()
}
