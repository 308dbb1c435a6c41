// Package requirements finds which Python packages a program needs: from what
// its folder declares, in whichever of the usual files, or from what it imports.
package requirements

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A List is what a program needs.
type List struct {
	// Packages are requirements as pip knows them.
	Packages []string
	// Python is the version wanted, as "3.12"; empty is whichever there is.
	Python string
	// From says what declares it, as "requirements.txt"; empty if nothing does.
	From string
	// Notes are sentences on what was left out, and what to do.
	Notes []string
}

// sources in the order in which they are looked for: what is written in the
// script means that script alone, a lock is exact, and a list is what the others
// are made into. (Nothing changes it.)
var sources = []struct {
	file string
	read func(file string) (List, error)
}{
	{"uv.lock", readLock},
	{"requirements.txt", ReadFile},
	{"pyproject.toml", readProject},
	{"environment.yml", readConda},
	{"environment.yaml", readConda},
}

// Find reads what the folder dir declares for a script in it, which may be empty.
// Without any declaration the list is empty.
func Find(dir, script string) (List, error) {
	if filepath.Ext(script) == ".py" {
		l, ok, err := readScript(filepath.Join(dir, script))
		if err != nil || ok {
			l.From = script
			return l, err
		}
	}
	for _, s := range sources {
		l, err := s.read(filepath.Join(dir, s.file))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNothing) {
			continue
		}
		if err != nil {
			return List{}, err
		}
		l.From = s.file
		return l, nil
	}
	return List{}, nil
}

// errNothing is of a file that declares no packages, and says nothing of them.
var errNothing = errors.New("no packages are declared")

// ReadFile reads a file as pip does: packages, and files of more packages.
func ReadFile(file string) (List, error) {
	l := List{From: filepath.Base(file)}
	return l, l.include(file, nil)
}

func (l *List) include(file string, within []string) error {
	for _, f := range within {
		if f == file {
			return fmt.Errorf("%s includes itself", file)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read requirements: %w", err)
	}
	for n, line := range logicalLines(string(text)) {
		at := fmt.Sprintf("%s:%d", filepath.Base(file), n)
		option, value := splitOption(line)
		switch option {
		case "":
			if line == "." || strings.HasPrefix(line, "./") || strings.HasPrefix(line, ".[") {
				l.note("%s: %q is the folder itself, which is carried as it is", at, line)
				continue
			}
			requirement, _, _ := strings.Cut(line, " --") // hashes, which the folder's owner has checked
			l.Packages = append(l.Packages, strings.TrimSpace(requirement))
		case "-r", "--requirement":
			if err := l.include(filepath.Join(filepath.Dir(file), value), append(within, file)); err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
		case "-e", "--editable":
			l.note("%s: %q is carried as it lies in the folder, and not installed", at, value)
		case "-c", "--constraint":
			l.note("%s: constraints are not read: write the versions beside the packages", at)
		default:
			l.note("%s: %q is not read: settings of the index are those of the shell that runs weir up, as UV_INDEX_URL", at, line)
		}
	}
	return nil
}

func (l *List) note(format string, args ...any) {
	l.Notes = append(l.Notes, fmt.Sprintf(format, args...))
}

// splitOption splits "-r file" and "--requirement=file"; a package has no option.
func splitOption(line string) (option, value string) {
	if !strings.HasPrefix(line, "-") {
		return "", ""
	}
	i := strings.IndexAny(line, " =\t")
	if i < 0 {
		if len(line) > 2 && line[1] != '-' {
			return line[:2], line[2:] // -rfile
		}
		return line, ""
	}
	return line[:i], strings.TrimSpace(line[i+1:])
}

// logicalLines are the lines that say something, by their number: those that
// end in a backslash go on in the next.
func logicalLines(text string) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		begun, said := 0, ""
		n := 0
		for line := range strings.Lines(text) {
			n++
			line = strings.TrimRight(line, "\r\n")
			if said == "" {
				begun = n
			}
			if rest, more := strings.CutSuffix(line, `\`); more {
				said += rest
				continue
			}
			said += line
			if i := strings.Index(said, " #"); i >= 0 {
				said = said[:i]
			}
			if said = strings.TrimSpace(said); said != "" && said[0] != '#' && !yield(begun, said) {
				return
			}
			said = ""
		}
		if said = strings.TrimSpace(said); said != "" {
			yield(begun, said)
		}
	}
}
