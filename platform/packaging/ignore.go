package packaging

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ignoreFiles say what does not belong to a program, in the language of git; in
// one folder the later win.
func ignoreFiles() []string { return []string{".gitignore", ".weirignore"} }

// A pattern is a line of an ignore file.
type pattern struct {
	base     string   // folder of the file, "" for the root
	segments []string // of the pattern, between slashes
	rooted   bool     // counts from base, not in any folder below
	folder   bool     // means folders only
	negated  bool     // takes back what an earlier line ignores
	inside   bool     // means what is in a folder, too, so that a later line may take some back
}

// patterns reads an ignore file that lies in base.
func patterns(base, text string) []pattern {
	var all []pattern
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if trimmed := strings.TrimRight(line, " "); strings.HasSuffix(trimmed, `\`) && trimmed != line {
			line = trimmed + " " // A space that is quoted counts.
		} else {
			line = trimmed
		}
		if line == "" || line[0] == '#' {
			continue
		}
		p := pattern{base: base}
		if line, p.negated = strings.CutPrefix(line, "!"); line == "" {
			continue
		}
		line, p.folder = strings.CutSuffix(line, "/")
		p.rooted = strings.Contains(line, "/")
		p.segments = strings.Split(strings.TrimPrefix(line, "/"), "/")
		all = append(all, p)
	}
	return all
}

// dockerPatterns reads a .dockerignore, which there is one of, at the top, and whose
// lines all count from there.
func dockerPatterns(dir string) ([]pattern, error) {
	text, err := os.ReadFile(filepath.Join(dir, ".dockerignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	all := patterns("", string(text))
	for n := range all {
		all[n].rooted, all[n].folder, all[n].inside = true, false, true
	}
	return all, err
}

// ignored tells whether the patterns ignore a file or folder: the last that
// means it decides.
func ignored(all []pattern, name string, folder bool) bool {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].means(name, folder) {
			return !all[i].negated
		}
	}
	return false
}

func (p pattern) means(name string, folder bool) bool {
	if p.folder && !folder {
		return false
	}
	rest := name
	if p.base != "" {
		var below bool
		if rest, below = strings.CutPrefix(name, p.base+"/"); !below {
			return false
		}
	}
	if !p.rooted {
		return segmentMatches(p.segments[0], path.Base(rest))
	}
	segments := strings.Split(rest, "/")
	if p.inside {
		for n := 1; n < len(segments); n++ {
			if segmentsMatch(p.segments, segments[:n]) {
				return true
			}
		}
	}
	return segmentsMatch(p.segments, segments)
}

func anyNegated(all []pattern) bool {
	return slices.ContainsFunc(all, func(p pattern) bool { return p.negated })
}

// segmentsMatch compares folder by folder; ** stands for any number of them.
func segmentsMatch(pattern, name []string) bool {
	if len(pattern) == 0 {
		return len(name) == 0
	}
	if pattern[0] != "**" {
		return len(name) > 0 && segmentMatches(pattern[0], name[0]) && segmentsMatch(pattern[1:], name[1:])
	}
	if len(pattern) == 1 {
		return len(name) > 0 // at the end it means all that is inside
	}
	for i := range len(name) + 1 {
		if segmentsMatch(pattern[1:], name[i:]) {
			return true
		}
	}
	return false
}

func segmentMatches(pattern, name string) bool {
	pattern = strings.ReplaceAll(pattern, "[!", "[^")
	ok, err := path.Match(pattern, name)
	return ok && err == nil // git, too, takes a pattern that makes no sense for none
}
