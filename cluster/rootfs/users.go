package rootfs

import (
	"fmt"
	"path/filepath"
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

// Home is where the user uid lives in a container.
func Home(uid uint32) string { return userOf(uid, 0).home }

func userOf(uid, gid uint32) user {
	for _, u := range known {
		if u.uid == uid {
			return u
		}
	}
	return user{"user", uid, gid, "/home/user"}
}

// writeUsers writes passwd and group for a container that runs as uid and gid.
func writeUsers(etc string, uid, gid uint32) error {
	users := known
	if u := userOf(uid, gid); u.name == "user" {
		users = append(append([]user{}, known...), u)
	}
	var passwd, group strings.Builder
	groups := map[uint32]string{}
	for id, name := range knownGroups {
		groups[id] = name
	}
	for _, u := range users {
		shell := "/usr/sbin/nologin"
		if u.uid == 0 || u.name == "user" {
			shell = "/bin/sh"
		}
		fmt.Fprintf(&passwd, "%s:x:%d:%d:%s:%s:%s\n", u.name, u.uid, u.gid, u.name, u.home, shell)
		if _, named := groups[u.gid]; !named {
			groups[u.gid] = u.name
		}
	}
	if _, named := groups[gid]; !named {
		groups[gid] = "group" // of a user who has another by right
	}
	for _, id := range sortedKeys(groups) {
		fmt.Fprintf(&group, "%s:x:%d:\n", groups[id], id)
	}
	if err := writeFile(filepath.Join(etc, "passwd"), []byte(passwd.String()), 0o644); err != nil {
		return err
	}
	return writeFile(filepath.Join(etc, "group"), []byte(group.String()), 0o644)
}
