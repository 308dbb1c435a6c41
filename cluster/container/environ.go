package container

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weir-ml/weir/cluster/rootfs"
)

// terminal is the kind of terminal that one is at.
const terminal = "xterm"

const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environ composes the environment of a command: what every container has, then
// the image's, then the pod's, then more. A name that comes again replaces.
func environ(s Spec, home string, image *rootfs.Image, more []string) []string {
	var all variables
	all.set("PATH", strings.Join(append(slices.Clone(image.Path), cmp.Or(image.Variables["PATH"], usualPath)), ":"))
	all.set("HOME", home)
	if s.Hostname != "" {
		all.set("HOSTNAME", s.Hostname)
	}
	if s.Terminal {
		all.set("TERM", terminal)
	}
	for name, value := range image.Variables {
		if name != "PATH" {
			all.set(name, value)
		}
	}
	for _, v := range append(slices.Clone(s.Env), more...) {
		name, value, _ := strings.Cut(v, "=")
		all.set(name, value)
	}
	return all
}

// whereItLies is an image for a plain container, which sees the image's folders
// where they lie, not where the image wants them.
func whereItLies(image *rootfs.Image) *rootfs.Image {
	moved := func(path string) string {
		for _, f := range image.Folders {
			if rest, inside := strings.CutPrefix(path+"/", f.Target+"/"); inside {
				return filepath.Join(f.Source, rest)
			}
		}
		return path
	}
	there := *image
	there.Path, there.Variables = nil, map[string]string{}
	for _, p := range image.Path {
		there.Path = append(there.Path, moved(p))
	}
	for name, value := range image.Variables {
		there.Variables[name] = moved(value)
	}
	return &there
}

// variables are NAME=value, each name once.
type variables []string

func (vs *variables) set(name, value string) {
	for i, v := range *vs {
		if strings.HasPrefix(v, name+"=") {
			(*vs)[i] = name + "=" + value
			return
		}
	}
	*vs = append(*vs, name+"="+value)
}

func valueOf(env []string, name string) string {
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}
