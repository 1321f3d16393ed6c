package store

import (
	"fmt"
	"strconv"
	"time"

	"flexbridge/bridge"
)

// reply decodes what a script returned, from the first value on. It remembers
// the first error, and returns zero values from then on.
type reply struct {
	values []any
	err    error
}

func (r *reply) next(what string) any {
	if r.err == nil && len(r.values) == 0 {
		r.fail(what, "missing")
	}
	if r.err != nil {
		return nil
	}
	v := r.values[0]
	r.values = r.values[1:]
	return v
}

func (r *reply) fail(what string, problem any) {
	if r.err == nil {
		r.err = fmt.Errorf("stored %s: %v", what, problem)
	}
}

// number reads an integer, or text that is one; ok is false for nil, and then
// the number is otherwise.
func (r *reply) number(what string, otherwise int) (n int, ok bool) {
	switch v := r.next(what).(type) {
	case nil:
	case int64:
		return int(v), true
	case string:
		n, err := strconv.Atoi(v)
		if err != nil {
			r.fail(what, err)
		}
		return n, err == nil
	default:
		r.fail(what, fmt.Sprintf("unexpected %T", v))
	}
	return otherwise, false
}

// text reads a string; ok is false for nil.
func (r *reply) text(what string) (s string, ok bool) {
	switch v := r.next(what).(type) {
	case nil:
	case string:
		return v, true
	default:
		r.fail(what, fmt.Sprintf("unexpected %T", v))
	}
	return "", false
}

// age reads milliseconds; nil is otherwise.
func (r *reply) age(what string, otherwise time.Duration) time.Duration {
	ms, ok := r.number(what, 0)
	if !ok {
		return otherwise
	}
	return time.Duration(ms) * time.Millisecond
}

func (r *reply) cursor(what string) bridge.Cursor {
	text, _ := r.text(what)
	c, err := bridge.ParseCursor(text)
	if err != nil {
		r.fail(what, err)
	}
	return c
}

// list reads an array of strings.
func (r *reply) list(what string) []string {
	values, ok := r.next(what).([]any)
	if !ok {
		r.fail(what, "not a list")
		return nil
	}
	list := make([]string, len(values))
	for i, v := range values {
		if list[i], ok = v.(string); !ok {
			r.fail(what, fmt.Sprintf("unexpected %T", v))
		}
	}
	return list
}

// ms is a duration as scripts take it, rounded up, so that a short one is not none.
func ms(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
