package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// Adopter keeps the first of several values.
type Adopter interface {
	Adopt(ctx context.Context, id, value string, d time.Duration) (string, error)
}

// RunAdopter holds an Adopter to its contract: the first value stands, for as long
// as its own call said, whoever asks how often, and then the next one does.
func RunAdopter(t *testing.T, a Adopter) {
	adopt := func(id, value string, d time.Duration) string {
		t.Helper()
		stands, err := a.Adopt(t.Context(), id, value, d)
		check(t, err)
		return stands
	}
	want := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("Adopt = %q, want %q", got, want)
		}
	}
	id := random(16)
	want(adopt(id, "first", hour), "first")
	want(adopt(id, "second", time.Millisecond), "first")
	want(adopt(id, "third", hour), "first") // a shorter life changed nothing
	want(adopt(random(16), "other", hour), "other")

	id = random(16)
	want(adopt(id, "first", 60*time.Millisecond), "first")
	eventually(t, "the first expires, though it is asked for all the time", func() bool {
		return adopt(id, "second", hour) == "second"
	})
	want(adopt(id, "third", hour), "second")

	id = random(16)
	stands := make([]string, 20)
	var all sync.WaitGroup
	for i := range stands {
		all.Go(func() { stands[i] = adopt(id, fmt.Sprint(i), hour) })
	}
	all.Wait()
	for _, s := range stands {
		if s != stands[0] || s == "" {
			t.Errorf("at once, Adopt = %q, want one value", stands)
			break
		}
	}

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Adopt(ended, id, "v", hour); err == nil {
		t.Error("Adopt with an ended context = nil")
	}
}
