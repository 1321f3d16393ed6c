package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"flexbridge/bridge"
	"flexbridge/bridge/flex"
)

// account makes calls with the API key or the auth token, for as long as use runs.
func (d *doctor) account(byKey bool, use func(*flex.Account) finding) finding {
	a, err := newAccount(d.config, byKey)
	if err != nil {
		return failed(err)
	}
	defer a.CloseIdleConnections()
	return use(a)
}

// rest makes calls with what the service makes them with.
func (d *doctor) rest(use func(*flex.Account) finding) finding {
	return d.account(d.config.APIKey != "", use)
}

func (d *doctor) authToken(ctx context.Context) finding {
	return d.account(false, func(a *flex.Account) finding {
		var err error
		d.standing, err = a.Standing(ctx)
		switch {
		case errors.Is(err, bridge.ErrDeskRefused):
			return bad("copy TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN again from the Console's first page", "the auth token is not accepted for %s: %v", d.config.AccountSID, err)
		case err != nil:
			return failed(err)
		case d.standing.Status != "active":
			return bad("see the Console for what Twilio wants", "the account %s is %s", d.config.AccountSID, d.standing.Status)
		}
		return ok("account %s is active", d.config.AccountSID)
	})
}

func (d *doctor) apiKey(ctx context.Context) finding {
	if d.config.APIKey == "" {
		return ok("none: calls are made with the auth token")
	}
	return d.account(true, func(a *flex.Account) finding {
		switch service, err := a.DefaultService(ctx); {
		case errors.Is(err, bridge.ErrDeskRefused):
			return bad("make a standard API key in the Console, of this account, and set both TWILIO_API_KEY and TWILIO_API_SECRET", "the API key %s is not accepted: %v", d.config.APIKey, err)
		case err != nil:
			return failed(err)
		case service.Account != d.config.AccountSID:
			return bad("make an API key of TWILIO_ACCOUNT_SID's account", "the API key %s is of the account %s", d.config.APIKey, service.Account)
		}
		return ok("%s is accepted", d.config.APIKey)
	})
}

// maxSkew is where tokens with a lifetime begin to be refused.
const maxSkew = 30 * time.Second

func (d *doctor) clock(context.Context) finding { return skew("Twilio's", d.standing.Ahead) }

func skew(whose string, ahead time.Duration) finding {
	if ahead.Abs() <= maxSkew {
		return ok("agrees with %s", whose)
	}
	word := "behind"
	if ahead < 0 {
		word = "ahead of"
	}
	return warning("let NTP set the clock", "this machine's clock is %v %s %s", ahead.Abs().Round(10*time.Second), word, whose)
}

func (d *doctor) conversationService(ctx context.Context) finding {
	return d.rest(func(a *flex.Account) finding {
		service, err := a.DefaultService(ctx)
		if err != nil {
			return failed(err)
		}
		d.service = service.SID
		if own := d.config.ServiceSID; own != "" && own != d.service {
			return bad("leave TWILIO_SERVICE_SID empty, or make that service the account's default",
				"TWILIO_SERVICE_SID is %s, the account's default is %s, and Flex works with that only", own, d.service)
		}
		return ok("%s is the account's default", d.service)
	})
}

func (d *doctor) studioFlow(ctx context.Context) finding {
	if d.config.interactions() {
		return ok("not used: agents are reached without Studio")
	}
	return d.rest(func(a *flex.Account) finding {
		const repair = "run flexbridge setup, and set the TWILIO_FLOW_SID that it prints"
		sid := d.config.FlowSID
		flow, err := a.RunningFlow(ctx, sid)
		if errors.Is(err, bridge.ErrGone) {
			if _, err = a.Flow(ctx, sid); err == nil {
				return bad("publish it in Studio; a draft does not run", "the flow %s was never published", sid)
			}
		}
		switch {
		case errors.Is(err, bridge.ErrGone):
			return bad(repair, "the flow %s does not exist", sid)
		case err != nil:
			return failed(err)
		}
		d.flow = flow
		switch _, _, leads := flow.SendsToFlex(); {
		case !flow.Valid:
			return bad("mend it in Studio, or "+repair, "the flow %s is not valid", sid)
		case !leads:
			return bad("connect them in Studio and publish, or "+repair, "the flow %s does not lead from Incoming Conversation to Send to Flex", sid)
		}
		return ok("%q (%s) is published and leads to Flex", flow.Name, sid)
	})
}

// webhookSettings looks at the two webhooks that hear of all conversations, of
// which the service's, if it has one, silences the account's.
func (d *doctor) webhookSettings(ctx context.Context) finding {
	return d.rest(func(a *flex.Account) finding {
		service, err := a.ServiceWebhook(ctx, d.service)
		if err != nil {
			return failed(err)
		}
		global, err := a.GlobalWebhook(ctx)
		if err != nil {
			return failed(err)
		}
		hook, whose := global, "the account's webhook"
		if service.PostURL != "" || service.PreURL != "" {
			hook, whose = service, "the service's webhook"
		}
		if d.config.isHook(service.PreURL) || d.config.isHook(global.PreURL) {
			return bad("remove it there and enter it as the post-event URL", "our URL is entered for pre-events: while the service is down, agents could not speak")
		}
		if d.config.WebhookScope == "console" {
			return d.consoleScope(hook, whose, service, global)
		}
		switch {
		case d.config.isHook(service.PostURL):
			return bad("run flexbridge setup --webhook conversation, or set WEBHOOK_SCOPE=console", "%s comes to us, too, so that everything comes twice", whose)
		case d.config.isHook(hook.PostURL):
			return bad("remove it in the Console, or set WEBHOOK_SCOPE=console", "%s comes to us, too, so that everything comes twice", whose)
		}
		return ok("each conversation gets its own")
	})
}

func (d *doctor) consoleScope(hook flex.Webhook, whose string, service, global flex.Webhook) finding {
	const repair = "run flexbridge setup --webhook console"
	silenced := d.config.others(global)
	switch lacking := missing(hook.Filters, flex.Events()); {
	case hook.PostURL == "":
		return bad(repair, "there is no webhook for all conversations")
	case !d.config.isHook(hook.PostURL):
		return bad(repair, "%s goes to %s", whose, hostOf(hook.PostURL))
	case hook.Method != http.MethodPost:
		return bad(repair, "%s is sent by %s", whose, hook.Method)
	case len(lacking) > 0:
		return bad(repair, "%s lacks %s", whose, strings.Join(lacking, ", "))
	case d.config.isHook(service.PostURL) && len(silenced) > 0:
		return warning("see whether somebody there misses this service", "%s is ours, and silences the account's at %s", whose, hostOf(silenced[0]))
	}
	return ok("%s comes to us", whose)
}
