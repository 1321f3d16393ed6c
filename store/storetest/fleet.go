package storetest

import "testing"

// Fleet is the servers of one Redis, of which every caller sees only the URL:
// one server, a Cluster, or a master with its replica and a sentinel. It is not
// safe for concurrent use.
type Fleet struct {
	URL     string
	Servers []*Server // those that hold data

	ready func() bool
}

// Fleets start each kind of a Redis, by the names of their kinds.
var Fleets = map[string]func(testing.TB) *Fleet{
	"single":   startSingle,
	"cluster":  func(t testing.TB) *Fleet { return StartCluster(t, 0).Fleet },
	"sentinel": func(t testing.TB) *Fleet { return StartSentinel(t).Fleet },
}

func startSingle(t testing.TB) *Fleet {
	t.Helper()
	s := StartRedis(t)
	return &Fleet{URL: s.URL, Servers: []*Server{s}, ready: func() bool { return true }}
}

// Kill ends all servers at once, as a crash would.
func (f *Fleet) Kill() {
	for _, s := range f.Servers {
		s.Kill()
	}
}

// Restart kills the servers that run and starts all, with what they knew or empty.
// It returns when they do their work again.
func (f *Fleet) Restart(keepData bool) {
	f.Servers[0].t.Helper()
	f.Kill()
	for _, s := range f.Servers {
		s.Restart(keepData)
	}
	eventually(f.Servers[0].t, "the servers work together again", f.ready)
}

// Freeze stops all servers in their tracks: connections stay, nothing answers.
func (f *Fleet) Freeze() {
	for _, s := range f.Servers {
		s.Freeze()
	}
}

// Thaw ends Freeze.
func (f *Fleet) Thaw() {
	for _, s := range f.Servers {
		s.Thaw()
	}
}

// Do runs a command on every master and returns what each says; see [Server.Do].
func (f *Fleet) Do(args ...any) (replies []any) {
	f.Servers[0].t.Helper()
	for _, s := range f.Servers {
		if s.IsMaster() {
			replies = append(replies, s.Do(args...))
		}
	}
	return replies
}
