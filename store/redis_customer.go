package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"flexbridge/bridge"
)

// Directory returns what is known of the customer; see bridge.Mailbox.
func (r *Redis) Directory(ctx context.Context, c bridge.Customer) (bridge.Directory, error) {
	answer, err := r.run(ctx, directoryScript, directoryKey(c))
	if err != nil {
		return bridge.Directory{}, err
	}
	nothing, _ := answer.number("nothing", 0)
	fields := answer.list("directory")
	d := bridge.Directory{Known: nothing == 1}
	for i := 0; i+1 < len(fields); i += 2 {
		name, value := fields[i], fields[i+1]
		switch name {
		case "nothing":
		case "told":
			if d.Told, err = bridge.ParseCursor(value); err != nil {
				return bridge.Directory{}, fmt.Errorf("stored told: %w", err)
			}
		default:
			generation, err := strconv.Atoi(name)
			if err != nil {
				return bridge.Directory{}, fmt.Errorf("stored generation: %w", err)
			}
			if d.Conversations == nil {
				d.Conversations, d.Known = make(map[int]string), true
			}
			d.Conversations[generation] = value
		}
	}
	return d, answer.err
}

// Enter adds to the directory; see bridge.Mailbox.
func (r *Redis) Enter(ctx context.Context, c bridge.Customer, conversations map[int]string) error {
	life := r.cfg.Retention
	if len(conversations) == 0 {
		life = nothingKnown
	}
	args := []any{ms(life)}
	for generation, sid := range conversations {
		args = append(args, generation, sid)
	}
	_, err := r.change(ctx, enterScript, directoryKey(c), args...)
	return err
}

// Tell raises the directory's cursor; see bridge.Mailbox.
func (r *Redis) Tell(ctx context.Context, c bridge.Customer, told bridge.Cursor) error {
	if told.IsZero() {
		return nil
	}
	_, err := r.change(ctx, tellScript, directoryKey(c), told.String(), told.Generation, told.Index, ms(r.cfg.Retention))
	return err
}

// Lease asks to be the customer's only opener; see bridge.Mailbox.
func (r *Redis) Lease(ctx context.Context, c bridge.Customer, token string, d time.Duration) (bridge.Opening, bool, error) {
	answer, err := r.run(ctx, leaseScript, openingKey(c), token, ms(d), ms(max(openingLife, d)))
	if err != nil {
		return bridge.Opening{}, false, err
	}
	var o bridge.Opening
	held, _ := answer.number("lease", 0)
	o.Taken = answer.age("lease", 0)
	o.Generation, _ = answer.number("generation", 0)
	o.Conversation, _ = answer.text("conversation")
	done, _ := answer.number("done", 0)
	o.Done = bridge.Step(done)
	return o, held == 1, answer.err
}

// Record writes the steps of the opening; see bridge.Mailbox.
func (r *Redis) Record(ctx context.Context, c bridge.Customer, token string, o bridge.Opening, d time.Duration) (bool, error) {
	return r.change(ctx, recordScript, openingKey(c), token, ms(d), ms(max(openingLife, d)),
		wakeChannel(string(c)), o.Generation, o.Conversation, int(o.Done))
}

// Release ends the lease; see bridge.Mailbox.
func (r *Redis) Release(ctx context.Context, c bridge.Customer, token string) error {
	_, err := r.change(ctx, releaseScript, openingKey(c), token, wakeChannel(string(c)))
	return err
}
