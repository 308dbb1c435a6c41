package cri

import (
	"os"
	"strings"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// What a pod's security context says is what its process finds.
func TestSecurityContext(t *testing.T) {
	r := newRig(t)
	pod := r.pod()
	type context = runtimeapi.LinuxContainerSecurityContext
	filtered := func(c *context) {
		c.Seccomp = &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_RuntimeDefault}
	}
	cases := map[string]struct {
		why    string
		set    func(*context)
		script string
		want   string
	}{
		"Usual":           {why: "A container has the usual capabilities.", script: "grep CapEff /proc/self/status", want: "CapEff:\t00000000a80425fb\n"},
		"Drop":            {why: "All can be given up.", set: func(c *context) { c.Capabilities = &runtimeapi.Capability{DropCapabilities: []string{"ALL"}} }, script: "grep CapEff /proc/self/status", want: "CapEff:\t0000000000000000\n"},
		"Add":             {why: "One can be added.", set: func(c *context) { c.Capabilities = &runtimeapi.Capability{AddCapabilities: []string{"NET_ADMIN"}} }, script: "grep CapEff /proc/self/status", want: "CapEff:\t00000000a80435fb\n"},
		"NoNewPrivileges": {why: "A pod may give up what set-uid programs give.", set: func(c *context) { c.NoNewPrivs = true }, script: "grep NoNewPrivs /proc/self/status", want: "NoNewPrivs:\t1\n"},
		"ReadOnlyRoot":    {why: "The root may be read-only.", set: func(c *context) { c.ReadonlyRootfs = true }, script: "touch /x 2>/dev/null || echo refused", want: "refused\n"},
		"Masked":          {why: "What is masked is empty.", set: func(c *context) { c.MaskedPaths = []string{"/proc/timer_list", "/proc/keys"} }, script: "cat /proc/keys | wc -c", want: "0\n"},
		"Unfiltered":      {why: "A pod that asks for no filter has none.", script: "grep -w Seccomp /proc/self/status", want: "Seccomp:\t0\n"},
		"Filtered":        {why: "One that asks for the usual filter has it.", set: filtered, script: "grep -w Seccomp /proc/self/status; unshare -U true 2>/dev/null || echo refused", want: "Seccomp:\t2\nrefused\n"},
		"FilteredNot":     {why: "Nobody who is privileged is filtered.", set: func(c *context) { filtered(c); c.Privileged = true }, script: "grep -w Seccomp /proc/self/status", want: "Seccomp:\t0\n"},
		"OwnPIDs":         {why: "A container sees its own processes only.", script: "echo $$", want: "1\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			config := shell(tc.script, func(c *runtimeapi.ContainerConfig) { c.LogPath = name + "/0.log" })
			if tc.set != nil {
				tc.set(config.Linux.SecurityContext)
			}
			if _, log := r.run(pod, config); log != tc.want {
				t.Errorf("%s\ngot %q, want %q", tc.why, log, tc.want)
			}
		})
	}
}

// The containers of a pod see each other's processes if the pod says so.
func TestSharedProcesses(t *testing.T) {
	r := newRig(t)
	pod := r.pod(func(c *runtimeapi.PodSandboxConfig) {
		c.Linux.SecurityContext.NamespaceOptions.Pid = runtimeapi.NamespaceMode_POD
	})
	r.start(pod, shell("exec sleep 4711"))
	_, log := r.run(pod, shell("sleep 0.2; cat /proc/[0-9]*/cmdline | tr '\\0' ' '", func(c *runtimeapi.ContainerConfig) { c.LogPath = "side/0.log" }))
	if !strings.Contains(log, "sleep 4711") {
		t.Errorf("processes seen: %q", log)
	}
}

// A debug container sees the processes of its target, ends alone, and goes with it.
func TestTargetedProcesses(t *testing.T) {
	r := newRig(t)
	pod := r.pod()
	target := r.start(pod, shell("exec sleep 4712"))
	r.eventually("the target sleeps", func() bool {
		out, _, err := r.ExecSync(t.Context(), target, []string{"cat", "/proc/1/comm"}, 0)
		return err == nil && string(out) == "sleep\n"
	})
	beside := func(script, name string) *runtimeapi.ContainerConfig {
		return shell(script, func(c *runtimeapi.ContainerConfig) {
			c.LogPath = name + "/0.log"
			c.Linux.SecurityContext.NamespaceOptions = &runtimeapi.NamespaceOption{Pid: runtimeapi.NamespaceMode_TARGET, TargetId: target}
		})
	}
	if _, log := r.run(pod, beside("tr '\\0' ' ' < /proc/1/cmdline; sleep 1000 & sleep 0.2", "debug")); log != "sleep 4712 " {
		t.Errorf("first process seen: %q", log)
	}
	if got, want := r.status(target).GetState(), runtimeapi.ContainerState_CONTAINER_RUNNING; got != want {
		t.Fatalf("target: state %v, want %v", got, want)
	}
	out, _, err := r.ExecSync(t.Context(), target, []string{"sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"}, 0)
	must(t, err)
	if strings.Contains(string(out), "sleep 1000") {
		t.Errorf("left of the debug container: %s", out)
	}

	debug := r.start(pod, beside("sleep 1000", "second"))
	must(t, r.StopContainer(t.Context(), target, 0))
	if s := r.wait(debug); s.GetExitCode() != 137 {
		t.Errorf("exit code %d of a debug container whose target ended", s.GetExitCode())
	}
	id, err := r.CreateContainer(t.Context(), pod, beside("true", "third"), nil)
	must(t, err)
	if err := r.StartContainer(t.Context(), id); err == nil || !strings.Contains(err.Error(), "not running") {
		t.Errorf("a target that has ended: error %v", err)
	}
}

