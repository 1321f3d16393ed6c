package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbridge/bridge"
	"flexbridge/bridge/flex/flexsim"
	"flexbridge/store/storetest"
)

var picture = flexsim.Media{Name: "receipt.png", Type: "image/png", Size: 123_457}

// TestAgentsPictureIsOpenedByItsLink: byte for byte, on any replica, whether a
// webhook or a look brought the message, and whoever wrote it.
func TestAgentsPictureIsOpenedByItsLink(t *testing.T) {
	each(t, func(t *testing.T, redis *storetest.Server) {
		for name, row := range map[string]struct {
			lost bool
			kind string
			send func(w *world, conversation string) (flexsim.Message, error)
		}{
			"agent, by webhook": {false, "agent", func(w *world, c string) (flexsim.Message, error) { return w.agent.Send(c, "here", picture) }},
			"agent, by look":    {true, "agent", func(w *world, c string) (flexsim.Message, error) { return w.agent.Send(c, "here", picture) }},
			"bot, by webhook": {false, "automatic", func(w *world, c string) (flexsim.Message, error) {
				return w.twilio.BotSend(c, "bot", "here", picture)
			}},
			"bot, by look": {true, "automatic", func(w *world, c string) (flexsim.Message, error) {
				return w.twilio.BotSend(c, "bot", "here", picture)
			}},
		} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t, redis, flexsim.Config{Serial: len(name) << 20})
				w.tune = append(w.tune, quick, func(t *timings) { t.bridge.LookEvery = 10 * time.Millisecond })
				r := w.start(nil)
				customer := "ann" + hex.EncodeToString([]byte(name))
				asked := w.want(now(r.send(t.Context(), customer, map[string]any{"msg": "may I see it?", "wait": 0})), "pending", "")
				sid := w.asked("may I see it?")
				if row.lost {
					w.twilio.BreakWebhooks(nil, -1, flexsim.WebhookFault{Lose: true})
				}
				sent, err := row.send(w, sid)
				if err != nil {
					t.Fatal(err)
				}
				got := w.want(now(r.replies(t.Context(), customer, asked.Cursor, 4)), "replied", "here")
				if m := got.Messages[0]; m.Kind != row.kind || len(m.Media) != 1 || m.Media[0].Name != picture.Name ||
					m.Media[0].Type != picture.Type || m.Media[0].Size != picture.Size {
					t.Fatalf("message = %+v, want the picture, by %s", m, row.kind)
				}
				link := got.Messages[0].Media[0].URL
				if strings.Contains(link, sent.Media[0].SID) || !strings.HasPrefix(link, r.url+"/media/") {
					t.Errorf("url = %q, want one of ours that does not tell the SID", link)
				}
				want, _ := io.ReadAll(flexsim.Content(sent.Media[0].SID, picture.Size))
				readers := []*replica{r}
				if redis != nil {
					readers = append(readers, w.start(r))
				}
				for _, other := range readers { // the link's token works anywhere
					status, header, body := open(t, other.url+strings.TrimPrefix(link, r.url))
					_, params, _ := mime.ParseMediaType(header.Get("Content-Disposition"))
					if status != 200 || !bytes.Equal(body, want) || header.Get("Content-Type") != "image/png" || params["filename"] != picture.Name {
						t.Errorf("GET = %d, %d bytes, %v, want the picture", status, len(body), header)
					}
				}
				for _, c := range w.twilio.Calls() {
					if c.Op == flexsim.FetchContent && c.Header.Get("Authorization") != "" {
						t.Error("credentials were sent along for the content")
					}
				}
			})
		}
	})
}

func open(t *testing.T, link string) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("after %d bytes: %v", len(body), err)
	}
	return res.StatusCode, res.Header, body
}

// linked asks, has a file sent, and returns its link.
func (w *world) linked(r *replica, name string, file flexsim.Media) (link string, sent flexsim.Media) {
	w.t.Helper()
	asked := w.asking(r, name, "a file, "+name)
	m, err := w.agent.Send(w.asked("a file, "+name), "", file)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.want(<-asked, "replied", "").Messages[0].Media[0].URL, m.Media[0]
}

