package requirements

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// condaPython is how an environment of conda asks for a Python.
var condaPython = regexp.MustCompile(`^python\s*={1,2}\s*(3\.\d+)`)

// readConda reads an environment.yml: its Python, and what it has pip install.
// Packages of conda itself are named differently, and are only noted.
func readConda(file string) (List, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return List{}, err
	}
	var declared struct{ Dependencies []any }
	if err := yaml.Unmarshal(text, &declared); err != nil {
		return List{}, fmt.Errorf("read %s: %w", filepath.Base(file), err)
	}
	var l List
	var others []string
	for _, d := range declared.Dependencies {
		switch d := d.(type) {
		case string:
			switch m := condaPython.FindStringSubmatch(d); {
			case m != nil:
				l.Python = m[1]
			case d == "pip" || strings.HasPrefix(d, "pip=") || strings.HasPrefix(d, "python"):
			default:
				others = append(others, d)
			}
		case map[string]any:
			list, _ := d["pip"].([]any)
			for _, p := range list {
				name, ok := p.(string)
				if !ok || strings.HasPrefix(name, "-") {
					l.note("%s: %v is not read: name packages", filepath.Base(file), p)
					continue
				}
				l.Packages = append(l.Packages, name)
			}
		}
	}
	if len(others) > 0 {
		l.note("%s: packages of conda are left out: %s; name those that the program needs under pip", filepath.Base(file), strings.Join(others, ", "))
	}
	return l, nil
}