// A pod sees its volumes and the folders that were shared, as it was allowed to.
func TestMounts(t *testing.T) {
	var open, fixed string
	r := newRig(t, func(c *Config) {
		open, fixed = t.TempDir(), t.TempDir()
		c.Shared = []Share{{Path: open}, {Path: fixed, ReadOnly: true}}
	})
	volume := r.config.KubeletDir + "/pods/uid-0/volumes/kubernetes.io~empty-dir/v"
	must(t, os.MkdirAll(volume+"/in", 0o755))
	must(t, os.WriteFile(fixed+"/data", []byte("fixed\n"), 0o644))
	must(t, os.WriteFile(volume+"/file", []byte("file\n"), 0o644))

	_, log := r.run(r.pod(), shell(`
		exec 2>/dev/null
		echo new > /open/made
		cat /fixed/data
		echo no > /fixed/data || echo refused
		cat /vol/single
		echo no > /vol/single || echo refused
		touch /vol/in/touched
		echo message > /dev/termination-log
	`, func(c *runtimeapi.ContainerConfig) {
		c.Mounts = []*runtimeapi.Mount{
			{HostPath: volume + "/file", ContainerPath: "/vol/single", Readonly: true}, // lies in the one below
			{HostPath: volume, ContainerPath: "/vol"},
			{HostPath: open + "/deep", ContainerPath: "/open"},
			{HostPath: fixed, ContainerPath: "/fixed"},
			{HostPath: volume + "/file", ContainerPath: "/dev/termination-log"},
		}
	}))
	if got, want := log, "fixed\nrefused\nfile\nrefused\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	for path, want := range map[string]string{open + "/deep/made": "new\n", fixed + "/data": "fixed\n", volume + "/file": "message\n", volume + "/in/touched": ""} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s holds %q (error %v), want %q", path, got, err, want)
		}
	}
}

// A folder that a pod puts a link in the place of, once it was looked at, is not mounted.
func TestFolderThatBecomesALink(t *testing.T) {
	var open string
	r := newRig(t, func(c *Config) {
		open = t.TempDir()
		c.Shared = []Share{{Path: open}}
	})
	secret := t.TempDir()
	must(t, os.MkdirAll(open+"/on/the/way", 0o755))
	must(t, os.MkdirAll(secret+"/the/way", 0o755))
	pod := r.pod()
	id, err := r.CreateContainer(t.Context(), pod, shell("ls /v", func(c *runtimeapi.ContainerConfig) {
		c.Mounts = []*runtimeapi.Mount{{HostPath: open + "/on/the/way", ContainerPath: "/v"}}
	}), nil)
	must(t, err)
	must(t, os.Rename(open+"/on", open+"/off"))
	must(t, os.Symlink(secret, open+"/on"))
	if err := r.StartContainer(t.Context(), id); err == nil {
		t.Errorf("the container saw %q", r.written(r.wait(id)))
	}
}

// A pod's kernel settings are its own, and it gets no others.
func TestPodSysctls(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Network = &loopbacks{} })
	set := func(name, value string) func(*runtimeapi.PodSandboxConfig) {
		return func(c *runtimeapi.PodSandboxConfig) { c.Linux.Sysctls = map[string]string{name: value} }
	}
	pod := r.pod(set("kernel.shm_rmid_forced", "1"))
	_, log := r.run(pod, shell("cd /proc/sys; cat kernel/shm_rmid_forced net/ipv4/ip_unprivileged_port_start"))
	if got, want := log, "1\n0\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := r.RunPodSandbox(t.Context(), r.podConfig(set("vm.swappiness", "1")), ""); err == nil || !strings.Contains(err.Error(), "vm.swappiness") {
		t.Errorf("a setting of the machine: error %v", err)
	}
}

// The pod has its own name, and finds others by the servers that the kubelet names.
func TestNames(t *testing.T) {
	r := newRig(t)
	pod := r.pod(func(c *runtimeapi.PodSandboxConfig) {
		c.DnsConfig = &runtimeapi.DNSConfig{Servers: []string{"10.43.0.10"}, Searches: []string{"default.svc.cluster.local"}}
	})
	_, log := r.run(pod, shell("hostname; cat /etc/hostname /etc/resolv.conf"))
	if got, want := log, "web-0\nweb-0\nsearch default.svc.cluster.local\nnameserver 10.43.0.10\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
