package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/kit/oci/layers"
)

// Accounts are the users and groups that a container knows by name.
type Accounts struct {
	users  []user
	groups []group
	home   string // of a user without an account
}

type group struct {
	name    string
	gid     uint32
	members []string
}

// machineAccounts are those of containers that see this machine's folders.
func machineAccounts() Accounts {
	a := Accounts{users: known, home: "/home/user"}
	for gid, name := range knownGroups {
		a.groups = append(a.groups, group{name: name, gid: gid})
	}
	for _, u := range known {
		a.groups = append(a.groups, group{name: u.name, gid: u.gid})
	}
	return a
}

// Accounts returns whom containers of the image know: nil is this machine's folders.
func (i *Image) Accounts() (Accounts, error) {
	if !i.OwnRoot() {
		return machineAccounts(), nil
	}
	a := Accounts{home: "/"}
	err := i.eachAccount("/etc/passwd", func(f []string) {
		if len(f) >= 6 && isID(f[2]) && isID(f[3]) {
			a.users = append(a.users, user{name: f[0], uid: id(f[2]), gid: id(f[3]), home: f[5]})
		}
	})
	if err != nil {
		return Accounts{}, err
	}
	return a, i.eachAccount("/etc/group", func(f []string) {
		if len(f) >= 4 && isID(f[2]) {
			a.groups = append(a.groups, group{name: f[0], gid: id(f[2]), members: strings.Split(f[3], ",")})
		}
	})
}

// maxAccounts is how many bytes of a file of accounts are read.
const maxAccounts = 4 << 20

// eachAccount visits the lines of one of the image's files, by their fields. An image
// need not have it.
func (i *Image) eachAccount(name string, visit func(fields []string)) error {
	f, err := layers.Open(i.Layers, name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("image %s: %w", i.Reference, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAccounts))
	if err != nil {
		return fmt.Errorf("image %s: read %s: %w", i.Reference, name, err)
	}
	for line := range strings.Lines(string(data)) {
		visit(strings.Split(strings.TrimSpace(line), ":"))
	}
	return nil
}

func isID(text string) bool {
	_, err := strconv.ParseUint(text, 10, 32)
	return err == nil
}

func id(text string) uint32 {
	n, _ := strconv.ParseUint(text, 10, 32)
	return uint32(n)
}

// User finds a user by name.
func (a Accounts) User(name string) (uid uint32, ok bool) {
	for _, u := range a.users {
		if u.name == name {
			return u.uid, true
		}
	}
	return 0, name == "root" // whom everybody has
}

// Group finds a group by name.
func (a Accounts) Group(name string) (gid uint32, ok bool) {
	for _, g := range a.groups {
		if g.name == name {
			return g.gid, true
		}
	}
	return 0, name == "root"
}

// A Person is whom a process runs as.
type Person struct {
	UID, GID uint32
	Groups   []uint32 // supplementary
}

// Whose is the person that an image or a Dockerfile names: "" is root; "name", "1000",
// "name:group", "1000:100". The error is about a name that nobody knows.
func (a Accounts) Whose(text string) (Person, error) {
	name, group, both := strings.Cut(text, ":")
	var p Person
	var err error
	if p.UID, err = lookup(name, a.User); err != nil {
		return p, fmt.Errorf("user %q: the image's /etc/passwd has none of that name: use a number", name)
	}
	p.GID, p.Groups = a.GroupOf(p.UID), a.GroupsOf(p.UID)
	if !both {
		return p, nil
	}
	p.Groups = nil
	if p.GID, err = lookup(group, a.Group); err != nil {
		return p, fmt.Errorf("group %q: the image's /etc/group has none of that name: use a number", group)
	}
	return p, nil
}

// lookup turns a name or a number into a number; "" is root's.
func lookup(name string, named func(string) (uint32, bool)) (uint32, error) {
	if name == "" {
		return 0, nil
	}
	if id, ok := named(name); ok {
		return id, nil
	}
	id, err := strconv.ParseUint(name, 10, 32)
	return uint32(id), err
}

// of is the account of a user, or what one without is taken for.
func (a Accounts) of(uid uint32) user {
	for _, u := range a.users {
		if u.uid == uid {
			return u
		}
	}
	return user{uid: uid, home: a.home}
}

// GroupOf is the group of a user, 0 for one without an account.
func (a Accounts) GroupOf(uid uint32) uint32 { return a.of(uid).gid }

// GroupsOf are the further groups of a user.
func (a Accounts) GroupsOf(uid uint32) []uint32 {
	name := a.of(uid).name
	var all []uint32
	for _, g := range a.groups {
		if name != "" && slices.Contains(g.members, name) {
			all = append(all, g.gid)
		}
	}
	return all
}

// Home is where a user lives.
func (a Accounts) Home(uid uint32) string { return a.of(uid).home }
