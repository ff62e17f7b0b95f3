package rest

import (
	"bytes"
	"sync"

	"go.yaml.in/yaml/v3"
)

// A Document is an answer that is made once, and that programs may have as JSON or as YAML. Its zero value is null.
type Document struct {
	json []byte
	yaml func() ([]byte, error) // made when somebody asks for it
}

// NewDocument makes a document of a value that can be JSON. Equal values make equal bytes; keys keep their order.
func NewDocument(v any) (Document, error) {
	b := new(bytes.Buffer)
	if err := appendValue(b, v); err != nil {
		return Document{}, err
	}
	return Document{b.Bytes(), sync.OnceValues(func() ([]byte, error) { return toYAML(b.Bytes()) })}, nil
}

func toYAML(json []byte) ([]byte, error) {
	var node yaml.Node // JSON is YAML
	if err := yaml.Unmarshal(json, &node); err != nil {
		return nil, err
	}
	plain(&node)
	text := new(bytes.Buffer)
	enc := yaml.NewEncoder(text)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return nil, err
	}
	return text.Bytes(), enc.Close()
}

// plain takes the braces and quotes away that need not be.
func plain(n *yaml.Node) {
	if len(n.Content) > 0 || n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	for _, child := range n.Content {
		plain(child)
	}
}

// MarshalJSON returns the document as JSON.
func (d Document) MarshalJSON() ([]byte, error) {
	if d.json == nil {
		return []byte("null"), nil
	}
	return d.json, nil
}

// YAML returns the document as YAML.
func (d Document) YAML() ([]byte, error) {
	if d.yaml == nil {
		return []byte("null\n"), nil
	}
	return d.yaml()
}
