package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"flexbridge/api"
)

const (
	nameMode     = "AUTH_MODE"
	nameKeys     = "API_KEYS"
	nameKeysFile = "API_KEYS_FILE"
	nameIssuer   = "OIDC_ISSUER"
	nameAudience = "OIDC_AUDIENCE"
)

// auth tells who may call. Where an issuer is asked, that is done now.
func (c Config) auth(ctx context.Context) (api.Auth, error) {
	switch api.Mode(c.AuthMode) {
	case api.ModeNone:
		return api.NoAuth(), nil
	case api.ModeBearer:
		keys, problems := c.keys()
		if len(problems) > 0 {
			return nil, badConfig(problems)
		}
		return api.BearerAuth(keys)
	case api.ModeOIDC:
		auth, err := api.OIDCAuth(ctx, api.OIDCConfig{Issuer: c.OIDCIssuer, Audiences: c.audiences()})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", nameIssuer, err)
		}
		return auth, nil
	default:
		return nil, badConfig(c.authProblems())
	}
}

// authProblems are those of who may call. What belongs to a mode that is not on is
// one, too: whoever set it believes that it protects.
func (c Config) authProblems() (problems []error) {
	check := func(ok bool, name, what string) {
		if !ok {
			problems = append(problems, fmt.Errorf("  %s %s", name, what))
		}
	}
	mode := api.Mode(c.AuthMode)
	switch mode {
	case api.ModeNone:
		check(c.MaxParkedPerCaller == 0, "MAX_PARKED_PER_CALLER", "must be 0 when "+nameMode+" is none: everybody would be one caller")
	case api.ModeBearer:
		_, wrong := c.keys()
		problems = append(problems, wrong...)
	case api.ModeOIDC:
		check(api.SecureURL(c.OIDCIssuer), nameIssuer, "must be an https URL without query, such as https://login.example.com (http on loopback only)")
		check(len(c.audiences()) > 0, nameAudience, "must be set, to what the issuer writes into aud of tokens for this service")
	default:
		check(false, nameMode, "must be none, bearer or oidc")
		return problems
	}
	for _, v := range []struct {
		name string
		set  bool
		mode api.Mode
	}{
		{nameKeys, c.APIKeys != "", api.ModeBearer}, {nameKeysFile, c.APIKeysFile != "", api.ModeBearer},
		{nameIssuer, c.OIDCIssuer != "", api.ModeOIDC}, {nameAudience, c.OIDCAudience != "", api.ModeOIDC},
	} {
		check(!v.set || v.mode == mode, v.name, fmt.Sprintf("must be empty unless %s is %s", nameMode, v.mode))
	}
	return problems
}

func (c Config) audiences() (all []string) {
	for audience := range strings.SplitSeq(c.OIDCAudience, ",") {
		if audience = strings.TrimSpace(audience); audience != "" {
			all = append(all, audience)
		}
	}
	return all
}

// keys are all API keys there are. The problems tell where, and repeat nothing of
// what stands there.
func (c Config) keys() (keys []api.Key, problems []error) {
	take := func(variable, where string, key api.Key) {
		if err := key.Check(); err != nil {
			problems = append(problems, fmt.Errorf("  %s is wrong in %s: %w", variable, where, err))
			return
		}
		keys = append(keys, key)
	}
	if c.APIKeys != "" {
		for i, pair := range strings.Split(string(c.APIKeys), ",") {
			take(nameKeys, fmt.Sprintf("pair %d", i+1), keyOf(pair))
		}
	}
	if c.APIKeysFile != "" {
		err := readKeys(c.APIKeysFile, func(where string, key api.Key) { take(nameKeysFile, where, key) })
		if err != nil {
			problems = append(problems, fmt.Errorf("  %s cannot be read: %w", nameKeysFile, err))
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	if _, err := api.BearerAuth(keys); err != nil {
		problems = append(problems, fmt.Errorf("  %s or %s must be right together: %w", nameKeys, nameKeysFile, err))
	}
	return keys, problems
}

func keyOf(pair string) api.Key {
	name, text, _ := strings.Cut(strings.TrimSpace(pair), ":")
	return api.Key{Name: name, Text: text}
}

// readKeys reads a file of pairs, one a line, or a directory in which each file has
// the name of an application and holds its keys, one a line. Hidden files are not
// looked at: Kubernetes keeps a mounted secret's real ones there, and links to them.
func readKeys(path string, take func(where string, key api.Key)) error {
	info, err := os.Stat(path)
	if err != nil {
		return bare(err)
	}
	if !info.IsDir() {
		return readLines(path, func(i int, line string) { take(fmt.Sprintf("line %d", i), keyOf(line)) })
	}
	files, err := os.ReadDir(path)
	if err != nil {
		return bare(err)
	}
	for i, file := range files {
		if strings.HasPrefix(file.Name(), ".") {
			continue
		}
		err := readLines(filepath.Join(path, file.Name()), func(j int, line string) {
			take(fmt.Sprintf("file %d, line %d", i+1, j), api.Key{Name: file.Name(), Text: line})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// maxKeysFile bounds a file of keys, in bytes.
const maxKeysFile = 1 << 20

// readLines reads the lines that are neither blank nor comments.
func readLines(path string, take func(number int, line string)) error {
	file, err := os.Open(path)
	if err != nil {
		return bare(err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKeysFile+1))
	if err != nil {
		return bare(err)
	}
	if len(text) > maxKeysFile {
		return fmt.Errorf("it has more than %d bytes", maxKeysFile)
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			take(number, line)
		}
	}
	return nil
}

// bare leaves the path out of an error: it may be a key, written into the wrong
// variable.
func bare(err error) error {
	if at := new(fs.PathError); errors.As(err, &at) {
		return at.Err
	}
	return err
}
