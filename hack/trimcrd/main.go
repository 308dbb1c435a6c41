// Command trimcrd takes out of the pod templates in a CustomResourceDefinition
// what costs more than it gives.
//
// An API server reads a definition at every start, and a pod's is long. Its
// descriptions are two thirds of the file, and kubectl explain pod says the
// same. Of the rest, affinities and the sources of volumes are half, and take
// the server two thirds of its time: 0.4 s of processor for each kind, against
// 0.15 s without. They are left open here, as are ephemeral containers, which a
// template cannot have; the API server checks them when it is given the pod.
//
// Arguments are files. With versions after it, as FILE=v1beta1,v1beta2, these
// are served too, with the schema of the version that is stored.
package main

import (
	"fmt"
	"maps"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

func main() {
	for _, arg := range os.Args[1:] {
		file, older, _ := strings.Cut(arg, "=")
		if err := trim(file, older); err != nil {
			fmt.Fprintf(os.Stderr, "trimcrd: %v\n", err)
			os.Exit(1)
		}
	}
}

func trim(file, older string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var definition map[string]any
	if err := yaml.Unmarshal(data, &definition); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	walk(definition)
	if older != "" {
		serve(definition, strings.Split(older, ","))
	}
	if data, err = yaml.Marshal(definition); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return os.WriteFile(file, append([]byte("---\n"), data...), 0o644)
}

// serve adds older versions of the kind. Their users are told of the one that
// is stored.
func serve(definition map[string]any, older []string) {
	spec := definition["spec"].(map[string]any)
	versions := spec["versions"].([]any)
	stored := versions[0].(map[string]any)
	for _, name := range older {
		v := maps.Clone(stored)
		v["name"], v["storage"], v["deprecated"] = name, false, true
		v["deprecationWarning"] = fmt.Sprintf("%s/%s is deprecated; use %[1]s/%[3]s", spec["group"], name, stored["name"])
		versions = append(versions, v)
	}
	spec["versions"] = versions
}

// walk looks for pod templates, also in templates of what makes pods, and for
// metrics, which kubectl explain horizontalpodautoscaler tells of.
func walk(value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			schema, ok := v.(map[string]any)
			if ok && name == "template" {
				open(schema)
				silence(schema)
			}
			if ok && name == "metrics" {
				silence(schema["items"])
			}
			walk(v)
		}
	case []any:
		for _, v := range value {
			walk(v)
		}
	}
}

// open lets anything stand where a pod's schema is deepest.
func open(template map[string]any) {
	spec := properties(properties(template)["spec"])
	for name, schema := range spec {
		list, ok := schema.(map[string]any)
		switch {
		case !ok:
		case name == "affinity":
			spec[name] = anything()
		case name == "ephemeralContainers":
			list["items"] = anything()
		case name == "volumes":
			item := anything()
			item["properties"] = map[string]any{"name": map[string]any{"type": "string"}} // Lists are merged by it.
			item["required"] = []any{"name"}
			list["items"] = item
		}
	}
	if containers, ok := spec["ephemeralContainers"].(map[string]any); ok {
		delete(containers, "x-kubernetes-list-map-keys")
		delete(containers, "x-kubernetes-list-type")
	}
}

func anything() map[string]any {
	return map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
}

func properties(schema any) map[string]any {
	s, _ := schema.(map[string]any)
	p, _ := s["properties"].(map[string]any)
	return p
}

// silence takes descriptions out. What is called description but is no string
// is a field of that name.
func silence(value any) {
	switch value := value.(type) {
	case map[string]any:
		if _, sentence := value["description"].(string); sentence {
			delete(value, "description")
		}
		for _, v := range value {
			silence(v)
		}
	case []any:
		for _, v := range value {
			silence(v)
		}
	}
}
