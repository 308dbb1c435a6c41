package container

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/sys/capability"
)

// usual are the capabilities of a container that asks for nothing, as all
// container runtimes have them.
var usual = []string{
	"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
	"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// Capabilities returns the usual set of a container with add and drop applied
// as a pod writes them: "NET_ADMIN" or "CAP_NET_ADMIN", "ALL".
func Capabilities(add, drop []string) ([]string, error) {
	set := map[string]bool{}
	for _, name := range usual {
		set[name] = true
	}
	// ALL comes first whatever the order, so that one can be taken from all, or
	// given to none.
	if slices.ContainsFunc(add, isAll) {
		for _, c := range capability.ListKnown() {
			set[nameOf(c)] = true
		}
	}
	if slices.ContainsFunc(drop, isAll) {
		clear(set)
	}
	for _, name := range drop {
		if isAll(name) {
			continue
		}
		c, err := parseCapability(name)
		if err != nil {
			return nil, err
		}
		delete(set, nameOf(c))
	}
	for _, name := range add {
		if isAll(name) {
			continue
		}
		c, err := parseCapability(name)
		if err != nil {
			return nil, err
		}
		set[nameOf(c)] = true
	}
	return slices.Sorted(maps.Keys(set)), nil
}

func isAll(name string) bool { return strings.EqualFold(name, "ALL") }

func nameOf(c capability.Cap) string { return "CAP_" + strings.ToUpper(c.String()) }

func parseCapability(name string) (capability.Cap, error) {
	plain := strings.ToLower(name)
	plain = strings.TrimPrefix(plain, "cap_")
	for _, c := range capability.ListKnown() {
		if c.String() == plain {
			return c, nil
		}
	}
	return 0, fmt.Errorf("capability %q: there is none of that name", name)
}

// bits turns names into a bit for each. One that this kernel does not know, or
// that the program was started without, is left out, since nobody can have it.
func bits(names []string) (uint64, error) {
	own, err := capability.NewPid2(0)
	if err != nil {
		return 0, fmt.Errorf("list capabilities: %w", err)
	}
	if err := own.Load(); err != nil {
		return 0, fmt.Errorf("list capabilities: %w", err)
	}
	var set uint64
	for _, name := range names {
		c, err := parseCapability(name)
		if err != nil {
			return 0, err
		}
		if own.Get(capability.PERMITTED, c) {
			set |= 1 << c
		}
	}
	return set, nil
}
