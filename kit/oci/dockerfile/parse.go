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
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// A File is a Dockerfile of which all can be done.
type File struct {
	name   string
	text   []byte
	stages []instructions.Stage
	args   []instructions.ArgCommand // before the first stage
	escape rune
}

// Parse reads a Dockerfile. The error names the line that is wrong, or that asks for
// something that cannot be done.
func Parse(name string, text []byte) (*File, error) {
	f := &File{name: name, text: text}
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
				return nil, f.on(c, errors.New(why))
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

// place is where a command stands, and its name.
func (f *File) place(c instructions.Command) string {
	line := 0
	if at := c.Location(); len(at) > 0 {
		line = at[0].Start.Line
	}
	return fmt.Sprintf("%s:%d: %s", f.name, line, strings.ToUpper(c.Name()))
}

// on is an error about a command, unless it is about one already, of another stage.
func (f *File) on(c instructions.Command, err error) error {
	if err == nil || errors.As(err, new(*placedError)) {
		return err
	}
	return &placedError{f.place(c), err}
}

// A placedError says where it happened.
type placedError struct {
	place string
	err   error
}

func (e *placedError) Error() string { return e.place + ": " + e.err.Error() }
func (e *placedError) Unwrap() error { return e.err }

// refused says why a command cannot be done, or nothing.
func refused(c instructions.Command) string {
	switch c := c.(type) {
	case *instructions.RunCommand:
		return refusedRun(c)
	case *instructions.CopyCommand:
		return refusedExclusion(c.ExcludePatterns)
	case *instructions.AddCommand:
		return refusedAdd(c)
	}
	return ""
}
