package flex

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	conversations "github.com/twilio/twilio-go/rest/conversations/v1"
	studio "github.com/twilio/twilio-go/rest/studio/v2"
	taskrouter "github.com/twilio/twilio-go/rest/taskrouter/v1"
)

// Account is what an operator looks at and changes in a Twilio account before a
// [Desk] works there. It is safe for concurrent use. Its errors are those of
// bridge: ErrGone for what does not exist, ErrDeskRefused, ErrDeskUnavailable;
// of any other it is not known whether the change was made.
type Account struct{ desk *Desk }

// NewAccount takes the credentials, APIURL, Timeout and Logger of c, and nothing
// else; it calls nobody.
func NewAccount(c Config) (*Account, error) {
	c.ServiceSID = "" // calls name the service that they mean
	d, err := connect(c)
	if err != nil {
		return nil, err
	}
	return &Account{d}, nil
}

// CloseIdleConnections closes the connections that no call uses at present.
func (a *Account) CloseIdleConnections() { a.desk.CloseIdleConnections() }

// Standing is how the account is doing.
type Standing struct {
	Status string        // active, suspended or closed
	Ahead  time.Duration // Twilio's clock before ours, to a second and the time of the call
}

// Standing tells how the account is doing. An API key may not be allowed to ask.
// It is a plain GET, as twilio-go's package for it takes longer to build than all others here ("Account
// resource", twilio.com/docs/iam/api/account).
func (a *Account) Standing(ctx context.Context) (Standing, error) {
	address := "https://api.twilio.com/2010-04-01/Accounts/" + url.PathEscape(a.desk.config.AccountSID) + ".json"
	return read(ctx, a.desk, opAccount, "fetching the account", func(t *trip) (Standing, error) {
		res, err := t.handler.Get(address, nil, nil, "")
		if err != nil {
			return Standing{}, err
		}
		defer res.Body.Close()
		var account struct{ Status string } // it has the auth token, too
		if err := json.NewDecoder(res.Body).Decode(&account); err != nil {
			return Standing{}, err
		}
		date, err := http.ParseTime(t.header.Get("Date"))
		if err != nil || account.Status == "" {
			return Standing{}, errIncomplete
		}
		return Standing{Status: account.Status, Ahead: time.Until(date)}, nil
	})
}

// Service is a conversation service (IS…) and the account (AC…) that it is in.
type Service struct{ SID, Account string }

// DefaultService is the service that a call means which names none; the account
// is that of the credentials ("Configuration resource",
// twilio.com/docs/conversations/api/configuration-resource).
func (a *Account) DefaultService(ctx context.Context) (Service, error) {
	return read(ctx, a.desk, opAccount, "fetching the conversation service", func(t *trip) (Service, error) {
		c, err := t.api.FetchConfiguration()
		if err == nil && value(c.DefaultChatServiceSid) == "" {
			err = errIncomplete
		}
		if err != nil {
			return Service{}, err
		}
		return Service{*c.DefaultChatServiceSid, value(c.AccountSid)}, nil
	})
}

// Webhook is one that hears of all conversations of a service or an account.
type Webhook struct {
	PostURL, PreURL string // empty: none
	Method          string // POST or GET
	Filters         []string
}

// ServiceWebhook is the service's own webhook ("Per-Service Webhook resource",
// twilio.com/docs/conversations/api/per-service-webhook-resource).
func (a *Account) ServiceWebhook(ctx context.Context, service string) (Webhook, error) {
	return read(ctx, a.desk, opAccount, "fetching the service's webhook", func(t *trip) (Webhook, error) {
		w, err := t.api.FetchServiceWebhookConfiguration(url.PathEscape(service))
		if err != nil {
			return Webhook{}, err
		}
		return Webhook{value(w.PostWebhookUrl), value(w.PreWebhookUrl), value(w.Method), value(w.Filters)}, nil
	})
}

// GlobalWebhook is the account's, which a service's own replaces.
func (a *Account) GlobalWebhook(ctx context.Context) (Webhook, error) {
	return read(ctx, a.desk, opAccount, "fetching the account's webhook", func(t *trip) (Webhook, error) {
		w, err := t.api.FetchConfigurationWebhook()
		if err != nil {
			return Webhook{}, err
		}
		return Webhook{value(w.PostWebhookUrl), value(w.PreWebhookUrl), value(w.Method), value(w.Filters)}, nil
	})
}

// SetServiceWebhook changes the service's webhook, but for its PreURL, which is
// never ours. An empty PostURL removes that.
func (a *Account) SetServiceWebhook(ctx context.Context, service string, w Webhook) error {
	params := new(conversations.UpdateServiceWebhookConfigurationParams).
		SetPostWebhookUrl(w.PostURL).SetMethod(cmp.Or(w.Method, http.MethodPost)).SetFilters(w.Filters)
	_, err := write(ctx, a.desk, opAccount, "changing the service's webhook",
		func(t *trip) (*conversations.ConversationsV1ServiceWebhookConfiguration, error) {
			return t.api.UpdateServiceWebhookConfiguration(url.PathEscape(service), params)
		})
	return err
}

