package flex

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/twilio/twilio-go/client"

	"flexbridge/bridge"
)

var (
	// errIncomplete: a success that lacks what it must hold.
	errIncomplete = errors.New("the answer is incomplete")
	// errIsIn: the identity is a participant already. Only Join sees it.
	errIsIn = errors.New("the participant is there already")
)

// meanings tells what Twilio's error codes mean to the bridge; each is described
// at twilio.com/docs/api/errors/<code>. A 404 with any code is bridge.ErrGone,
// any other 4xx bridge.ErrDeskRefused.
var meanings = map[int]error{
	20404: bridge.ErrGone,
	50350: bridge.ErrGone,
	50353: bridge.ErrTaken,
	50377: bridge.ErrClosed,
	50433: errIsIn,
}

// verdict says what became of the request, given twilio-go's error. A read that
// failed has no outcome to be unsure of; a write has, from the moment on that a
// connection took it.
func (t *trip) verdict(reading bool, err error) error {
	if err == nil {
		return nil
	}
	if t.status == http.StatusTooManyRequests {
		return fmt.Errorf("%w: Twilio has no room (HTTP 429)", bridge.ErrDeskUnavailable)
	}
	var said *client.TwilioRestError
	if errors.As(err, &said) {
		err = fmt.Errorf("HTTP %d, Twilio's error %d: %s", t.status, said.Code, said.Message)
	} else if t.status >= 300 {
		// twilio-go takes a 3xx for a success with an empty body.
		err = fmt.Errorf("HTTP %d without an error of Twilio's: %w", t.status, err)
	}
	switch refused := t.status >= 400 && t.status < 500; {
	case refused && said != nil:
		return fmt.Errorf("%w: %w", t.meaning(said.Code), err)
	case refused:
		// A page of some proxy: not even its 404 says anything about a conversation.
		return fmt.Errorf("%w: %w", bridge.ErrDeskRefused, err)
	case reading || !t.sent.Load():
		return fmt.Errorf("%w: %w", bridge.ErrDeskUnavailable, err)
	}
	return fmt.Errorf("the outcome is unknown: %w", err)
}

func (t *trip) meaning(code int) error {
	if err, ok := meanings[code]; ok {
		return err
	}
	switch t.status {
	case http.StatusNotFound:
		return bridge.ErrGone
	case http.StatusUnauthorized:
		return fmt.Errorf("%w: Twilio does not accept the credentials", bridge.ErrDeskRefused)
	case http.StatusForbidden:
		return fmt.Errorf("%w: Twilio does not allow this with these credentials", bridge.ErrDeskRefused)
	}
	return bridge.ErrDeskRefused
}

func unavailable(err error) bool { return errors.Is(err, bridge.ErrDeskUnavailable) }

// withoutService corrects the meaning of a 404 to a call that names no
// conversation: it is the conversation service that does not exist.
func withoutService(err error) error {
	if !errors.Is(err, bridge.ErrGone) {
		return err
	}
	return fmt.Errorf("%w: no such conversation service: %v", bridge.ErrDeskRefused, err)
}
