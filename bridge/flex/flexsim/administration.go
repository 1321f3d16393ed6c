package flexsim

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// The operations by which an account is set up.
const (
	FetchAccount         Op = "FetchAccount"
	FetchConfiguration   Op = "FetchConfiguration"
	FetchGlobalWebhook   Op = "FetchGlobalWebhook"
	FetchServiceWebhook  Op = "FetchServiceWebhook"
	UpdateServiceWebhook Op = "UpdateServiceWebhook"
	CreateFlow           Op = "CreateFlow"
	ListFlows            Op = "ListFlows"
	FetchFlow            Op = "FetchFlow"
	FetchFlowRevision    Op = "FetchFlowRevision"
	UpdateFlow           Op = "UpdateFlow"
	DeleteFlow           Op = "DeleteFlow"
	ValidateFlow         Op = "ValidateFlow"
	ListWorkspaces       Op = "ListWorkspaces"
	ListWorkflows        Op = "ListWorkflows"
	ListTaskChannels     Op = "ListTaskChannels"
	ListWorkers          Op = "ListWorkers"
)

const (
	studioURL     = "https://studio.twilio.com"
	taskrouterURL = "https://taskrouter.twilio.com"
)

// administration are further routes, with their whole paths.
var administration = []route{
	{FetchAccount, "GET /2010-04-01/Accounts/{account}", "", 200, (*Sim).fetchAccount},
	{FetchConfiguration, "GET /v1/Configuration", "", 200, (*Sim).fetchConfiguration},
	{FetchGlobalWebhook, "GET /v1/Configuration/Webhooks", "", 200, (*Sim).fetchGlobalWebhook},
	{FetchServiceWebhook, "GET /v1/Services/{service}/Configuration/Webhooks", "", 200, (*Sim).fetchServiceWebhook},
	{UpdateServiceWebhook, "POST /v1/Services/{service}/Configuration/Webhooks",
		"PreWebhookUrl PostWebhookUrl Filters Method", 200, (*Sim).updateServiceWebhook},
	{CreateFlow, "POST /v2/Flows", "FriendlyName Status Definition CommitMessage", 201, (*Sim).createFlow},
	{ListFlows, "GET /v2/Flows", paging, 200, (*Sim).listFlows},
	{ValidateFlow, "POST /v2/Flows/Validate", "FriendlyName Status Definition CommitMessage", 200, (*Sim).validateFlow},
	{FetchFlow, "GET /v2/Flows/{flow}", "", 200, (*Sim).fetchFlow},
	{FetchFlowRevision, "GET /v2/Flows/{flow}/Revisions/{revision}", "", 200, (*Sim).fetchRevision},
	{UpdateFlow, "POST /v2/Flows/{flow}", "FriendlyName Status Definition CommitMessage", 200, (*Sim).updateFlow},
	{DeleteFlow, "DELETE /v2/Flows/{flow}", "", 204, (*Sim).deleteFlow},
	{ListWorkspaces, "GET /v1/Workspaces", paging, 200, (*Sim).listWorkspaces},
	{ListWorkflows, "GET /v1/Workspaces/{workspace}/Workflows", paging, 200, (*Sim).listWorkflows},
	{ListWorkers, "GET /v1/Workspaces/{workspace}/Workers", "Available " + paging, 200, (*Sim).listWorkers},
	{ListTaskChannels, "GET /v1/Workspaces/{workspace}/TaskChannels", paging, 200, (*Sim).listTaskChannels},
}

// hostOf is the API that a path belongs to.
func hostOf(path string) string {
	switch {
	case strings.HasPrefix(path, "/v2/Flows"):
		return studioURL
	case strings.HasPrefix(path, "/v1/Workspaces"):
		return taskrouterURL
	}
	return apiURL
}

func (s *Sim) fetchAccount(r *request) (any, *problem) {
	if r.PathValue("account") != s.config.AccountSID+".json" {
		return nil, problemNotFound
	}
	return map[string]any{
		"sid": s.config.AccountSID, "owner_account_sid": s.config.AccountSID, "auth_token": s.config.AuthToken,
		"friendly_name": "Simulated", "status": s.status, "type": "Full",
		"date_created": "Fri, 01 Apr 2022 00:00:00 +0000", "date_updated": "Fri, 01 Apr 2022 00:00:00 +0000",
		"uri": r.URL.Path, "subresource_uris": map[string]any{},
	}, nil
}

