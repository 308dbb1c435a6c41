// Command trimcrd takes out of the pods in a CustomResourceDefinition what costs
// more than it gives.
//
// An API server reads a definition at every start, builds what checks and
// documents it, and keeps all that; and a pod's is long. Its descriptions are
// two thirds of the file, and kubectl explain pod says the same. Of the rest, the
// few fields that everyone writes are a tenth. The others are left open here: the
// API server checks them when it is given the pod, and admission tells who wrote
// the job of fields that no pod has.
//
// Arguments are files. With versions after it, as FILE=v1beta1,v1beta2, these
// are served too, with the schema of the version that is stored, but for pod
// templates, which they leave open. One with a plus before it is as good as that
// one; of the others users are warned.
//
// With -open-pods, pods are left open as wholes. It is for kinds of which others
// are made that are checked.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

var openPods = flag.Bool("open-pods", false, "leave the specs of pods open")

func main() {
	flag.Parse()
	for _, arg := range flag.Args() {
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
	var stored map[string]any
	for _, v := range versions {
		if v := v.(map[string]any); v["storage"] == true {
			stored = v
		}
	}
	for _, name := range older {
		name, alive := strings.CutPrefix(name, "+")
		v := copyOf(stored).(map[string]any)
		openTemplates(v)
		v["name"], v["storage"] = name, false
		if !alive {
			v["deprecated"] = true
			v["deprecationWarning"] = fmt.Sprintf("%s/%s is deprecated; use %[1]s/%[3]s", spec["group"], name, stored["name"])
		}
		versions = append(versions, v)
	}
	spec["versions"] = versions
}

// openTemplates lets anything stand in pod templates.
func openTemplates(value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			if schema, ok := v.(map[string]any); ok && name == "template" && schema["type"] == "object" {
				replace(schema, anything())
			}
			openTemplates(v)
		}
	case []any:
		for _, v := range value {
			openTemplates(v)
		}
	}
}

// copyOf is a copy that shares nothing with what it was made from.
func copyOf(value any) any {
	switch value := value.(type) {
	case map[string]any:
		c := make(map[string]any, len(value))
		for name, v := range value {
			c[name] = copyOf(v)
		}
		return c
	case []any:
		c := make([]any, len(value))
		for i, v := range value {
			c[i] = copyOf(v)
		}
		return c
	default:
		return value
	}
}

// walk looks for pods and parts of them, at any depth: in templates, in templates
// of what makes pods, in what overrides them.
func walk(value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			if schema, ok := v.(map[string]any); ok {
				open(name, schema)
			}
			walk(v)
		}
	case []any:
		for _, v := range value {
			walk(v)
		}
	}
}

// kept are, of the parts of a pod that are left open, those that are lists merged
// by a field, which is kept.
var kept = map[string]string{"env": "name", "volumes": "name", "resourceClaims": "name"}

// open lets anything stand in a field that is part of a pod, or of a metric to
// scale by.
func open(name string, schema map[string]any) {
	switch name {
	case "template":
		silence(schema)
		spec := properties(properties(schema)["spec"])
		if _, pod := spec["containers"]; pod && *openPods {
			properties(schema)["spec"] = anything()
		}
	case "metrics":
		items, ok := schema["items"].(map[string]any)
		if _, scales := properties(items)["type"]; ok && scales {
			replace(items, anything())
		}
	case "affinity", "dnsConfig", "lifecycle", "livenessProbe", "os", "readinessProbe", "securityContext", "startupProbe":
		if schema["type"] == "object" {
			replace(schema, anything())
		}
	case "env", "resourceClaims", "volumes":
		if items, ok := schema["items"].(map[string]any); ok {
			item := anything()
			item["properties"] = map[string]any{kept[name]: map[string]any{"type": "string"}}
			item["required"] = []any{kept[name]}
			replace(items, item)
		}
	case "envFrom", "ephemeralContainers", "hostAliases", "readinessGates", "restartPolicyRules", "tolerations", "topologySpreadConstraints", "volumeDevices":
		if items, ok := schema["items"].(map[string]any); ok {
			replace(items, anything())
			delete(schema, "x-kubernetes-list-map-keys")
			delete(schema, "x-kubernetes-list-type")
		}
	}
}

// replace puts one schema for another, which keeps what it says of itself.
func replace(schema, by map[string]any) {
	if sentence, ok := schema["description"].(string); ok {
		by["description"] = sentence
	}
	clear(schema)
	maps.Copy(schema, by)
}

func properties(schema any) map[string]any {
	s, _ := schema.(map[string]any)
	p, _ := s["properties"].(map[string]any)
	return p
}

func anything() map[string]any {
	return map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
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
