// Package dockerfile builds images as Dockerfiles say.
//
//	Dockerfile ──Parse──▶ File ──Rehearse──▶ what it needs
//	        refused, by its line └──Build──▶ image
//	                                  └── RUN ──▶ Runner
package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// A File is a Dockerfile of which all can be done.
type File struct {
	name   string
	stages []instructions.Stage
	args   []instructions.ArgCommand // before the first stage
	escape rune
}

// Parse reads a Dockerfile. The error names the line that is wrong, or that asks for
// something that cannot be done.
func Parse(name string, text []byte) (*File, error) {
	f := &File{name: name}
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, f.located(err)
	}
	f.escape = parsed.EscapeToken
	f.stages, f.args, err = instructions.Parse(parsed.AST, linter.New(&linter.Config{SkipRules: []string{"*"}}))
	if err != nil {
		return nil, f.located(err)
	}
	if len(f.stages) == 0 {
		return nil, fmt.Errorf("%s: it has no FROM", name)
	}
	for _, s := range f.stages {
		for _, c := range s.Commands {
			if why := refused(c); why != "" {
				return nil, f.at(c, errors.New(why))
			}
		}
	}
	return f, nil
}

// where is what a parser says itself about the place.
var where = regexp.MustCompile(`^dockerfile parse error on line \d+: `)

// located is what a parser has to say, with the line.
func (f *File) located(err error) error {
	var l *parser.LocationError
	said := where.ReplaceAllString(err.Error(), "")
	if errors.As(err, &l) && len(l.Locations) > 0 && len(l.Locations[0]) > 0 {
		return fmt.Errorf("%s:%d: %s", f.name, l.Locations[0][0].Start.Line, said)
	}
	return fmt.Errorf("%s: %s", f.name, said)
}

// at is an error about a command.
func (f *File) at(c instructions.Command, err error) error {
	if err == nil {
		return nil
	}
	line := 0
	if at := c.Location(); len(at) > 0 {
		line = at[0].Start.Line
	}
	return fmt.Errorf("%s:%d: %s: %w", f.name, line, strings.ToUpper(c.Name()), err)
}

// refused says why a command cannot be done, or nothing.
func refused(c instructions.Command) string {
	switch c := c.(type) {
	case *instructions.RunCommand:
		return refusedRun(c)
	case *instructions.OnbuildCommand:
		return "it is about images that others build of this one, which OCI's do not know: write it there"
	case *instructions.CopyCommand:
		switch {
		case c.From != "":
			return "files are copied from the folder only, and not from stages and images"
		case c.Parents:
			return "--parents is not known: name the folder to copy to"
		case len(c.ExcludePatterns) > 0:
			return "--exclude is not known: name what to leave out in .dockerignore"
		}
	case *instructions.AddCommand:
		for _, s := range c.SourcePaths {
			if strings.Contains(s, "://") || strings.HasPrefix(s, "git@") {
				return "nothing is fetched while an image is built: fetch " + s + " into the folder, and COPY it"
			}
		}
		if len(c.ExcludePatterns) > 0 {
			return "--exclude is not known: name what to leave out in .dockerignore"
		}
	}
	return ""
}

// An owner is who files belong to.
type owner struct{ user, group int }

// ownerOf reads what --chown says.
func ownerOf(text string) (owner, error) {
	if text == "" {
		return owner{}, nil
	}
	user, group, both := strings.Cut(text, ":")
	if !both {
		group = user
	}
	var o owner
	for _, p := range []struct {
		text string
		to   *int
	}{{user, &o.user}, {group, &o.group}} {
		if p.text == "root" {
			continue
		}
		n, err := strconv.Atoi(p.text)
		if err != nil || n < 0 {
			return o, fmt.Errorf("--chown=%s: %q is looked up nowhere: write its number", text, p.text)
		}
		*p.to = n
	}
	return o, nil
}