// SetStatus makes the account active, suspended or closed. What it may do does
// not change.
func (s *Sim) SetStatus(status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *Sim) fetchConfiguration(*request) (any, *problem) {
	here := apiURL + "/v1/Configuration"
	return map[string]any{
		"account_sid": s.config.AccountSID, "default_chat_service_sid": s.config.ServiceSID,
		"default_messaging_service_sid": messagingServiceSID,
		"default_inactive_timer":        nil, "default_closed_timer": nil,
		"url": here, "links": map[string]any{"webhooks": here + "/Webhooks"},
	}, nil
}

// SetServiceHook replaces the service's webhook, as in the console.
func (s *Sim) SetServiceHook(h ServiceHook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serviceHook = h
}

// SetGlobalHook replaces the account's webhook, as in the console.
func (s *Sim) SetGlobalHook(h ServiceHook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.globalHook = h
}

// ServiceHook is the service's webhook as it is now.
func (s *Sim) ServiceHook() ServiceHook {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serviceHook
}

// hook is the webhook that hears of every conversation: the service's, and
// without one the account's ("Per-Service Webhook Resource"). It is called with
// the mutex held.
func (s *Sim) hook() ServiceHook {
	if own := s.serviceHook; own.URL != "" || own.PreURL != "" {
		return own
	}
	return s.globalHook
}

// postEvents and preEvents are the filters of a whole service ("Conversations Webhooks").
var (
	postEvents = append([]string{"onConversationAdded", "onUserAdded", "onUserUpdated"}, scopedEvents...)
	preEvents  = []string{
		"onMessageAdd", "onMessageUpdate", "onMessageRemove", "onConversationAdd", "onConversationUpdate",
		"onConversationRemove", "onParticipantAdd", "onParticipantUpdate", "onParticipantRemove", "onUserUpdate",
	}
)

func (s *Sim) fetchGlobalWebhook(*request) (any, *problem) {
	shape := s.globalHook.shape()
	shape["account_sid"], shape["target"] = s.config.AccountSID, "webhook"
	shape["url"] = apiURL + "/v1/Configuration/Webhooks"
	return shape, nil
}

func (s *Sim) fetchServiceWebhook(*request) (any, *problem) {
	shape := s.serviceHook.shape()
	shape["account_sid"], shape["chat_service_sid"] = s.config.AccountSID, s.config.ServiceSID
	shape["url"] = apiURL + "/v1/Services/" + s.config.ServiceSID + "/Configuration/Webhooks"
	return shape, nil
}

func (s *Sim) updateServiceWebhook(r *request) (any, *problem) {
	h := s.serviceHook
	if r.params.Has("PreWebhookUrl") {
		h.PreURL = r.params.Get("PreWebhookUrl")
	}
	if r.params.Has("PostWebhookUrl") {
		h.URL = r.params.Get("PostWebhookUrl")
	}
	if r.params.Has("Filters") {
		h.Filters = slices.DeleteFunc(slices.Clone(r.params["Filters"]), func(event string) bool { return event == "" })
	}
	h.Method = cmp.Or(r.params.Get("Method"), h.Method)
	if h.Method != "" && h.Method != http.MethodPost && h.Method != http.MethodGet {
		return nil, invalid("Method")
	}
	for _, event := range h.Filters {
		if !slices.Contains(postEvents, event) && !slices.Contains(preEvents, event) {
			return nil, invalid("Filters: " + event)
		}
	}
	for _, url := range []string{h.URL, h.PreURL} {
		if url != "" && !strings.HasPrefix(url, "http") {
			return nil, invalid("PostWebhookUrl or PreWebhookUrl")
		}
	}
	s.serviceHook = h
	s.note()
	return s.fetchServiceWebhook(r)
}

func (h ServiceHook) shape() map[string]any {
	filters := h.Filters
	if filters == nil {
		filters = []string{}
	}
	return map[string]any{
		"post_webhook_url": orNull(h.URL), "pre_webhook_url": orNull(h.PreURL),
		"filters": filters, "method": cmp.Or(h.Method, http.MethodPost),
	}
}
