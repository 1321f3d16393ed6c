package flexsim

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// The credentials and SIDs of a Config that leaves them empty.
const (
	AccountSID = "AC00000000000000000000000000000001"
	AuthToken  = "simulatedauthtoken"
	ServiceSID = "IS00000000000000000000000000000001"
	FlowSID    = "FW00000000000000000000000000000001"
)

// Config is what a Sim is made from. Its zero value works.
type Config struct {
	AccountSID, AuthToken string // empty: the constants of this name
	APIKey, APISecret     string // further credentials for REST; empty: none
	ServiceSID            string // the account's default conversation service; empty: the constant
	FlowSID               string // a Studio flow that sends to Flex; empty: the constant
	WorkspaceSID          string // Flex's workspace in TaskRouter; empty: the constant
	WorkflowSID           string // the workflow there; empty: the constant

	// RoutingDelay is how long after the answer the task of an interaction comes,
	// which is made asynchronously.
	RoutingDelay time.Duration

	// Serial is what SIDs are counted from, so that two accounts whose
	// conversations meet in one mailbox do not share any.
	Serial int

	// ServiceHook is the webhook of the whole service, as set up in the console.
	ServiceHook ServiceHook

	// Greeting is what the flow says before it sends a conversation to Flex; empty
	// says nothing. Like any message of a Studio widget it fires no webhook.
	Greeting string

	// QuietFlex makes agents' joins, leaves and closes fire no webhooks. Whether
	// Flex's own do is not documented.
	QuietFlex bool

	// OnCall is called with each REST call that arrives, before it is served. It may be
	// nil.
	OnCall func(Call)

	// OnTask and OnMessage are called once for each new task and message, each in
	// a goroutine of its own. The context ends with Close. They may be nil.
	OnTask    func(context.Context, Task)
	OnMessage func(context.Context, Message)
}

// ServiceHook is a webhook for all conversations. Pre-event webhooks are kept, and
// never sent.
type ServiceHook struct {
	URL     string   // of post-events; empty: there is none
	PreURL  string   // of pre-events
	Method  string   // empty: POST
	Filters []string // the events that it is sent, such as onMessageAdded
}

// Sim is a pretend Twilio account. It is safe for concurrent use.
type Sim struct {
	config Config
	mux    *http.ServeMux
	client *http.Client // of the webhooks

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	ending sync.WaitGroup // what start started

	mu            sync.Mutex
	conversations []*Conversation
	byName        map[string]*Conversation // and by SID, which no name looks like
	status        string                   // of the account
	serviceHook   ServiceHook
	globalHook    ServiceHook
	workspaces    []Workspace
	flows         []*Flow
	tasks         []Task
	coming, lost  int           // interactions whose task is under way, and of which nothing is to come
	serial        int           // of the SID made last
	busy          int           // goroutines under way
	sending       int           // files
	changed       chan struct{} // closed, and replaced, with every change
	calls         []*Call
	deliveries    []Delivery
	rules         []*rule
	webhookRules  []*webhookRule
}

// New starts an account with Flex: a workspace, a flow, and no conversations. Close ends it.
func New(c Config) *Sim {
	c.AccountSID = cmp.Or(c.AccountSID, AccountSID)
	c.AuthToken = cmp.Or(c.AuthToken, AuthToken)
	c.ServiceSID = cmp.Or(c.ServiceSID, ServiceSID)
	c.FlowSID = cmp.Or(c.FlowSID, FlowSID)
	c.WorkspaceSID = cmp.Or(c.WorkspaceSID, WorkspaceSID)
	c.WorkflowSID = cmp.Or(c.WorkflowSID, WorkflowSID)
	ctx, cancel := context.WithCancel(context.Background())
	s := &Sim{
		config:  c,
		serial:  c.Serial,
		client:  webhookClient(),
		ctx:     ctx,
		cancel:  cancel,
		changed: make(chan struct{}),
		byName:  make(map[string]*Conversation),
	}
	s.status, s.serviceHook, s.workspaces = "active", c.ServiceHook, flexWorkspaces()
	flow := &Flow{SID: c.FlowSID, Name: "Messaging Flow"}
	flow.save(Published, flexFlow)
	s.flows = append(s.flows, flow)
	s.mux = s.routes()
	return s
}

// Close ends webhooks and callbacks that are under way and waits for their
// goroutines; what happens later sends none. It may be called twice.
func (s *Sim) Close() {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.ending.Wait()
	s.client.CloseIdleConnections()
}

// Wait waits until all webhooks have been delivered and all callbacks have
// returned. Webhooks that wait for others, see [Sim.ReverseWebhooks], do not
// count. The error is the context's cause.
func (s *Sim) Wait(ctx context.Context) error {
	return s.Until(ctx, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.busy == 0
	})
}

// Until waits until the condition holds, and looks at it again after every
// change: a call that arrived or was answered, a message, a task, a webhook. The
// condition may use the Sim. The error is the context's cause.
func (s *Sim) Until(ctx context.Context, condition func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if condition() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// The methods below are called with the mutex held.

// start runs f in a goroutine that Close waits for.
func (s *Sim) start(f func()) {
	if s.ctx.Err() != nil {
		return
	}
	s.busy++
	s.ending.Add(1)
	go func() {
		defer s.ending.Done()
		f()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.busy--
		s.note()
	}()
}

// note wakes who waits for a change.
func (s *Sim) note() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// sid makes the next SID: two letters and 32 hex digits, the same in every run.
func (s *Sim) sid(prefix string) string {
	s.serial++
	return fmt.Sprintf("%s%032x", prefix, s.serial)
}

// pause waits until hold is closed, if there is one, then for d. It is false
// when the context ended first.
func pause(ctx context.Context, hold <-chan struct{}, d time.Duration) bool {
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return false
		}
	}
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
