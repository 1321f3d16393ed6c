package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows tell which packages of the module each may import. When this fails, move
// the code, not the table.
var arrows = map[string][]string{
	"bridge":              {}, // and nothing but the standard library
	"bridge/flex":         {"bridge"},
	"bridge/flex/flexsim": {},
	"store":               {"bridge"},
	"store/storetest":     {"bridge"},
	"webhook":             {"bridge"},
	"api":                 {"bridge"},
	"api/oidctest":        {},
	"deploy":              {},
	"cmd/flexbridge":      {"api", "bridge", "bridge/flex", "bridge/flex/flexsim", "deploy", "store", "webhook"},
}

// environment names what reads the environment, which cmd alone may do, but for
// what helps tests.
var environment = map[string][]string{
	"os": {"Getenv", "LookupEnv", "Environ", "ExpandEnv"},
	"github.com/kelseyhightower/envconfig": {
		"Process", "MustProcess", "CheckDisallowed", "Usage", "Usagef", "Usaget",
	},
}

func TestLayout(t *testing.T) {
	const module = "flexbridge/"
	seen := make(map[string]bool)
	for name, file := range sources(t) {
		folder := path.Dir(name)
		allowed, known := arrows[folder]
		if !known {
			t.Errorf("%s: %s is not in the table of arrows", name, folder)
			continue
		}
		seen[folder] = true
		imports := make(map[string]string) // by the name in the file
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			inside, ours := strings.CutPrefix(imported, module)
			switch {
			case ours && !slices.Contains(allowed, inside):
				t.Errorf("%s imports %s", name, imported)
			case !ours && folder == "bridge" && !standard(imported):
				t.Errorf("%s imports %s, which is not of the standard library", name, imported)
			case imported == "github.com/twilio/twilio-go":
				t.Errorf("%s imports %s, which is all of Twilio: import its client and the API it needs", name, imported)
			}
			imports[localName(spec, imported)] = imported
		}
		if folder == "cmd/flexbridge" || folder == "store/storetest" {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && slices.Contains(environment[imports[x.Name]], s.Sel.Name) {
					t.Errorf("%s reads the environment: %s.%s", name, x.Name, s.Sel.Name)
				}
			}
			return true
		})
	}
	for folder := range arrows {
		if !seen[folder] {
			t.Errorf("the table of arrows has %s, and there is no such package", folder)
		}
	}
}

// sources are the module's files, but for tests, by their paths; whatever their
// build constraints.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	root := filepath.Join("..", "..")
	files := make(map[string]*ast.File)
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := entry.Name(); name != root && (base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_') {
				return fs.SkipDir // as the go command does
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		short, err := filepath.Rel(root, name)
		files[filepath.ToSlash(short)] = file
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// standard reports whether a package is of the standard library: the first part of
// any other's path has a dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

func localName(spec *ast.ImportSpec, imported string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	return path.Base(imported)
}
