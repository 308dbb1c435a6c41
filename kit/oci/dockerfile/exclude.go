package dockerfile

import (
	"fmt"
	"maps"
	"path"
	"strings"

	"github.com/weir-ml/weir/kit/oci"
)

// refusedExclusion says why something cannot be excluded, or nothing.
func refusedExclusion(patterns []string) string {
	for _, p := range patterns {
		if strings.HasPrefix(p, "!") {
			return fmt.Sprintf("--exclude=%s is not known: name what to leave out, and not what to take along", p)
		}
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Sprintf("--exclude=%s: %v", p, err)
		}
	}
	return ""
}

// exclude leaves out what patterns match, and what is in a folder that they match. They
// are about where files are below the destination.
func (p picked) exclude(patterns []string) {
	maps.DeleteFunc(p, func(name string, _ oci.Entry) bool {
		parts := strings.Split(name, "/")
		for _, pattern := range patterns {
			wanted := strings.Split(clean(pattern), "/")
			for n := range parts {
				if matchesParts(wanted, parts[:n+1]) {
					return true
				}
			}
		}
		return false
	})
}

// matchesParts says whether a path is what a pattern means, in which ** is any number of
// folders.
func matchesParts(pattern, parts []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for n := range len(parts) + 1 {
				if matchesParts(pattern[1:], parts[n:]) {
					return true
				}
			}
			return false
		}
		if len(parts) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], parts[0]); err != nil || !ok {
			return false
		}
		pattern, parts = pattern[1:], parts[1:]
	}
	return len(parts) == 0
}
