package rootfs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A user as a container's /etc/passwd knows it.
type user struct {
	name     string
	uid, gid uint32
	home     string
}

// known are the users and groups that every container has. Programs ask for some
// of these by name; none of them is a person.
var known = []user{
	{"root", 0, 0, "/root"},
	{"daemon", 1, 1, "/usr/sbin"},
	{"bin", 2, 2, "/bin"},
	{"sys", 3, 3, "/dev"},
	{"mail", 8, 8, "/var/mail"},
	{"www-data", 33, 33, "/var/www"},
	{"nobody", 65534, 65534, "/nonexistent"},
}

var knownGroups = map[uint32]string{4: "adm", 5: "tty", 6: "disk", 20: "dialout", 44: "video", 50: "staff", 100: "users", 65534: "nogroup"}

func userOf(uid, gid uint32) user {
	for _, u := range known {
		if u.uid == uid {
			return u
		}
	}
	return user{"user", uid, gid, "/home/user"}
}

// passwdOf and groupOf are the files for a container that runs as uid and gid.
func passwdOf(uid, gid uint32) string {
	users := known
	if u := userOf(uid, gid); u.name == "user" {
		users = append(slices.Clone(known), u)
	}
	var passwd strings.Builder
	for _, u := range users {
		shell := "/usr/sbin/nologin"
		if u.uid == 0 || u.name == "user" {
			shell = "/bin/sh"
		}
		fmt.Fprintf(&passwd, "%s:x:%d:%d:%s:%s:%s\n", u.name, u.uid, u.gid, u.name, u.home, shell)
	}
	return passwd.String()
}

func groupOf(uid, gid uint32) string {
	groups := map[uint32]string{gid: "group"} // unless it has a name
	for _, u := range append([]user{userOf(uid, gid)}, known...) {
		groups[u.gid] = u.name
	}
	maps.Copy(groups, knownGroups)
	var group strings.Builder
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		fmt.Fprintf(&group, "%s:x:%d:\n", groups[id], id)
	}
	return group.String()
}
