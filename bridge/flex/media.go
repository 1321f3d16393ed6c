package flex

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"flexbridge/bridge"
)

// mediaHost is the Media Content Service, which has the files of messages. Its
// region is part of the name, and twilio-go does not know it ("Media Resource",
// twilio.com/docs/conversations/api/media-resource).
const mediaHost = "mcs.us1.twilio.com"

// mediaResource is what Twilio tells of a file. The link needs no credentials and
// lapses soon.
type mediaResource struct {
	Filename    string `json:"filename"`
	ContentType string `json:"content_type"`
	Size        *int64 `json:"size"`
	Links       struct {
		Temporary string `json:"content_direct_temporary"`
	} `json:"links"`
}

// File describes the file of a message; ErrGone when there is none, or none any
// more. One call, and one more in a desk's life when it was not told the service.
// Opening the file is one request, to where Twilio's answer said.
func (d *Desk) File(ctx context.Context, sid string) (bridge.File, error) {
	service, err := d.service(ctx)
	if err != nil {
		return bridge.File{}, err
	}
	at := "https://" + mediaHost + "/v1/Services/" + url.PathEscape(service) + "/Media/" + url.PathEscape(sid)
	m, err := read(ctx, d, opFile, "describing "+sid, func(t *trip) (*mediaResource, error) {
		m, err := next[mediaResource](t, at)
		if err == nil && (m.Size == nil || *m.Size < 0) {
			err = errIncomplete
		}
		return m, err
	})
	if err != nil {
		return bridge.File{}, err
	}
	return bridge.File{
		Media: bridge.Media{SID: sid, Name: m.Filename, Type: m.ContentType, Size: *m.Size},
		Open: func(ctx context.Context) (io.ReadCloser, error) {
			content, err := d.content(ctx, m.Links.Temporary, *m.Size)
			if err != nil {
				return nil, fmt.Errorf("opening %s: %w", sid, err)
			}
			return content, nil
		},
	}, nil
}

// service is the conversation service that the desk works in.
func (d *Desk) service(ctx context.Context) (string, error) {
	if d.config.ServiceSID != "" {
		return d.config.ServiceSID, nil
	}
	if known := d.defaultService.Load(); known != nil {
		return *known, nil
	}
	sid, err := read(ctx, d, opService, "fetching the default service", func(t *trip) (string, error) {
		c, err := t.api.FetchConfiguration()
		if err == nil && value(c.DefaultChatServiceSid) == "" {
			err = errIncomplete
		}
		if err != nil {
			return "", err
		}
		return *c.DefaultChatServiceSid, nil
	})
	if err != nil {
		return "", withoutService(err)
	}
	d.defaultService.Store(&sid)
	return sid, nil
}

// content fetches a file without credentials, and follows no redirect. The link is
// a secret while it lasts, so no error holds it.
func (d *Desk) content(ctx context.Context, link string, size int64) (io.ReadCloser, error) {
	u, err := url.Parse(link)
	if err != nil || !d.ofTwilio(u) {
		return nil, fmt.Errorf("%w: the link to the content is not Twilio's", bridge.ErrDeskUnavailable)
	}
	// Compressed on the way, it would not have its length.
	header := http.Header{"Accept-Encoding": {"identity"}}
	r := (&http.Request{Method: http.MethodGet, URL: u, Header: header}).WithContext(ctx)
	res, err := d.transport.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("%w: calling %s: %w", bridge.ErrDeskUnavailable, u.Host, err)
	}
	switch {
	case res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone:
		err = fmt.Errorf("%w: HTTP %d", bridge.ErrGone, res.StatusCode)
	case res.StatusCode != http.StatusOK:
		err = fmt.Errorf("%w: HTTP %d", bridge.ErrDeskUnavailable, res.StatusCode)
	case res.ContentLength >= 0 && res.ContentLength != size:
		err = fmt.Errorf("%w: it has %d bytes and should have %d", bridge.ErrDeskUnavailable, res.ContentLength, size)
	default:
		return res.Body, nil
	}
	res.Body.Close()
	return nil, err
}

// ofTwilio keeps Twilio's answers from sending us to any place inside our own
// network: files lie at media.us1.twilio.com, or where the API itself was put.
func (d *Desk) ofTwilio(u *url.URL) bool {
	if u.User != nil || u.Host == "" {
		return false
	}
	if api, err := url.Parse(d.config.APIURL); err == nil && u.Scheme == api.Scheme && u.Host == api.Host {
		return true
	}
	return u.Scheme == "https" && strings.HasSuffix(u.Host, ".twilio.com")
}