func TestLinksOfOthersAndOfYesterday(t *testing.T) {
	w := newWorld(t, nil, flexsim.Config{})
	r := w.start(nil)
	link, file := w.linked(r, "ann", picture)
	code := func(link string) string {
		a, err := call(t.Context(), http.MethodGet, link, nil)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(a.HTTP, " ", a.Code)
	}
	forge := func(secret Secret, expires time.Time) string {
		keys, err := bridge.NewKeyring([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		token, _ := keys.FileToken(file.SID, expires)
		return r.url + "/media/" + token
	}
	ours, later := r.config.IdentitySecret, time.Now().Add(time.Hour)
	for link, want := range map[string]string{
		forge(ours, time.Now().Add(-time.Second)):       "410 link_expired",
		forge(Secret(strings.Repeat("x", 32)), later):   "404 link_invalid",
		link[:len(link)-1]:                              "404 link_invalid",
		r.url + "/media/":                               "404 not_found",
		r.url + "/media/" + file.SID:                    "404 link_invalid",
		r.url + "/media/../openapi.yaml/" + file.SID:    "404 link_invalid",
		r.url + "/media/" + strings.Repeat("A", 70):     "404 link_invalid",
		r.url + "/media/" + strings.Repeat("%2e%2f", 4): "404 link_invalid",
	} {
		if got := code(link); got != want {
			t.Errorf("GET %s = %s, want %s", link, got, want)
		}
	}
	w.twilio.Break(flexsim.FetchMedia, -1, flexsim.Fault{Cut: true})
	if got := code(link); got != "503 desk_unavailable" {
		t.Errorf("without Twilio: %s", got)
	}
	w.twilio.Mend()
	w.twilio.Break(flexsim.FetchMedia, 1, flexsim.Fault{Status: 404})
	if got := code(link); got != "404 media_gone" {
		t.Errorf("without the file: %s", got)
	}
	if status, _, _ := open(t, link); status != 200 {
		t.Errorf("GET = %d in the end, want 200", status)
	}
	// What can hold a script has no link.
	for name, file := range map[string]flexsim.Media{
		"svg": {Name: "a.svg", Type: "image/svg+xml", Size: 10}, "html": {Name: "a.html", Type: "text/html", Size: 10},
	} {
		if link, _ := w.linked(r, name, file); link != "" {
			t.Errorf("%s has the link %s", name, link)
		}
	}
}

// TestLargeFilesCostNoMemory: files of 50 MB at once, of which some readers are slow
// and some leave, pass through a process that does not grow.
func TestLargeFilesCostNoMemory(t *testing.T) {
	w := newWorld(t, storetest.StartRedis(t), flexsim.Config{})
	f := newFront(t)
	p := w.startProcess(f)
	f.to(p.replica)
	const size = 50 << 20
	film := flexsim.Media{Name: "film.mp4", Type: "video/mp4", Size: size}
	link, file := w.linked(p.replica, "ann", film)
	direct := p.url + strings.TrimPrefix(link, f.URL)
	var others []string // as a file has places for four readers
	for _, name := range []string{"bob", "cyd"} {
		link, _ := w.linked(p.replica, name, film)
		others = append(others, p.url+strings.TrimPrefix(link, f.URL))
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, flexsim.Content(file.SID, size)); err != nil {
		t.Fatal(err)
	}
	if err := discard(t.Context(), direct, size, sum.Sum(nil)); err != nil {
		t.Fatal(err)
	}
	before := p.memory(t)
	most, watched := before, make(chan struct{})
	done, finished := context.WithCancel(t.Context())
	go func() {
		defer close(watched)
		for each := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-each.C:
				most = max(most, p.memory(t))
			case <-done.Done():
				return
			}
		}
	}()
	// Readers who take some and then no more keep their places all the while.
	sulking, leave := context.WithCancel(t.Context())
	for i := range 8 {
		req, err := http.NewRequestWithContext(sulking, http.MethodGet, others[i%2], nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("GET by a slow reader = %d, want 200", res.StatusCode)
		}
	}
	start := time.Now()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := discard(t.Context(), direct, size, sum.Sum(nil)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	leave()
	w.until(func() bool { return w.twilio.Sending() == 0 }) // who left costs Twilio nothing more
	finished()
	<-watched
	t.Logf("4 files of 50 MB at once in %v, 8 slow readers: memory %d MB before, %d MB at most", took, before>>20, most>>20)
	if limit := before + (16 << 20); most > limit {
		t.Errorf("memory grew from %d MB to %d MB, want %d MB at most", before>>20, most>>20, limit>>20)
	}
}

// discard reads a file and compares what it had.
func discard(ctx context.Context, link string, size int64, sum []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	h := sha256.New()
	n, err := io.Copy(h, res.Body)
	if err != nil || res.StatusCode != http.StatusOK || n != size || !bytes.Equal(h.Sum(nil), sum) {
		return fmt.Errorf("%d bytes and %d: %w", n, res.StatusCode, err)
	}
	return nil
}
