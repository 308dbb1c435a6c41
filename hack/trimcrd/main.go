// Command trimcrd takes the descriptions out of the pod templates in a
// CustomResourceDefinition.
//
// They are two thirds of such a file, the API server reads them at every start,
// and kubectl explain pod says the same.
package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	for _, file := range os.Args[1:] {
		if err := trim(file); err != nil {
			fmt.Fprintf(os.Stderr, "trimcrd: %v\n", err)
			os.Exit(1)
		}
	}
}

func trim(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var definition map[string]any
	if err := yaml.Unmarshal(data, &definition); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	walk(definition, false)
	if data, err = yaml.Marshal(definition); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return os.WriteFile(file, append([]byte("---\n"), data...), 0o644)
}

// walk goes through a schema, and takes descriptions out below templates. What
// is called description but is no string is a field of that name.
func walk(value any, below bool) {
	switch value := value.(type) {
	case map[string]any:
		if _, sentence := value["description"].(string); sentence && below {
			delete(value, "description")
		}
		for name, v := range value {
			walk(v, below || name == "template")
		}
	case []any:
		for _, v := range value {
			walk(v, below)
		}
	}
}
