package flexsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Op names a REST operation.
type Op string

// The operations that are played, at /v1/… and at /v1/Services/{IS}/….
const (
	CreateConversation           Op = "CreateConversation"
	FetchConversation            Op = "FetchConversation"
	UpdateConversation           Op = "UpdateConversation"
	DeleteConversation           Op = "DeleteConversation"
	CreateParticipant            Op = "CreateParticipant"
	ListParticipants             Op = "ListParticipants"
	DeleteParticipant            Op = "DeleteParticipant"
	ListParticipantConversations Op = "ListParticipantConversations"
	CreateWebhook                Op = "CreateWebhook"
	ListWebhooks                 Op = "ListWebhooks"
	DeleteWebhook                Op = "DeleteWebhook"
	CreateMessage                Op = "CreateMessage"
	ListMessages                 Op = "ListMessages"
	FetchMessage                 Op = "FetchMessage"
	CreateInteraction            Op = "CreateInteraction" // at /v1/… only
	ListTasks                    Op = "ListTasks"         // at /v1/… only
	UnknownOp                    Op = ""                  // no resource of these
	AnyOp                        Op = "*"                 // all of them, for Break
)

// request is a call that was let in. Its parameters are those that the route
// takes, and only those of lists are repeated.
type request struct {
	*http.Request
	params url.Values
	by     actor
}

// route serves one operation, with the mutex held.
type route struct {
	op      Op
	pattern string // method, and path below /v1 or the service
	params  string // the names it takes
	status  int    // of a success
	serve   func(*Sim, *request) (any, *problem)
}

const conversationPath = "/Conversations/{conversation}"

var resources = []route{
	{CreateConversation, "POST /Conversations", "UniqueName FriendlyName Attributes State Timers.Inactive Timers.Closed", 201, (*Sim).createConversation},
	{FetchConversation, "GET " + conversationPath, "", 200, (*Sim).fetchConversation},
	{UpdateConversation, "POST " + conversationPath, "State FriendlyName Attributes", 200, (*Sim).updateConversation},
	{DeleteConversation, "DELETE " + conversationPath, "", 204, (*Sim).deleteConversation},
	{CreateParticipant, "POST " + conversationPath + "/Participants", "Identity Attributes", 201, (*Sim).createParticipant},
	{ListParticipants, "GET " + conversationPath + "/Participants", paging, 200, (*Sim).listParticipants},
	{DeleteParticipant, "DELETE " + conversationPath + "/Participants/{sid}", "", 204, (*Sim).deleteParticipant},
	{ListParticipantConversations, "GET /ParticipantConversations", "Identity " + paging, 200, (*Sim).listParticipantConversations},
	{CreateWebhook, "POST " + conversationPath + "/Webhooks",
		"Target Configuration.Url Configuration.Method Configuration.Filters Configuration.FlowSid", 201, (*Sim).createWebhook},
	{ListWebhooks, "GET " + conversationPath + "/Webhooks", paging, 200, (*Sim).listWebhooks},
	{DeleteWebhook, "DELETE " + conversationPath + "/Webhooks/{sid}", "", 204, (*Sim).deleteWebhook},
	{CreateMessage, "POST " + conversationPath + "/Messages", "Author Body Attributes", 201, (*Sim).createMessage},
	{ListMessages, "GET " + conversationPath + "/Messages", "Order " + paging, 200, (*Sim).listMessages},
	{FetchMessage, "GET " + conversationPath + "/Messages/{sid}", "", 200, (*Sim).fetchMessage},
}

func (s *Sim) routes() *http.ServeMux {
	mux := http.NewServeMux()
	handle := func(prefix string, routes []route) {
		for _, rt := range routes {
			method, path, _ := strings.Cut(rt.pattern, " ")
			mux.HandleFunc(method+" "+prefix+path, func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, rt) })
		}
	}
	handle("/v1", resources)
	handle("/v1/Services/{service}", resources)
	handle("/v1", interactionRoutes)
	handle("/v1", taskRoutes)
	handle("", mediaRoutes)
	handle("", administration)
	mux.HandleFunc("GET /content/{sid}", s.serveContent)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, r, route{serve: func(*Sim, *request) (any, *problem) { return nil, problemNotFound }})
	})
	return mux
}

// ServeHTTP is the REST API.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// answer serves a call, with the fault that was ordered for it.
func (s *Sim) answer(w http.ResponseWriter, r *http.Request, rt route) {
	call, params, err := s.arrived(r, rt.op)
	if err != nil {
		http.Error(w, "cannot read the form", http.StatusBadRequest)
		return
	}
	fault := s.faultOf(call)
	if !fault.Late && s.fails(w, r, call, fault) {
		return
	}
	body, p := s.perform(&request{Request: r, params: params, by: actorOf(r)}, rt)
	if fault.Late && s.fails(w, r, call, fault) {
		return
	}
	status := rt.status
	if p != nil {
		status, body = p.Status, p
	}
	s.answered(call, status)
	writeJSON(w, status, body)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status != http.StatusNoContent {
		_ = json.NewEncoder(w).Encode(body) // an error is the caller's leaving
	}
}

func (s *Sim) perform(r *request, rt route) (any, *problem) {
	if !s.admits(r.Request) {
		return nil, problemCredentials
	}
	if service := r.PathValue("service"); service != "" && service != s.config.ServiceSID {
		return nil, problemNotFound
	}
	if p := rt.check(r.params); p != nil {
		return nil, p
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return rt.serve(s, r)
}

func (s *Sim) admits(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	c := s.config
	return user == c.AccountSID && password == c.AuthToken ||
		c.APIKey != "" && user == c.APIKey && password == c.APISecret
}

// check refuses parameters that the operation does not have, or has only once.
func (rt route) check(params url.Values) *problem {
	if rt.op == UnknownOp {
		return nil
	}
	known := strings.Fields(rt.params)
	for name, values := range params {
		if !slices.Contains(known, name) {
			return invalid(fmt.Sprintf("%s does not take %s", rt.op, name))
		}
		if len(values) > 1 && !slices.Contains([]string{"Configuration.Filters", "AssignmentStatus", "Filters"}, name) {
			return invalid(name + " is repeated")
		}
	}
	return nil
}

// actorOf: "By default, webhooks are not fired by actions through the REST API"
// is changed by a header ("Conversations Webhooks").
func actorOf(r *http.Request) actor {
	if r.Header.Get("X-Twilio-Webhook-Enabled") == "true" {
		return actor{source: "API"}
	}
	return quiet
}
