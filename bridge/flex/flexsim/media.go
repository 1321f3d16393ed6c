package flexsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Operations around files: the Media Content Service, with one path for what is
// described and one for what is in it, and where its service is found.
const (
	FetchMedia   Op = "FetchMedia"
	FetchContent Op = "FetchContent"
)

var mediaRoutes = []route{
	{FetchMedia, "GET /v1/Services/{service}/Media/{sid}", "", 200, (*Sim).fetchMedia},
}

// contentLife is how long a link to a content works. Twilio's pages do not tell.
const contentLife = 5 * time.Minute

// Content is what is in a file: size bytes that only this SID has. They are made
// while they are read.
func Content(sid string, size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8(sha256.Sum256([]byte(sid))), size)
}

func (m Media) content() io.Reader {
	if m.Data != "" {
		return strings.NewReader(m.Data)
	}
	return Content(m.SID, m.Size)
}

// BotSend posts a message with files by the REST API with webhooks enabled, as a
// bot does.
func (s *Sim) BotSend(conversation, author, text string, files ...Media) (said Message, err error) {
	err = s.in(conversation, func(c *Conversation) (p *problem) {
		said, p = s.say(c, Message{Author: author, Text: text, Media: files}, actor{source: "API"})
		return p
	})
	return said, err
}

// Sending is the number of files that are being sent.
func (s *Sim) Sending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sending
}

// media is the file with the SID, and the message it is in. It is called with the
// mutex held.
func (s *Sim) media(sid string) (Media, Message, bool) {
	for _, c := range s.conversations {
		for _, m := range c.Messages {
			for _, file := range m.Media {
				if file.SID == sid {
					return file, m, true
				}
			}
		}
	}
	return Media{}, Message{}, false
}

// fetchMedia links to the content at the Sim itself, wherever that listens.
func (s *Sim) fetchMedia(r *request) (any, *problem) {
	file, m, ok := s.media(r.PathValue("sid"))
	if !ok {
		return nil, problemNotFound
	}
	expires := strconv.FormatInt(now().Add(contentLife).Unix(), 10)
	query := url.Values{"Expires": {expires}, "Signature": {s.contentSignature(file.SID, expires)}}
	here := r.URL.EscapedPath()
	return map[string]any{
		"sid": file.SID, "service_sid": s.config.ServiceSID, "channel_sid": m.Conversation, "message_sid": m.SID,
		"author": m.Author, "category": "media", "is_multipart_upstream": false,
		"filename": orNull(file.Name), "content_type": file.Type, "size": file.Size,
		"date_created": restTime(m.Created), "date_updated": restTime(m.Created), "date_upload_updated": restTime(m.Created),
		"url": here,
		"links": map[string]any{
			"content":                  here + "/Content",
			"content_direct_temporary": fmt.Sprintf("http://%s/content/%s?%s", r.Host, file.SID, query.Encode()),
		},
	}, nil
}

func (s *Sim) contentSignature(sid, expires string) string {
	h := hmac.New(sha256.New, []byte(s.config.AuthToken))
	fmt.Fprint(h, sid, " ", expires)
	return hex.EncodeToString(h.Sum(nil))
}

// serveContent sends a file to whoever has its link. Credentials are refused, so
// that who sends them here is found.
func (s *Sim) serveContent(w http.ResponseWriter, r *http.Request) {
	call, params, _ := s.arrived(r, FetchContent)
	fault := s.faultOf(call)
	if !fault.Late && s.fails(w, r, call, fault) {
		return
	}
	file, refusal := s.linked(r, params)
	if refusal != 0 {
		s.answered(call, refusal)
		http.Error(w, http.StatusText(refusal), refusal)
		return
	}
	s.sends(+1)
	defer s.sends(-1)
	w.Header().Set("Content-Type", file.Type)
	w.Header().Set("Content-Length", strconv.FormatInt(file.Size, 10))
	content, half := file.content(), file.Size/2
	if fault.Late {
		_, _ = io.CopyN(w, content, half)
		_ = http.NewResponseController(w).Flush()
		if !s.slow(r, fault) || fault.Cut {
			panic(http.ErrAbortHandler) // closes the connection
		}
	}
	if _, err := io.Copy(w, content); err == nil {
		s.answered(call, http.StatusOK)
	}
}

// linked is the file that the request may have, or the status of the refusal.
func (s *Sim) linked(r *http.Request, params url.Values) (Media, int) {
	sid, expires := r.PathValue("sid"), params.Get("Expires")
	until, _ := strconv.ParseInt(expires, 10, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	file, _, ok := s.media(sid)
	switch {
	case r.Header.Get("Authorization") != "":
		return Media{}, http.StatusBadRequest
	case !hmac.Equal([]byte(params.Get("Signature")), []byte(s.contentSignature(sid, expires))), now().Unix() > until:
		return Media{}, http.StatusForbidden
	case !ok:
		return Media{}, http.StatusNotFound
	}
	return file, 0
}

func (s *Sim) sends(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending += n
	s.note()
}
