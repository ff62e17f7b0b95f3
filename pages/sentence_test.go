package pages

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// spoken are the packages whose operations the pages call, with the functions that make an error of a text. What is not literal in a
// text stands for itself as "…".
var spoken = []string{"../api/rest", "../api/auth", "../api/profile", "../api/directory"}

// TestSentences says that people are told in their language whatever the API may say to a form.
func TestSentences(t *testing.T) {
	found := 0
	for _, folder := range spoken {
		for text, at := range sentencesIn(t, folder) {
			found++
			if !known(text) && !slices.Contains(unspoken, text) {
				t.Errorf("%s: %q is in no language", at, text)
			}
		}
	}
	if found < 100 {
		t.Errorf("%d sentences found", found)
	}
}

// unheard are files whose sentences no form meets: descriptions of operations, and refusals of credentials of programs. A forged form has a
// page of its own.
var unheard = []string{"openapi.go", "openapi_schema.go", "parameter.go", "endpoints.go", "csrf.go", "identity.go"}

// unspoken are told to programs only.
var unspoken = []string{
	"Unsupported media type \"…\" in request.",
	"Could not satisfy the request Accept header.",
	"The header Idempotency-Key holds 1 to 255 printable ASCII characters.",
	"Invalid data. Expected a dictionary, but got ….",
	"Expected a list of items but got type \"…\".",
	"Method … not allowed.",
	"The account was updated. The phone counts once the site has confirmed it.",
	"The account was updated. Please bring back the code that was sent to … as …_code.",
	"The account was updated.",
	"The activation message was sent to ….",
	"The API key was deleted.",
	"With any value, the session is a cookie as well.",
	"The password was changed.",
	"Your message was sent. We will be back to you shortly.",
	"The public key was updated.",
	"Profile was updated.",
	"Successfully converted personal profile to organization.",
	"Profile was updated. Please bring back the code that was sent to … as email_code of the user.",
	"You have been invited to create an account to join ….",
}

// sentencesIn are the texts of errors that a package makes, with their places.
func sentencesIn(t *testing.T, folder string) map[string]token.Position {
	files := token.NewFileSet()
	names, err := filepath.Glob(folder + "/*.go")
	if err != nil || len(names) == 0 {
		t.Fatal(folder, err)
	}
	found := map[string]token.Position{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || slices.Contains(unheard, filepath.Base(name)) {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				return false
			case *ast.BasicLit, *ast.BinaryExpr:
				if text := literal(n.(ast.Expr)); isSentence(text) {
					found[text] = files.Position(n.Pos())
					return false
				}
			case *ast.CallExpr:
				if name := called(n); name == "Sprintf" && len(n.Args) > 0 {
					if text := verbs.Replace(literal(n.Args[0])); isSentence(text) {
						found[text] = files.Position(n.Pos())
					}
					return false
				} else if slices.Contains([]string{"Errorf", "New", "Error", "Warn", "Info", "Debug", "Exec", "Query", "QueryRow"}, name) {
					return false
				}
			}
			return true
		})
	}
	return found
}

var verbs = strings.NewReplacer("%s", "…", "%d", "…", "%q", "…", "%v", "…")

func called(n *ast.CallExpr) string {
	switch f := n.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

// literal is what an expression says, with "…" for what varies.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text
		}
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return literal(e.X) + literal(e.Y)
		}
		return ""
	}
	return "…"
}

// isSentence reports whether a text is said to somebody: it begins with a capital and ends with a full stop.
func isSentence(text string) bool {
	return len(text) > 8 && strings.Contains(text, " ") && text[0] >= 'A' && text[0] <= 'Z' && strings.HasSuffix(text, ".")
}
