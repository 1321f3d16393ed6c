package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"flexbridge/bridge/flex/flexsim"
)

// twilioFolder names the variable with the folder that has Twilio's own OpenAPI
// documents, as of spec/json in github.com/twilio/twilio-oai. With it every REST
// call of every test here is held against them.
const twilioFolder = "FLEXBRIDGE_TWILIO_OPENAPI"

// twilioDocuments are by the start of the paths for which they are asked, the last
// for all others. Those of files (MCS) are not published.
var twilioDocuments = []struct{ start, file string }{
	{"/v1/Interactions", "twilio_flex_v1.json"},
	{"/v1/Workspaces", "twilio_taskrouter_v1.json"},
	{"/v2/Flows", "twilio_studio_v2.json"},
	{"", "twilio_conversations_v1.json"},
}

// twilioOperations are those of all documents, or nil without the folder.
var twilioOperations = sync.OnceValues(func() (map[string][]twilioOperation, error) {
	folder := os.Getenv(twilioFolder)
	if folder == "" {
		return nil, nil
	}
	all := make(map[string][]twilioOperation)
	for _, d := range twilioDocuments {
		document, err := openapi3.NewLoader().LoadFromFile(filepath.Join(folder, d.file))
		if err != nil {
			return nil, err
		}
		for path, item := range document.Paths.Map() {
			for method, operation := range item.Operations() {
				all[d.file] = append(all[d.file], newTwilioOperation(method, path, item, operation))
			}
		}
	}
	return all, nil
})

// twilioOperation is one operation of a document.
type twilioOperation struct {
	method     string
	path       *regexp.Regexp
	fixed      int // characters of the path that are no parameter
	parameters openapi3.Parameters
	form       *openapi3.Schema // nil: it takes none
}

var pathParameter = regexp.MustCompile(`\\\{(\w+)\\\}`)

func newTwilioOperation(method, path string, item *openapi3.PathItem, o *openapi3.Operation) twilioOperation {
	quoted := regexp.QuoteMeta(path)
	made := twilioOperation{
		method:     method,
		path:       regexp.MustCompile("^" + pathParameter.ReplaceAllString(quoted, `(?P<$1>[^/]+)`) + "$"),
		fixed:      len(pathParameter.ReplaceAllString(quoted, "")),
		parameters: append(slices.Clone(item.Parameters), o.Parameters...),
	}
	if o.RequestBody != nil {
		if content := o.RequestBody.Value.Content.Get("application/x-www-form-urlencoded"); content != nil {
			made.form = content.Schema.Value
		}
	}
	return made
}

// heldToOpenAPI returns what fails the test at a call that Twilio's documents do not
// allow, or nil without the documents.
func heldToOpenAPI(t testing.TB) func(flexsim.Call) {
	all, err := twilioOperations()
	if err != nil {
		t.Fatalf("%s: %v", twilioFolder, err)
	}
	if all == nil {
		return nil
	}
	return func(c flexsim.Call) {
		if c.Op == flexsim.FetchMedia || c.Op == flexsim.FetchContent {
			return
		}
		if err := allowed(all, c); err != nil {
			t.Errorf("Twilio's OpenAPI does not allow %s %s %v: %v", c.Method, c.Path, c.Params, err)
		}
	}
}

func allowed(all map[string][]twilioOperation, c flexsim.Call) error {
	for _, d := range twilioDocuments {
		if strings.HasPrefix(c.Path, d.start) {
			var best *twilioOperation
			for i, o := range all[d.file] {
				if o.method == c.Method && o.path.MatchString(c.Path) && (best == nil || o.fixed > best.fixed) {
					best = &all[d.file][i]
				}
			}
			if best == nil {
				return errors.New("no such operation")
			}
			return best.check(c)
		}
	}
	panic("no document takes the rest")
}

