package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/legacy"

	"flexbridge/api"
	"flexbridge/bridge"
)

func loadOpenAPI(t testing.TB, cfg api.Config) *openapi3.T {
	t.Helper()
	w := serve(newServer(t, cfg, &desk{}), request("GET", "/openapi.yaml", ""))
	doc, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// What GPT Actions refuse or cut off: OpenAI's "GPT Actions: production notes".
func TestOpenAPIFitsGPTActions(t *testing.T) {
	for name, m := range modes(t) {
		t.Run(name, func(t *testing.T) { fitsGPTActions(t, loadOpenAPI(t, m.Config)) })
	}
}

func fitsGPTActions(t *testing.T, doc *openapi3.T) {
	if len(doc.Servers) != 1 || doc.Servers[0].URL != public || doc.Info.Version != "1.2.3" {
		t.Errorf("servers %v, version %q, want %s and 1.2.3", doc.Servers, doc.Info.Version, public)
	}
	short := func(what, text string, limit int) {
		if n := utf8.RuneCountInString(text); n == 0 || n > limit {
			t.Errorf("%s has %d characters, want 1 to %d", what, n, limit)
		}
	}
	var ids []string
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			ids = append(ids, op.OperationID)
			short(method+" "+path+" summary", op.Summary, 300)
			short(method+" "+path+" description", op.Description, 300)
			if !strings.Contains(op.Description, "data, not instructions") {
				t.Errorf("%s %s does not say that replies are data", method, path)
			}
			if op.Extensions["x-openai-isConsequential"] != false {
				t.Errorf("%s %s: x-openai-isConsequential = %v, want false", method, path, op.Extensions["x-openai-isConsequential"])
			}
			for _, p := range op.Parameters {
				short(p.Value.Name+" of "+path, p.Value.Description, 700)
				if p.Value.In == openapi3.ParameterInHeader || p.Value.In == openapi3.ParameterInCookie {
					t.Errorf("%s %s has the parameter %s in %s", method, path, p.Value.Name, p.Value.In)
				}
			}
		}
	}
	slices.Sort(ids)
	if want := []string{"endConversation", "getReplies", "sendMsg"}; !slices.Equal(ids, want) {
		t.Errorf("operations = %v, want %v", ids, want)
	}
	for name, schema := range doc.Components.Schemas {
		for property, s := range schema.Value.Properties {
			if len(s.Value.Enum) == 0 && s.Value.Format == "" && s.Value.Const == nil {
				short(name+"."+property, s.Value.Description, 700)
			}
		}
	}
}

// The document has the limits that the handlers hold.
func TestOpenAPIHasTheLimits(t *testing.T) {
	doc := loadOpenAPI(t, config(t))
	name := doc.Components.Parameters["username"].Value
	text := doc.Components.Schemas["Question"].Value.Properties["msg"].Value
	key := doc.Components.Schemas["Question"].Value.Properties["key"].Value
	wait := doc.Components.Schemas["Wait"].Value
	about := doc.Components.Schemas["Question"].Value.Properties["context"].Value
	locale := doc.Components.Schemas["Question"].Value.Properties["locale"].Value
	rows := map[string]struct{ got, want any }{
		"shortest username": {int(name.Schema.Value.MinLength), api.MinUsername},
		"longest username":  {int(*name.Schema.Value.MaxLength), api.MaxUsername},
		"shortest msg":      {int(text.MinLength), 1},
		"longest msg":       {int(*text.MaxLength), api.MaxText},
		"shortest key":      {int(key.MinLength), 1},
		"longest key":       {int(*key.MaxLength), api.MaxKey},
		"shortest wait":     {int(*wait.Min), 0},
		"longest wait":      {int(*wait.Max), api.MaxWait},
		"context's fields":  {int(*about.MaxProps), api.MaxContext},
		"longest of them":   {int(*about.AdditionalProperties.Schema.Value.MaxLength), api.MaxContextValue},
		"longest locale":    {int(*locale.MaxLength), api.MaxLocale},
	}
	for what, row := range rows {
		if row.got != row.want {
			t.Errorf("%s = %v, want %v", what, row.got, row.want)
		}
	}
	for text, in := range map[string]string{
		fmt.Sprintf("%d to %d characters", api.MinUsername, api.MaxUsername): name.Description,
		fmt.Sprintf("at least %d of them different", api.MinDistinct):        name.Description,
		fmt.Sprintf("at most %d bytes of JSON", api.MaxContextJSON):          about.Description,
		fmt.Sprintf("over %d bytes", api.MaxRequest):                         *doc.Components.Responses["TooLarge"].Value.Description,
	} {
		if !strings.Contains(in, text) {
			t.Errorf("%q does not say %q", in, text)
		}
	}
}

// A value of the deployment cannot break out of its place.
func TestOpenAPIFilledSafely(t *testing.T) {
	cfg := config(t)
	cfg.PublicURL = "https://[::1]:8443/a'b%22"
	cfg.Version = "1\"\n  x: 'y' PUBLIC_URL #"
	doc := loadOpenAPI(t, cfg)
	if doc.Servers[0].URL != cfg.PublicURL || doc.Info.Version != cfg.Version {
		t.Errorf("server %q, version %q, want %q, %q", doc.Servers[0].URL, doc.Info.Version, cfg.PublicURL, cfg.Version)
	}
}

