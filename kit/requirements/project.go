package requirements

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
)

// A project is the part of pyproject.toml that says what it needs.
type project struct {
	Project *struct {
		Name           string
		RequiresPython string `toml:"requires-python"`
		Dependencies   []string
		Dynamic        []string
	}
	Tool struct {
		Poetry *struct{ Dependencies map[string]any }
	}
}

// readProject reads a pyproject.toml.
func readProject(file string) (List, error) {
	var p project
	if _, err := toml.DecodeFile(file, &p); err != nil {
		return List{}, fmt.Errorf("read %s: %w", filepath.Base(file), err)
	}
	if p.Project == nil {
		if p.Tool.Poetry != nil && len(p.Tool.Poetry.Dependencies) > 0 {
			return List{}, fmt.Errorf("%s declares its packages for Poetry alone: make a list with: poetry export --output requirements.txt", filepath.Base(file))
		}
		return List{}, errNothing // It holds settings of tools.
	}
	for _, d := range p.Project.Dynamic {
		if d == "dependencies" {
			return List{}, fmt.Errorf("%s leaves its dependencies to the build: make a list with: uv pip compile %[1]s --output-file requirements.txt", filepath.Base(file))
		}
	}
	python, err := versionFor(p.Project.RequiresPython)
	if err != nil {
		return List{}, fmt.Errorf("%s: %w", filepath.Base(file), err)
	}
	return List{Packages: p.Project.Dependencies, Python: python}, nil
}

// readScript reads the packages that a script declares in a comment, as PEP 723
// has it; ok is whether it declares any.
func readScript(file string) (l List, ok bool, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return l, false, fmt.Errorf("read script: %w", err)
	}
	block, ok, err := scriptBlock(string(text))
	if err != nil || !ok {
		return l, false, wrapped(filepath.Base(file), err)
	}
	var declared struct {
		RequiresPython string `toml:"requires-python"`
		Dependencies   []string
	}
	if _, err := toml.Decode(block, &declared); err != nil {
		return l, false, fmt.Errorf("%s: read what the script declares: %w", filepath.Base(file), err)
	}
	l.Packages = declared.Dependencies
	l.Python, err = versionFor(declared.RequiresPython)
	return l, true, wrapped(filepath.Base(file), err)
}

func wrapped(where string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", where, err)
}

// scriptBlock is the text between "# /// script" and "# ///".
func scriptBlock(text string) (block string, ok bool, err error) {
	var inside, found bool
	var lines, since []string // since the last line that might be the end
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case !inside && line == "# /// script":
			if found {
				return "", false, fmt.Errorf("it has two blocks of # /// script: leave one")
			}
			inside, found = true, true
		case !inside:
		case line == "# ///":
			lines, since = append(lines, since...), []string{""}
			ok = true
		case line == "#" || strings.HasPrefix(line, "# "):
			since = append(since, strings.TrimPrefix(strings.TrimPrefix(line, "#"), " "))
		default:
			inside = false
		}
	}
	if found && !ok {
		return "", false, fmt.Errorf("its block of # /// script has no end: add a line # ///")
	}
	return strings.Join(lines, "\n"), ok, nil
}
