package cri

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestSysctls(t *testing.T) {
	cases := map[string]struct {
		why        string
		sysctls    map[string]string
		ownNetwork bool
		want       map[string]string
	}{
		"OwnNetwork":  {why: "A pod may listen on its own port 80 as any user.", ownNetwork: true, want: map[string]string{"net.ipv4.ip_unprivileged_port_start": "0"}},
		"HostNetwork": {why: "Not on the machine's.", want: map[string]string{}},
		"PodWins":     {why: "The pod has the last word, however it writes the name.", ownNetwork: true, sysctls: map[string]string{"net/ipv4/ip_unprivileged_port_start": "1024", "kernel.shm_rmid_forced": "1"}, want: map[string]string{"net.ipv4.ip_unprivileged_port_start": "1024", "kernel.shm_rmid_forced": "1"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := sysctlsOf(&runtimeapi.PodSandboxConfig{Linux: &runtimeapi.LinuxPodSandboxConfig{Sysctls: tc.sysctls}}, tc.ownNetwork)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n%s", tc.why, diff)
			}
		})
	}
}

func TestResolvConf(t *testing.T) {
	got := string(resolvConf(&runtimeapi.DNSConfig{
		Servers:  []string{"10.43.0.10"},
		Searches: []string{"default.svc.cluster.local", "svc.cluster.local"},
		Options:  []string{"ndots:5"},
	}))
	want := "search default.svc.cluster.local svc.cluster.local\nnameserver 10.43.0.10\noptions ndots:5\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if resolvConf(nil) != nil {
		t.Error("without a configuration the machine's file must stay")
	}
}
