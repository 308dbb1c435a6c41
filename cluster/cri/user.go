package cri

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/rootfs"
)

// A user is whom a process runs as.
type user struct {
	uid, gid uint32
	groups   []uint32 // supplementary
}

// userOf says whom a container runs as, by what the pod says, else by what the image says
// ("" is root; "name", "1000", "name:group", "1000:100"). The error is about a name that
// the container does not know.
func userOf(pod *runtimeapi.LinuxContainerSecurityContext, image *rootfs.Image) (user, error) {
	accounts, err := image.Accounts()
	if err != nil {
		return user{}, err
	}
	name, group, _ := strings.Cut(image.User, ":")
	switch {
	case pod.GetRunAsUser() != nil:
		name, group = strconv.FormatInt(pod.RunAsUser.Value, 10), ""
	case pod.GetRunAsUsername() != "":
		name, group = pod.RunAsUsername, ""
	}

	uid, err := lookup(name, accounts.User)
	if err != nil {
		return user{}, fmt.Errorf("user %q: containers have no user of that name: use its number (runAsUser)", name)
	}
	u := user{uid: uid, gid: accounts.GroupOf(uid)}
	switch {
	case pod.GetRunAsGroup() != nil:
		u.gid = uint32(pod.RunAsGroup.Value)
	case group != "":
		if u.gid, err = lookup(group, accounts.Group); err != nil {
			return user{}, fmt.Errorf("group %q: containers have no group of that name: use its number (runAsGroup)", group)
		}
	}

	if pod.GetSupplementalGroupsPolicy() == runtimeapi.SupplementalGroupsPolicy_Merge {
		u.groups = accounts.GroupsOf(uid)
	}
	for _, g := range pod.GetSupplementalGroups() {
		u.groups = append(u.groups, uint32(g))
	}
	slices.Sort(u.groups)
	u.groups = slices.Compact(u.groups)
	return u, nil
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

// groupsAllowed reports whether processes may have supplementary groups at all: in a user
// namespace that was made without privileges they may not.
func groupsAllowed() bool {
	setgroups, err := os.ReadFile("/proc/self/setgroups")
	return err != nil || strings.TrimSpace(string(setgroups)) != "deny"
}
