package caddymodule

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestWarningsAreDocumented finds the words of each warning of this package, up to where they change, in the page of the gate: an operator
// who is warned looks there for what to do.
func TestWarningsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/gate.md")
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.NewReplacer("`", "", "\n", " ")
	text := plain.Replace(string(page))
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	warnings := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			message := call.Args[0]
			switch method.Sel.Name {
			case "Warn":
			case "Log":
				message = call.Args[1]
			default:
				return true
			}
			words := said(message)
			if at := strings.IndexAny(words[min(12, len(words)):], ":("); at >= 0 {
				words = words[:12+at]
			}
			if warnings++; len(words) < 12 || !strings.Contains(text, strings.TrimSpace(plain.Replace(words))) {
				t.Errorf("%s: no row of docs/gate.md tells of %q", name, words)
			}
			return true
		})
	}
	if warnings < 20 {
		t.Errorf("%d warnings were found", warnings)
	}
}

// said is the first constant text of an expression that is longer than a name.
func said(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		if left := said(e.X); len(left) >= 12 {
			return left
		}
		return said(e.Y)
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return text
	}
	return ""
}
