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
	if pod.GetRunAsGroup() != nil && pod.GetRunAsUser() == nil && pod.GetRunAsUsername() == "" {
		return user{}, fmt.Errorf("group %d without a user: say whose group it is (runAsUser, runAsGroup)", pod.RunAsGroup.Value)
	}
	name := image.User
	switch {
	case pod.GetRunAsUser() != nil:
		name = strconv.FormatInt(pod.RunAsUser.Value, 10)
	case pod.GetRunAsUsername() != "":
		name = pod.RunAsUsername
	}
	who, err := accounts.Whose(name)
	if err != nil {
		return user{}, fmt.Errorf("%w (runAsUser, runAsGroup)", err)
	}
	u := user{uid: who.UID, gid: who.GID}
	if pod.GetRunAsGroup() != nil {
		u.gid = uint32(pod.RunAsGroup.Value)
	}

	if pod.GetSupplementalGroupsPolicy() == runtimeapi.SupplementalGroupsPolicy_Merge {
		u.groups = accounts.GroupsOf(u.uid)
	}
	for _, g := range pod.GetSupplementalGroups() {
		u.groups = append(u.groups, uint32(g))
	}
	slices.Sort(u.groups)
	u.groups = slices.Compact(u.groups)
	return u, nil
}

// groupsAllowed reports whether processes may have supplementary groups at all: in a user
// namespace that was made without privileges they may not.
func groupsAllowed() bool {
	setgroups, err := os.ReadFile("/proc/self/setgroups")
	return err != nil || strings.TrimSpace(string(setgroups)) != "deny"
}