// Named is a resource with its names.
type Named struct{ SID, Name, UniqueName string }

const longPage = 1000

// Flows are the account's Studio flows.
func (a *Account) Flows(ctx context.Context) ([]Named, error) {
	first := func(t *trip) (*studio.ListFlowResponse, error) {
		return studio.NewApiService(t.handler).PageFlow(new(studio.ListFlowParams).SetPageSize(longPage), "", "")
	}
	return named(ctx, a, "listing the flows", first, func(page *studio.ListFlowResponse) (items []Named, nextURL *string) {
		for _, f := range page.Flows {
			items = append(items, Named{SID: value(f.Sid), Name: value(f.FriendlyName)})
		}
		return items, page.Meta.NextPageUrl
	})
}

// Workspaces are TaskRouter's; Flex's own is called [FlexWorkspace].
func (a *Account) Workspaces(ctx context.Context) ([]Named, error) {
	first := func(t *trip) (*taskrouter.ListWorkspaceResponse, error) {
		params := new(taskrouter.ListWorkspaceParams).SetPageSize(longPage)
		return taskrouter.NewApiService(t.handler).PageWorkspace(params, "", "")
	}
	return named(ctx, a, "listing the workspaces", first, func(page *taskrouter.ListWorkspaceResponse) (items []Named, nextURL *string) {
		for _, w := range page.Workspaces {
			items = append(items, Named{SID: value(w.Sid), Name: value(w.FriendlyName)})
		}
		return items, page.Meta.NextPageUrl
	})
}

// FlexWorkspace is the friendly name of the workspace that Flex comes with.
const FlexWorkspace = "Flex Task Assignment"

// Workflows are those of a workspace (WS…).
func (a *Account) Workflows(ctx context.Context, workspace string) ([]Named, error) {
	first := func(t *trip) (*taskrouter.ListWorkflowResponse, error) {
		params := new(taskrouter.ListWorkflowParams).SetPageSize(longPage)
		return taskrouter.NewApiService(t.handler).PageWorkflow(url.PathEscape(workspace), params, "", "")
	}
	return named(ctx, a, "listing the workflows", first, func(page *taskrouter.ListWorkflowResponse) (items []Named, nextURL *string) {
		for _, w := range page.Workflows {
			items = append(items, Named{SID: value(w.Sid), Name: value(w.FriendlyName)})
		}
		return items, page.Meta.NextPageUrl
	})
}

// TaskChannels are those of a workspace (WS…).
func (a *Account) TaskChannels(ctx context.Context, workspace string) ([]Named, error) {
	first := func(t *trip) (*taskrouter.ListTaskChannelResponse, error) {
		params := new(taskrouter.ListTaskChannelParams).SetPageSize(longPage)
		return taskrouter.NewApiService(t.handler).PageTaskChannel(url.PathEscape(workspace), params, "", "")
	}
	return named(ctx, a, "listing the task channels", first, func(page *taskrouter.ListTaskChannelResponse) (items []Named, nextURL *string) {
		for _, c := range page.Channels {
			items = append(items, Named{value(c.Sid), value(c.FriendlyName), value(c.UniqueName)})
		}
		return items, page.Meta.NextPageUrl
	})
}

// ListsTasks fails if the tasks of a workspace (WS…) cannot be listed.
func (a *Account) ListsTasks(ctx context.Context, workspace string) error {
	_, err := read(ctx, a.desk, opAccount, "listing the tasks", func(t *trip) (*taskrouter.ListTaskResponse, error) {
		params := new(taskrouter.ListTaskParams).SetPageSize(1)
		return taskrouter.NewApiService(t.handler).PageTask(url.PathEscape(workspace), params, "", "")
	})
	return err
}

// OnShift is what a [Desk] finds with this workspace (WS…).
func (a *Account) OnShift(ctx context.Context, workspace string) (bool, error) {
	return a.desk.available(ctx, workspace)
}

// named reads a list to its end.
func named[Page any](ctx context.Context, a *Account, what string, first func(*trip) (*Page, error), items func(*Page) ([]Named, *string)) ([]Named, error) {
	var all []Named
	page, err := read(ctx, a.desk, opAccount, what, first)
	for err == nil {
		some, nextURL := items(page)
		all = append(all, some...)
		if value(nextURL) == "" {
			return all, nil
		}
		page, err = read(ctx, a.desk, opAccount, what, func(t *trip) (*Page, error) { return next[Page](t, *nextURL) })
	}
	return nil, err
}
