package packaging

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Entry finds the command that a folder's program is started with, and the file that
// says so: the process "web" of a Procfile, or its only one; else the script of a
// pyproject.toml that is called like the project, or its only one. Both are empty
// where nothing says it.
func Entry(dir string) (command []string, from string, err error) {
	for _, s := range []struct {
		file string
		read func(text string) ([]string, error)
	}{{"Procfile", procfile}, {"pyproject.toml", projectScript}} {
		text, err := os.ReadFile(filepath.Join(dir, s.file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			command, err = s.read(string(text))
		}
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", s.file, err)
		}
		if command != nil {
			return command, s.file, nil
		}
	}
	return nil, "", nil
}

// process is a line of a Procfile.
var process = regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(.+)$`)

func procfile(text string) ([]string, error) {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if m := process.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			all[m[1]] = m[2]
		}
	}
	name, err := one(all, "web", "processes")
	if err != nil || name == "" {
		return nil, err
	}
	return Words(all[name]), nil
}

// Words are the words of a command. One that needs a shell, for its variables or
// quotes, is left to it.
func Words(command string) []string {
	if strings.ContainsAny(command, "\"'\\$`|&;<>()*?[]#~={}!\n") {
		return []string{"/bin/sh", "-c", command}
	}
	return strings.Fields(command)
}

// object is a function of a module, as scripts name it.
var object = regexp.MustCompile(`^\s*([A-Za-z_][\w.]*)\s*:\s*([A-Za-z_]\w*)((?:\.\w+)*)\s*(\[.*\])?$`)

func projectScript(text string) ([]string, error) {
	var p struct {
		Project struct {
			Name    string
			Scripts map[string]string
		}
	}
	if _, err := toml.Decode(text, &p); err != nil {
		return nil, err
	}
	name, err := one(p.Project.Scripts, p.Project.Name, "scripts")
	if err != nil || name == "" {
		return nil, err
	}
	m := object.FindStringSubmatch(p.Project.Scripts[name])
	if m == nil {
		return nil, fmt.Errorf("script %q: %q is not MODULE:FUNCTION", name, p.Project.Scripts[name])
	}
	return []string{"python3", "-c", fmt.Sprintf("import sys; from %s import %s; sys.exit(%[2]s%s())", m[1], m[2], m[3])}, nil
}

// one is the name that is preferred, or the only one there is.
func one(all map[string]string, preferred, what string) (string, error) {
	if _, ok := all[preferred]; ok {
		return preferred, nil
	}
	names := slices.Sorted(maps.Keys(all))
	switch len(names) {
	case 0:
		return "", nil
	case 1:
		return names[0], nil
	}
	return "", fmt.Errorf("it has the %s %s: say which command to run with --command", what, strings.Join(names, ", "))
}
