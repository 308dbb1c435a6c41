package environment

import (
	"regexp"
	"strings"
)

// hub are the ways to write the registry that is meant when none is written.
var hub = regexp.MustCompile(`^(docker\.io/|index\.docker\.io/|registry-1\.docker\.io/)?(library/)?`)

// matches says whether an image reference is one that a pattern means.
func matches(pattern, image string) bool {
	name, tag := split(image)
	wantName, wantTag := split(pattern)
	if wantTag == "" {
		wantTag = "*"
	}
	if tag == "" {
		tag = "latest"
	}
	return glob(wantName, name) && glob(wantTag, tag)
}

// split cuts a reference into its name, without the registry that goes without
// saying, and its tag, which is "" if it has none. A digest is left out: what
// is built here is never the bytes it names.
func split(ref string) (name, tag string) {
	ref, _, _ = strings.Cut(ref, "@")
	name = ref
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		name, tag = ref[:i], ref[i+1:]
	}
	return hub.ReplaceAllString(name, ""), tag
}

// glob says whether s is pattern, in which each * stands for any text.
func glob(pattern, s string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, first)
	if !ok {
		return false
	}
	parts := strings.Split(rest, "*")
	last := len(parts) - 1
	for _, p := range parts[:last] {
		_, after, found := strings.Cut(s, p)
		if !found {
			return false
		}
		s = after
	}
	return strings.HasSuffix(s, parts[last])
}
