package rootfs

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/distribution/reference"
)

// An InvalidReferenceError is about a reference that names no image anywhere.
type InvalidReferenceError struct {
	Reference string
	Problem   string
	Remedy    string
}

func (e *InvalidReferenceError) Error() string {
	return fmt.Sprintf("image reference %q: %s: %s", e.Reference, e.Problem, e.Remedy)
}

// An UnknownError is about a reference that means nothing here.
type UnknownError struct {
	Reference string
	Why       error // its registry does not give it; nil where no registry is asked
}

func (e *UnknownError) Error() string {
	why := ""
	if e.Why != nil {
		why = fmt.Sprintf(", and its registry does not give it (%v)", e.Why)
	}
	return fmt.Sprintf("image %q: not in the catalogue of environments%s: say what it should be with `weir environment add %s --package NAME` "+
		"(or --requirements FILE, or --python PATH), or load it with `weir image load FILE`", e.Reference, why, e.Reference)
}

func (e *UnknownError) Unwrap() error { return e.Why }

// slips are what people write by mistake, and what to write instead. (Nothing
// changes it.)
var slips = []struct {
	sign    *regexp.Regexp
	problem string
	remedy  func(ref string) string
}{
	{regexp.MustCompile(`^\s*$`), "it is empty", func(string) string { return `name an image, for instance "python:3.11"` }},
	{regexp.MustCompile(`\s`), "it has a space in it", func(ref string) string { return instead(strings.Join(strings.Fields(ref), "")) }},
	{regexp.MustCompile(`^[a-z]+://`), "it begins like the address of a page", func(ref string) string {
		_, rest, _ := strings.Cut(ref, "://")
		return instead(rest)
	}},
	{regexp.MustCompile(`//`), "a name is missing between its two slashes", func(ref string) string {
		return instead(regexp.MustCompile(`//+`).ReplaceAllString(ref, "/")) + ", or put the name of its owner there"
	}},
	{regexp.MustCompile(`[A-Z][^:@]*(?:[:@]|$)`), "its name has capital letters", func(ref string) string {
		name, tag, tagged := strings.Cut(ref, ":")
		if tagged {
			tag = ":" + tag
		}
		return instead(strings.ToLower(name) + tag)
	}},
	{regexp.MustCompile(`[:/]$`), "its end is missing", func(ref string) string { return instead(strings.TrimRight(ref, ":/")) }},
}

func instead(ref string) string { return fmt.Sprintf("write %q", ref) }

// checkReference says what is wrong with a reference, and how to write it.
func checkReference(ref string) error {
	_, err := reference.ParseNormalizedNamed(ref)
	if err == nil {
		return nil
	}
	for _, s := range slips {
		if s.sign.MatchString(ref) {
			return &InvalidReferenceError{Reference: ref, Problem: s.problem, Remedy: s.remedy(ref)}
		}
	}
	return &InvalidReferenceError{Reference: ref, Problem: err.Error(), Remedy: `write it as [registry/][owner/]name[:tag], for instance "docker.io/ada/mnist:1.0"`}
}
