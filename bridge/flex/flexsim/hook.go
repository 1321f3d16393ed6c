package flexsim

import (
	"net/url"
	"slices"
	"strings"
)

const (
	maxHooks   = 5   // error 50361
	maxHookURL = 512 // error 50372
)

// scopedEvents are those that a webhook of one conversation can have.
var scopedEvents = []string{
	"onMessageAdded", "onMessageUpdated", "onMessageRemoved",
	"onConversationUpdated", "onConversationStateUpdated", "onConversationRemoved",
	"onParticipantAdded", "onParticipantUpdated", "onParticipantRemoved", "onDeliveryUpdated",
}

func (s *Sim) createWebhook(r *request) (any, *problem) {
	c, p := s.above(r)
	switch {
	case p != nil:
		return nil, p
	case c.State == Closed:
		return nil, problemClosed
	case len(c.Hooks) >= maxHooks:
		return nil, problemTooManyHooks
	}
	hook := Hook{
		Target:  r.params.Get("Target"),
		URL:     r.params.Get("Configuration.Url"),
		FlowSID: r.params.Get("Configuration.FlowSid"),
		Filters: slices.Clone(r.params["Configuration.Filters"]),
		Created: now(),
	}
	if p := hook.check(r.params.Get("Configuration.Method")); p != nil {
		return nil, p
	}
	hook.SID = s.sid("WH")
	c.Hooks = append(c.Hooks, hook)
	s.note()
	return s.shapeHook(c, hook), nil
}

// check takes only hooks that are sure to work: filters have to be given, as it
// is not documented what none of them means, and only POST is played.
func (h Hook) check(method string) *problem {
	for _, event := range h.Filters {
		if !slices.Contains(scopedEvents, event) {
			return invalid("Configuration.Filters: " + event)
		}
	}
	u, err := url.Parse(h.URL)
	switch {
	case len(h.Filters) == 0:
		return invalid("Configuration.Filters is missing")
	case h.Target == "studio" && (h.FlowSID == "" || h.URL != "" || method != ""):
		return invalid("a studio hook has a Configuration.FlowSid, no URL and no method")
	case h.Target == "studio":
		return nil
	case h.Target != "webhook" || h.FlowSID != "":
		return invalid("Target")
	case len(h.URL) > maxHookURL:
		return problemHookURL
	case err != nil || u.Host == "" || !strings.HasPrefix(u.Scheme, "http"):
		return invalid("Configuration.Url")
	case method != "post":
		return invalid("Configuration.Method")
	}
	return nil
}

func (s *Sim) listWebhooks(r *request) (any, *problem) {
	c, p := s.above(r)
	if p != nil {
		return nil, p
	}
	return listing(r, "webhooks", 5, 5, c.Hooks, func(h Hook) any { return s.shapeHook(c, h) })
}

func (s *Sim) deleteWebhook(r *request) (any, *problem) {
	c, p := s.above(r)
	if p != nil {
		return nil, p
	}
	i := slices.IndexFunc(c.Hooks, func(h Hook) bool { return h.SID == r.PathValue("sid") })
	if i < 0 {
		return nil, problemNoHook
	}
	c.Hooks = slices.Delete(c.Hooks, i, i+1)
	s.note()
	return nil, nil
}
