package flexsim_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flexbridge/bridge/flex/flexsim"
)

func TestMedia(t *testing.T) {
	a := newAccount(t)
	sid, _ := a.open()
	files := []flexsim.Media{{Name: "a.png", Type: "image/png", Size: 70_001}, {Type: "text/csv"}}
	m, err := a.Agent("ann@example.com").Send(sid, "two files", files...)
	if err != nil || len(m.Media) != 2 || m.Media[0].SID == m.Media[1].SID || m.Text != "two files" || files[0].SID != "" {
		t.Fatalf("Send = %+v, %v, want two files with SIDs of their own", m, err)
	}
	if got := a.must("GET", "/v1/Configuration", nil)["default_chat_service_sid"]; got != flexsim.ServiceSID {
		t.Errorf("default_chat_service_sid is %v", got)
	}
	for i, file := range m.Media {
		shape := a.must("GET", "/v1/Services/"+flexsim.ServiceSID+"/Media/"+file.SID, nil)
		want := strings.Fields("author category channel_sid content_type date_created date_updated date_upload_updated filename is_multipart_upstream links message_sid service_sid sid size url")
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(shape))); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}
		if shape["size"] != float64(file.Size) || shape["content_type"] != file.Type || (shape["filename"] == nil) != (i == 1) {
			t.Errorf("file is %v", shape)
		}
		link := shape["links"].(map[string]any)["content_direct_temporary"].(string)
		status, body := fetch(t, link, "")
		content, _ := io.ReadAll(flexsim.Content(file.SID, file.Size))
		if status != 200 || !bytes.Equal(body, content) || int64(len(content)) != file.Size {
			t.Errorf("content = %d and %d bytes, want 200 and %d", status, len(body), file.Size)
		}
		u, _ := url.Parse(link)
		changed := func(name, value string) string {
			query := u.Query()
			query.Set(name, value)
			return u.Scheme + "://" + u.Host + u.Path + "?" + query.Encode()
		}
		for what, row := range map[string]struct {
			link, authorization string
			status              int
		}{
			"with credentials": {link, "Basic eDp5", 400},
			"expired":          {changed("Expires", "1"), "", 403},
			"longer":           {changed("Expires", "99999999999"), "", 403},
			"unsigned":         {changed("Signature", ""), "", 403},
			"another file's":   {strings.Replace(link, file.SID, m.Media[1-i].SID, 1), "", 403},
		} {
			if status, _ := fetch(t, row.link, row.authorization); status != row.status {
				t.Errorf("%s: %d, want %d", what, status, row.status)
			}
		}
	}
	if status, _ := a.call("GET", "/v1/Services/"+flexsim.ServiceSID+"/Media/MEffffffffffffffffffffffffffffffff", nil); status != 404 {
		t.Errorf("no file: %d, want 404", status)
	}
	if a.Count(flexsim.FetchContent) != 12 || a.Sending() != 0 {
		t.Errorf("%d contents were asked for, and %d are under way", a.Count(flexsim.FetchContent), a.Sending())
	}
}

// Half of a file can be cut off.
func TestMediaFault(t *testing.T) {
	a := newAccount(t)
	sid, _ := a.open()
	m, err := a.BotSend(sid, "bot", "", flexsim.Media{Type: "image/png", Size: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	shape := a.must("GET", "/v1/Services/"+flexsim.ServiceSID+"/Media/"+m.Media[0].SID, nil)
	a.Break(flexsim.FetchContent, 1, flexsim.Fault{Late: true, Cut: true})
	if status, body := fetch(t, shape["links"].(map[string]any)["content_direct_temporary"].(string), ""); status != 200 || len(body) != 50_000 {
		t.Errorf("content = %d and %d bytes, want 200 and half", status, len(body))
	}
	a.Break(flexsim.FetchMedia, 1, flexsim.Fault{Status: 500})
	if status, _ := a.call("GET", "/v1/Services/"+flexsim.ServiceSID+"/Media/"+m.Media[0].SID, nil); status != 500 {
		t.Errorf("description = %d, want 500", status)
	}
}

// fetch returns the status and as much as came.
func fetch(t *testing.T, link, authorization string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, body
}
