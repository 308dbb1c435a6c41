package cri

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/rootfs"
)

func TestUserOf(t *testing.T) {
	id := func(n int64) *runtimeapi.Int64Value { return &runtimeapi.Int64Value{Value: n} }
	cases := map[string]struct {
		why     string
		pod     *runtimeapi.LinuxContainerSecurityContext
		image   string
		want    user
		problem string
	}{
		"Nobody":         {why: "Who says nothing is root, as in any container."},
		"ImageName":      {why: "An image may name its user.", image: "www-data", want: user{uid: 33, gid: 33}},
		"ImageNumbers":   {why: "An image's user may be numbers without an account.", image: "7:8", want: user{uid: 7, gid: 8}},
		"ImageNameGroup": {why: "An image may name a group too.", image: "www-data:users", want: user{uid: 33, gid: 100}},
		"RunAsUser":      {why: "The pod's user replaces the image's, and its group.", pod: &runtimeapi.LinuxContainerSecurityContext{RunAsUser: id(33)}, image: "7:8", want: user{uid: 33, gid: 33}},
		"RunAsGroup":     {why: "The pod's group replaces the account's.", pod: &runtimeapi.LinuxContainerSecurityContext{RunAsUser: id(33), RunAsGroup: id(3)}, want: user{uid: 33, gid: 3}},
		"GroupOfNobody":  {why: "A group goes with a user; the kubelet says the image's.", pod: &runtimeapi.LinuxContainerSecurityContext{RunAsGroup: id(3)}, image: "7:8", problem: "group 3 without a user"},
		"RunAsUsername":  {why: "A name is looked up.", pod: &runtimeapi.LinuxContainerSecurityContext{RunAsUsername: "nobody"}, want: user{uid: 65534, gid: 65534}},
		"Supplemental":   {why: "fsGroup and supplementalGroups come on top.", pod: &runtimeapi.LinuxContainerSecurityContext{RunAsUser: id(1000), SupplementalGroups: []int64{2000, 50, 2000}}, want: user{uid: 1000, groups: []uint32{50, 2000}}},
		"UnknownName":    {why: "A name needs an account.", image: "eve", problem: `user "eve"`},
		"UnknownGroup":   {why: "So does the name of a group.", image: "www-data:evil", problem: `group "evil"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := userOf(tc.pod, &rootfs.Image{User: tc.image})
			if tc.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tc.problem) {
					t.Errorf("%s\nerror %v, want one about %s", tc.why, err, tc.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(user{})); diff != "" {
				t.Errorf("%s\n%s", tc.why, diff)
			}
		})
	}
}