func (o twilioOperation) check(c flexsim.Call) error {
	known := make(map[string]*openapi3.Schema)
	var required []string
	values := url.Values{}
	if o.form != nil {
		for name, s := range o.form.Properties {
			known[name] = s.Value
		}
		required = o.form.Required
	}
	for _, p := range o.parameters {
		switch p.Value.In {
		case openapi3.ParameterInPath:
			values.Set(p.Value.Name, o.path.FindStringSubmatch(c.Path)[o.path.SubexpIndex(p.Value.Name)])
		case openapi3.ParameterInHeader:
			for _, value := range c.Header.Values(p.Value.Name) {
				values.Add(p.Value.Name, value)
			}
		}
		known[p.Value.Name] = p.Value.Schema.Value
		if p.Value.Required {
			required = append(required, p.Value.Name)
		}
	}
	const enabled = "X-Twilio-Webhook-Enabled" // the only header of ours that is Twilio's
	if c.Header.Get(enabled) != "" && known[enabled] == nil {
		return fmt.Errorf("it does not take %s", enabled)
	}
	for name, given := range c.Params {
		values[name] = given
	}
	for _, name := range required {
		if !values.Has(name) {
			return fmt.Errorf("%s is missing", name)
		}
	}
	for name, given := range values {
		s := known[name]
		if s == nil {
			return fmt.Errorf("%s is unknown", name)
		}
		if err := fits(s, given); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// fits holds a form's values against a schema. One without a type is JSON.
func fits(s *openapi3.Schema, values []string) error {
	switch {
	case s.Type.Is(openapi3.TypeArray):
		for _, v := range values {
			if err := fits(s.Items.Value, []string{v}); err != nil {
				return err
			}
		}
		return nil
	case len(values) != 1:
		return fmt.Errorf("%d values", len(values))
	case s.Type == nil && s.Enum == nil:
		if !json.Valid([]byte(values[0])) {
			return errors.New("it is no JSON")
		}
		return nil
	case s.Type.Is(openapi3.TypeInteger):
		n, err := strconv.Atoi(values[0])
		if err != nil {
			return err
		}
		return s.VisitJSON(float64(n))
	case s.Type.Is(openapi3.TypeBoolean):
		b, err := strconv.ParseBool(values[0])
		if err != nil {
			return err
		}
		return s.VisitJSON(b)
	}
	return s.VisitJSON(values[0])
}

// TestTwilioOpenAPI: the check can fail.
func TestTwilioOpenAPI(t *testing.T) {
	all, err := twilioOperations()
	if err != nil {
		t.Fatal(err)
	}
	if all == nil {
		t.Skip(twilioFolder + " is not set")
	}
	conversation := "/v1/Conversations/" + "CH" + strings.Repeat("0", 32)
	form := func(pairs ...string) url.Values {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Add(pairs[i], pairs[i+1])
		}
		return v
	}
	header := http.Header{"X-Twilio-Webhook-Enabled": {"true"}}
	for _, row := range []struct {
		call flexsim.Call
		want string // of the error; empty: none
	}{
		{flexsim.Call{Method: "POST", Path: "/v1/Conversations", Params: form("UniqueName", "a", "State", "active"), Header: header}, ""},
		{flexsim.Call{Method: "POST", Path: "/v1/Conversations", Params: form("State", "open")}, "State: "},
		{flexsim.Call{Method: "POST", Path: "/v1/Conversations", Params: form("Unique", "a")}, "Unique is unknown"},
		{flexsim.Call{Method: "PUT", Path: "/v1/Conversations"}, "no such operation"},
		{flexsim.Call{Method: "POST", Path: "/v1/Conversation"}, "no such operation"},
		{flexsim.Call{Method: "POST", Path: conversation + "/Messages", Header: http.Header{"X-Twilio-Webhook-Enabled": {"yes"}}}, "X-Twilio-Webhook-Enabled: "},
		{flexsim.Call{Method: "POST", Path: conversation + "/Webhooks", Params: form("Configuration.FlowSid", flexsim.FlowSID)}, "Target is missing"},
		{flexsim.Call{Method: "POST", Path: conversation + "/Webhooks", Params: form("Target", "studio", "Configuration.FlowSid", "FW1")}, "Configuration.FlowSid: "},
		{flexsim.Call{Method: "POST", Path: conversation + "/Webhooks", Params: form("Target", "webhook"), Header: header}, "does not take X-Twilio-Webhook-Enabled"},
		{flexsim.Call{Method: "GET", Path: conversation + "/Messages", Params: form("PageSize", "1001")}, "PageSize: "},
		{flexsim.Call{Method: "GET", Path: conversation + "/Messages", Params: form("Order", "newest")}, "Order: "},
		{flexsim.Call{Method: "GET", Path: "/v1/Workspaces/WS1/Tasks"}, "WorkspaceSid: "},
		{flexsim.Call{Method: "POST", Path: "/v1/Interactions", Params: form("Channel", "{")}, "Channel: it is no JSON"},
		{flexsim.Call{Method: "POST", Path: "/v1/Interactions", Params: form("Channel", "{}", "Channel", "{}")}, "Channel: 2 values"},
	} {
		err := allowed(all, row.call)
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s %s %v: error = %v, want %q", row.call.Method, row.call.Path, row.call.Params, err, row.want)
		}
	}
}
