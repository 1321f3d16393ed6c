package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	texttemplate "text/template"

	"github.com/labstack/echo/v4"
)

var (
	//go:embed openapi.yaml
	openAPI string
	//go:embed legal.html
	legal string
	//go:embed logo.png
	logo []byte
)

// page is a document that describes the service and never changes while it runs.
type page struct {
	path, contentType string
	body              []byte
	header            map[string]string // in place of secureHeaders'
}

func (p page) serve(c echo.Context) error {
	for name, value := range p.header {
		c.Response().Header().Set(name, value)
	}
	return c.Blob(http.StatusOK, p.contentType, p.body)
}

const (
	openAPIPath = "/openapi.yaml"
	logoPath    = "/logo.png"
	legalPath   = "/legal"

	// OpenAI's proof that a domain is ours, when an app is submitted.
	challengePath = "/.well-known/openai-apps-challenge"
)

func makePages(cfg Config) ([]page, error) {
	document, err := fillOpenAPI(cfg)
	if err != nil {
		return nil, err
	}
	manifest, err := json.MarshalIndent(newManifest(cfg), "", "  ")
	if err != nil {
		return nil, err
	}
	text, err := template.New("legal").Parse(legal)
	if err != nil {
		return nil, err
	}
	var html bytes.Buffer
	if err := text.Execute(&html, cfg); err != nil {
		return nil, err
	}
	const yaml = "application/yaml" // RFC 9512
	pages := []page{
		{path: "/", contentType: yaml, body: document},
		{path: openAPIPath, contentType: yaml, body: document},
		{path: manifestPath, contentType: echo.MIMEApplicationJSON, body: manifest},
		// Assistants show the logo on pages of their own.
		{path: logoPath, contentType: "image/png", body: logo, header: map[string]string{headerResourcePolicy: "cross-origin"}},
		{path: legalPath, contentType: echo.MIMETextHTMLCharsetUTF8, body: html.Bytes(),
			header: map[string]string{echo.HeaderContentSecurityPolicy: stylePolicy(html.String())}},
	}
	if cfg.MCP.Challenge != "" {
		pages = append(pages, page{path: challengePath, contentType: echo.MIMETextPlain, body: []byte(cfg.MCP.Challenge)})
	}
	return pages, nil
}

// fillOpenAPI makes the document of this deployment. A value is put in as a JSON
// string, which is a YAML string, so whatever it holds, it stays one.
func fillOpenAPI(cfg Config) ([]byte, error) {
	quote := func(text string) (string, error) {
		quoted, err := json.Marshal(text)
		return string(quoted), err
	}
	source, err := texttemplate.New("openapi").Funcs(texttemplate.FuncMap{"quote": quote}).Parse(openAPI)
	if err != nil {
		return nil, err
	}
	s := cfg.Auth.scheme()
	var document bytes.Buffer
	err = source.Execute(&document, struct {
		PublicURL, Version string
		None, Bearer, OIDC bool // who may call; one of them
		Provider           provider
	}{cfg.PublicURL, cfg.Version, s.mode == ModeNone, s.mode == ModeBearer, s.mode == ModeOIDC, s.provider})
	return document.Bytes(), err
}