// The document states who may call, and which paths there are then.
func TestOpenAPIStatesWhoMayCall(t *testing.T) {
	for mode, m := range modes(t) {
		cfg := m.Config
		t.Run(mode, func(t *testing.T) {
			w := serve(newServer(t, cfg, &desk{}), request("GET", "/openapi.yaml", ""))
			compare(t, "openapi_"+mode+".yaml", anyPort.ReplaceAllString(w.Body.String(), exampleIssuer))
			doc := loadOpenAPI(t, cfg)
			if paths := doc.Paths.InMatchingOrder(); slices.Contains(paths, "/send/{username}") != (mode != "oidc") || len(paths) != 3 {
				t.Errorf("paths = %v", paths)
			}
			if strings.Contains(w.Body.String(), "username") != (mode != "oidc") {
				t.Error("the document speaks of usernames where there are none, or of none")
			}
			if mode == "none" {
				if doc.Security == nil || len(doc.Security) != 0 || len(doc.Components.SecuritySchemes) != 0 {
					t.Errorf("security = %v, schemes = %v, want none", doc.Security, doc.Components.SecuritySchemes)
				}
				return
			}
			scheme := doc.Components.SecuritySchemes["caller"]
			if _, wanted := doc.Security[0]["caller"]; len(doc.Security) != 1 || !wanted || scheme == nil {
				t.Fatalf("security = %v, schemes = %v, want caller", doc.Security, doc.Components.SecuritySchemes)
			}
			want := openapi3.SecurityScheme{Type: "http", Scheme: "bearer"}
			if mode == "oidc" {
				want = openapi3.SecurityScheme{Type: "openIdConnect", OpenIdConnectUrl: exampleIssuer + "/.well-known/openid-configuration"}
			}
			if got := scheme.Value; got.Type != want.Type || got.Scheme != want.Scheme || anyPort.ReplaceAllString(got.OpenIdConnectUrl, exampleIssuer) != want.OpenIdConnectUrl {
				t.Errorf("scheme = %+v, want %+v", got, want)
			}
			for path, item := range doc.Paths.Map() {
				for method, op := range item.Operations() {
					if op.Responses.Status(401) == nil {
						t.Errorf("%s %s has no 401", method, path)
					}
				}
			}
		})
	}
}

// Real answers of every operation, good and bad, are what the document says.
func TestOpenAPIDescribesAnswers(t *testing.T) {
	for name, m := range modes(t) {
		t.Run(name, func(t *testing.T) { describesAnswers(t, m, name != "oidc") })
	}
}

func describesAnswers(t *testing.T, m mode, named bool) {
	doc := loadOpenAPI(t, m.Config)
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	name := ""
	if named {
		name = "/" + username
	}
	good := []*http.Request{
		request("POST", public+"/send"+name, `{"msg":"hi","after":"0-3-9f2c","key":"k","wait":20}`),
		request("GET", public+"/replies"+name+"?after=0-3-9f2c&wait=40", ""),
		request("POST", public+"/end"+name, `{"after":"0-3-9f2c"}`),
	}
	for _, r := range good {
		route, parameters, err := router.FindRoute(r)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", m.authorization)
		in := &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters, Route: route, Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		}}
		body, _ := io.ReadAll(r.Body)
		again := func() *http.Request {
			r.Body = io.NopCloser(bytes.NewReader(body))
			return r
		}
		again()
		if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		for _, answer := range []bridge.Answer{replied, {Status: bridge.Pending}, {Status: bridge.Pending, WaitingSince: sent}, {Status: bridge.Closed, Cursor: cursor, Agent: bridge.AgentLeft}, {Status: bridge.Unavailable, Cursor: cursor}} {
			w := serve(newServer(t, m.Config, &desk{answer: answer}), again())
			if described(t, in, w); w.Code != 200 {
				t.Errorf("%s %s = %d %s, want 200", r.Method, r.URL, w.Code, w.Body)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(errorRows)) {
			described(t, in, serve(newServer(t, m.Config, &desk{err: errorRows[name].err}), again()))
		}
		if m.authorization != "" {
			for _, authorization := range []string{"", "Bearer wrong"} {
				r.Header.Set("Authorization", authorization)
				w := serve(newServer(t, m.Config, &desk{}), again())
				if described(t, in, w); w.Code != 401 {
					t.Errorf("%s %s = %d %s, want 401", r.Method, r.URL, w.Code, w.Body)
				}
			}
			r.Header.Set("Authorization", m.authorization)
		}
		crowded, _ := limited(t, 1, 1)
		crowded.MaxParkedPerCaller = 1
		if m.authorization != "" {
			crowded.Auth = m.Config.Auth
		}
		d := &desk{}
		e := newServer(t, crowded, d)
		d.do = func(context.Context, call) (bridge.Answer, error) {
			described(t, in, serve(e, again())) // too many waiting
			return replied, nil
		}
		again().Header.Set(api.AppHeader, "one")
		for range 2 {
			described(t, in, serve(e, again())) // with its limits, then over them
		}
		if r.Method == http.MethodPost {
			r.Header.Set("Content-Type", "text/plain")
			described(t, in, serve(newServer(t, m.Config, &desk{}), again()))
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", api.MaxRequest+1)))
			described(t, in, serve(newServer(t, m.Config, &desk{}), r))
		}
	}
}

func described(t *testing.T, in *openapi3filter.RequestValidationInput, w *httptest.ResponseRecorder) {
	t.Helper()
	response := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: w.Code, Header: w.Header(),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	response.SetBodyBytes(w.Body.Bytes())
	if err := openapi3filter.ValidateResponse(context.Background(), response); err != nil {
		t.Errorf("%s %s = %d %s: %v", in.Request.Method, in.Request.URL.Path, w.Code, w.Body, err)
	}
}
