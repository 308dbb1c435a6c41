package cri

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/podlogs"
)

// A pod from its sandbox to its removal.
func TestPodRunsToItsEnd(t *testing.T) {
	r := newRig(t)
	pod := r.pod()

	box, err := r.PodSandboxStatus(t.Context(), pod, false)
	must(t, err)
	if got, want := box.GetStatus().GetNetwork().GetIp(), "192.0.2.1"; got != want {
		t.Errorf("address %s, want %s: there is no pod network", got, want)
	}

	id, err := r.CreateContainer(t.Context(), pod, shell("echo hello"), nil)
	must(t, err)
	if got, want := r.status(id).GetState(), runtimeapi.ContainerState_CONTAINER_CREATED; got != want {
		t.Errorf("state %v, want %v", got, want)
	}
	must(t, r.StartContainer(t.Context(), id))
	s := r.wait(id)
	if s.GetExitCode() != 0 || s.GetReason() != "Completed" {
		t.Errorf("exit code %d, reason %s", s.GetExitCode(), s.GetReason())
	}
	if !(s.GetCreatedAt() <= s.GetStartedAt() && s.GetStartedAt() <= s.GetFinishedAt()) {
		t.Errorf("created %d, started %d, finished %d", s.GetCreatedAt(), s.GetStartedAt(), s.GetFinishedAt())
	}
	if got, want := r.written(s), "hello\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	r.eventually("the kubelet was told of five changes", func() bool { return r.changes.of("uid-0") == 5 })

	for range 2 { // The second time does no harm; one change is left to tell of, the stop.
		must(t, r.StopPodSandbox(t.Context(), pod))
		must(t, r.RemoveContainer(t.Context(), id))
		must(t, r.RemovePodSandbox(t.Context(), pod))
	}
	if got, want := r.changes.of("uid-0"), 6; got != want {
		t.Errorf("the kubelet was told of %d changes, want %d", got, want)
	}
	for what, err := range map[string]error{
		"container": func() error { _, err := r.ContainerStatus(t.Context(), id, false); return err }(),
		"sandbox":   func() error { _, err := r.PodSandboxStatus(t.Context(), pod, false); return err }(),
		"start":     r.StartContainer(t.Context(), id),
	} {
		if got, want := status.Code(err), codes.NotFound; got != want {
			t.Errorf("%s: code %v, want %v", what, got, want)
		}
	}
	if left, _ := filepath.Glob(r.config.Dir + "/*/*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestExits(t *testing.T) {
	r := newRig(t)
	pod := r.pod()
	cases := map[string]struct {
		why    string
		script string
		code   int32
		reason string
		log    string
	}{
		"Zero":    {why: "An end without fault is Completed.", script: "exit 0", reason: "Completed"},
		"Code":    {why: "Any other code is an Error.", script: "exit 7", code: 7, reason: "Error"},
		"Signal":  {why: "A signal is 128 and its number.", script: "kill -ABRT 0; sh -c 'kill -ABRT $$'", code: 134, reason: "Error", log: "Aborted\n"},
		"Orphan":  {why: "What a command leaves running ends with it.", script: "sleep 1000 & echo done", reason: "Completed", log: "done\n"},
		"Unended": {why: "A last line without an end is in the log.", script: "printf a; printf b >/dev/stdout", reason: "Completed", log: "ab"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, log := r.run(pod, shell(tc.script, func(c *runtimeapi.ContainerConfig) { c.LogPath = name + "/0.log" }))
			if s.GetExitCode() != tc.code || s.GetReason() != tc.reason || log != tc.log {
				t.Errorf("%s\ncode %d, reason %s, log %q; want %d, %s, %q", tc.why, s.GetExitCode(), s.GetReason(), log, tc.code, tc.reason, tc.log)
			}
		})
	}
}

// All that a container wrote is in its log when its end is known, however much it is.
func TestLogIsWholeAtTheEnd(t *testing.T) {
	r := newRig(t)
	const lines = 100_000
	s, log := r.run(r.pod(), shell("seq 1 100000; printf 'the end' >&2"))
	if got := strings.Count(log, "\n"); got != lines || s.GetExitCode() != 0 {
		t.Errorf("%d lines and exit code %d, want %d and 0", got, s.GetExitCode(), lines)
	}
	data, err := os.ReadFile(s.GetLogPath())
	must(t, err)
	if !strings.Contains(string(data), " stderr P the end\n") || !strings.Contains(string(data), " stdout F 100000\n") {
		t.Error("the last lines are missing")
	}
}

// A container whose command cannot be run has exited, and says why.
func TestCommandsThatCannotRun(t *testing.T) {
	r := newRig(t)
	pod := r.pod()
	cases := map[string]struct {
		why     string
		command []string
		message string
	}{
		"NotFound":      {why: "A name is looked for in the PATH.", command: []string{"no-such-command", "x"}, message: "no-such-command"},
		"NoFile":        {why: "A path is taken as it is.", command: []string{"/no/such/file"}, message: "/no/such/file"},
		"NotExecutable": {why: "A file need not be a program.", command: []string{"/etc/hostname"}, message: "/etc/hostname"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			id, err := r.CreateContainer(t.Context(), pod, shell("", func(c *runtimeapi.ContainerConfig) { c.Command = tc.command }), nil)
			must(t, err)
			err = r.StartContainer(t.Context(), id)
			if err == nil || !strings.Contains(err.Error(), tc.message) {
				t.Errorf("%s\nerror %v, want one about %q", tc.why, err, tc.message)
			}
			s := r.status(id)
			if s.GetState() != runtimeapi.ContainerState_CONTAINER_EXITED || s.GetExitCode() != 128 || s.GetReason() != "StartError" || s.GetMessage() != err.Error() {
				t.Errorf("%s\nstatus %v", tc.why, s)
			}
			must(t, r.RemoveContainer(t.Context(), id))
		})
	}
}

// What cannot even be created is refused with a sentence.
func TestRefusals(t *testing.T) {
	r := newRig(t)
	pod := r.pod()
	must(t, os.MkdirAll(r.dir+"/private", 0o755))
	cases := map[string]struct {
		why    string
		change func(*runtimeapi.ContainerConfig)
		want   string
	}{
		"NoCommand": {why: "There is nothing to run.", want: "set command in the container", change: func(c *runtimeapi.ContainerConfig) { c.Command = nil }},
		"NoImage":   {why: "An image may be removed between pull and creation.", want: "not present any more", change: func(c *runtimeapi.ContainerConfig) { c.Image.Image = "absent" }},
		"HostPath": {why: "The machine's folders are not the pod's.", want: "weir up --share " + r.dir + "/private", change: func(c *runtimeapi.ContainerConfig) {
			c.Mounts = []*runtimeapi.Mount{{HostPath: r.dir + "/private", ContainerPath: "/p"}}
		}},
		"Image volume": {why: "Images cannot be mounted.", want: "emptyDir", change: func(c *runtimeapi.ContainerConfig) {
			c.Mounts = []*runtimeapi.Mount{{Image: &runtimeapi.ImageSpec{Image: "data"}, ContainerPath: "/p"}}
		}},
		"Seccomp": {why: "A filter that is not applied is not promised.", want: "seccompProfile", change: func(c *runtimeapi.ContainerConfig) {
			c.Linux.SecurityContext.Seccomp = &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_Localhost, LocalhostRef: "p.json"}
		}},
		"Capability": {why: "A capability must exist.", want: "FLY", change: func(c *runtimeapi.ContainerConfig) {
			c.Linux.SecurityContext.Capabilities = &runtimeapi.Capability{AddCapabilities: []string{"FLY"}}
		}},
		"Device": {why: "A device lies in /dev.", want: "not below /dev", change: func(c *runtimeapi.ContainerConfig) {
			c.Devices = []*runtimeapi.Device{{HostPath: "/dev/../etc/shadow"}}
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := r.CreateContainer(t.Context(), pod, shell("true", tc.change), nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s\nerror %v, want one that says %q", tc.why, err, tc.want)
			}
		})
	}
	if _, err := r.RunPodSandbox(t.Context(), r.podConfig(), "gvisor"); err == nil {
		t.Error("a runtime class that does not exist was taken")
	}
}

// The environment is what the image and the pod say, and nothing of this program's.
// onlyRootIsMapped says whether this is a user namespace with one user.
func onlyRootIsMapped(t *testing.T) bool {
	t.Helper()
	users, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(users))
	return len(fields) == 3 && fields[2] == "1"
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_THE_MACHINE", "1")
	r := newRig(t)
	_, log := r.run(r.pod(), shell("", func(c *runtimeapi.ContainerConfig) {
		c.Image.Image = "talkative"
		c.Command = []string{"/usr/bin/env"}
		c.Linux.SecurityContext.RunAsUser = &runtimeapi.Int64Value{}
		c.Envs = []*runtimeapi.KeyValue{
			{Key: "MODE", Value: []byte("pod")},
			{Key: "data-1.x", Value: []byte("a=b\nc")},
			{Key: "EMPTY"},
			{Key: "MODE", Value: []byte("last")},
		}
	}))
	want := []string{
		"PATH=/env/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "HOSTNAME=web-0", "LANG=C.UTF-8", "MODE=last", "data-1.x=a=b", "c", "EMPTY=",
	}
	if onlyRootIsMapped(t) { // so that kubectl cp works: see container
		want = append(want, "TAR_OPTIONS=--no-same-owner")
	}
	got := strings.Split(strings.TrimSuffix(log, "\n"), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What the image says holds until the pod says otherwise.
func TestImageAndPod(t *testing.T) {
	r := newRig(t)
	pod := r.pod()
	id := func(n int64) *runtimeapi.Int64Value { return &runtimeapi.Int64Value{Value: n} }
	cases := map[string]struct {
		why    string
		user   *runtimeapi.Int64Value
		change func(*runtimeapi.ContainerConfig)
		want   string
	}{
		"Entrypoint": {why: "Nothing is said, so the image runs.", user: id(0), change: func(c *runtimeapi.ContainerConfig) { c.Command = nil }, want: "entry cmd\n"},
		"Args":       {why: "Arguments replace the image's.", user: id(0), change: func(c *runtimeapi.ContainerConfig) { c.Command, c.Args = nil, []string{"pod"} }, want: "entry pod\n"},
		"Dir":        {why: "The image's folder is made if missing.", user: id(0), change: func(c *runtimeapi.ContainerConfig) { c.Command = []string{"pwd"} }, want: "/work/here\n"},
		"PodDir":     {why: "The pod's replaces it.", user: id(0), change: func(c *runtimeapi.ContainerConfig) { c.Command, c.WorkingDir = []string{"pwd"}, "/tmp" }, want: "/tmp\n"},
		"User":       {why: "The image's user runs it.", change: func(c *runtimeapi.ContainerConfig) { c.Command = []string{"id", "-u"} }, want: "33\n"},
		"PodUser": {why: "The pod's user and groups replace them.", user: id(1000), change: func(c *runtimeapi.ContainerConfig) {
			c.Command = []string{"sh", "-c", "id -u; id -g; id -G"}
			c.Linux.SecurityContext.RunAsGroup, c.Linux.SecurityContext.SupplementalGroups = id(3000), []int64{2000}
		}, want: "1000\n3000\n3000 2000\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.user.GetValue() != 0 || tc.user == nil {
				needsUsers(t)
			}
			_, log := r.run(pod, shell("", func(c *runtimeapi.ContainerConfig) {
				c.Image.Image, c.LogPath, c.Linux.SecurityContext.RunAsUser = "talkative", name+"/0.log", tc.user
			}, tc.change))
			if log != tc.want {
				t.Errorf("%s\ngot %q, want %q", tc.why, log, tc.want)
			}
		})
	}
}

// A container is started once, whoever tries.
func TestStartsOnce(t *testing.T) {
	r := newRig(t)
	id, err := r.CreateContainer(t.Context(), r.pod(), shell("echo once"), nil)
	must(t, err)
	results := make(chan error)
	for range 4 {
		go func() { results <- r.StartContainer(t.Context(), id) }()
	}
	started := 0
	for range 4 {
		switch err := <-results; status.Code(err) {
		case codes.OK:
			started++
		case codes.FailedPrecondition:
		default:
			t.Error(err)
		}
	}
	if started != 1 {
		t.Errorf("started %d times", started)
	}
	if got, want := r.written(r.wait(id)), "once\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

func TestStop(t *testing.T) {
	r := newRig(t)
	pod := r.pod()
	const ready = "echo ready; while true; do sleep 0.01; done"
	cases := map[string]struct {
		why    string
		script string
		signal runtimeapi.Signal
		grace  int64
		code   int32
		log    string
	}{
		"Handles": {why: "A process may end in its own way.", script: "trap 'echo bye; exit 3' TERM; " + ready, grace: 20, code: 3, log: "ready\nbye\n"},
		"Ignores": {why: "One that does not is killed.", script: "trap '' TERM; " + ready, grace: 1, code: 137, log: "ready\n"},
		"Signal":  {why: "The pod may choose the signal.", script: "trap 'exit 4' USR1; " + ready, signal: runtimeapi.Signal_SIGNAL_SIGUSR1, grace: 20, code: 4, log: "ready\n"},
		"NoGrace": {why: "Without grace there is no asking.", script: "trap 'echo bye; exit 3' TERM; " + ready, code: 137, log: "ready\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			id := r.start(pod, shell(tc.script, func(c *runtimeapi.ContainerConfig) { c.LogPath, c.StopSignal = name+"/0.log", tc.signal }))
			r.eventually("it is ready", func() bool { return r.written(r.status(id)) == "ready\n" })
			began := time.Now()
			must(t, r.StopContainer(t.Context(), id, tc.grace))
			s := r.status(id)
			if s.GetExitCode() != tc.code || r.written(s) != tc.log {
				t.Errorf("%s\ncode %d, log %q; want %d, %q", tc.why, s.GetExitCode(), r.written(s), tc.code, tc.log)
			}
			if time.Since(began) > 15*time.Second {
				t.Errorf("%s\nit took %s", tc.why, time.Since(began))
			}
			must(t, r.StopContainer(t.Context(), id, tc.grace))
		})
	}
}

// Stopping the sandbox ends everything in it, and nothing starts there again.
func TestStoppedSandbox(t *testing.T) {
	r := newRig(t)
	pod := r.pod()
	running := r.start(pod, shell("sleep 1000"))
	created, err := r.CreateContainer(t.Context(), pod, shell("true"), nil)
	must(t, err)
	must(t, r.StopPodSandbox(t.Context(), pod))
	if got, want := r.status(running).GetState(), runtimeapi.ContainerState_CONTAINER_EXITED; got != want {
		t.Errorf("state %v, want %v", got, want)
	}
	if err := r.StartContainer(t.Context(), created); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("start in a stopped sandbox: %v", err)
	}
	if _, err := r.CreateContainer(t.Context(), pod, shell("true"), nil); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("create in a stopped sandbox: %v", err)
	}
	must(t, r.RemovePodSandbox(t.Context(), pod))
}

func TestLists(t *testing.T) {
	r := newRig(t)
	a := r.pod()
	b := r.pod(func(c *runtimeapi.PodSandboxConfig) {
		c.Metadata.Uid, c.Labels = "uid-1", map[string]string{"app": "db"}
	})
	done := r.start(a, shell("true"))
	r.wait(done)
	alive := r.start(b, shell("sleep 1000", func(c *runtimeapi.ContainerConfig) { c.Labels = map[string]string{"name": "side"} }))
	must(t, r.StopPodSandbox(t.Context(), a))

	running := &runtimeapi.ContainerStateValue{State: runtimeapi.ContainerState_CONTAINER_RUNNING}
	containers := map[string]struct {
		filter *runtimeapi.ContainerFilter
		want   []string
	}{
		"All":     {want: []string{alive, done}},
		"ID":      {filter: &runtimeapi.ContainerFilter{Id: done[:12]}, want: []string{done}},
		"Sandbox": {filter: &runtimeapi.ContainerFilter{PodSandboxId: b}, want: []string{alive}},
		"State":   {filter: &runtimeapi.ContainerFilter{State: running}, want: []string{alive}},
		"Label":   {filter: &runtimeapi.ContainerFilter{LabelSelector: map[string]string{"name": "main"}}, want: []string{done}},
		"Both":    {filter: &runtimeapi.ContainerFilter{State: running, LabelSelector: map[string]string{"name": "main"}}},
	}
	for name, tc := range containers {
		list, err := r.ListContainers(t.Context(), tc.filter)
		must(t, err)
		var got []string
		for _, c := range list {
			got = append(got, c.GetId())
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("containers, %s\n%s", name, diff)
		}
	}

	ready := &runtimeapi.PodSandboxStateValue{State: runtimeapi.PodSandboxState_SANDBOX_READY}
	sandboxes := map[string]struct {
		filter *runtimeapi.PodSandboxFilter
		want   []string
	}{
		"All":   {want: []string{b, a}},
		"ID":    {filter: &runtimeapi.PodSandboxFilter{Id: a}, want: []string{a}},
		"State": {filter: &runtimeapi.PodSandboxFilter{State: ready}, want: []string{b}},
		"Label": {filter: &runtimeapi.PodSandboxFilter{LabelSelector: map[string]string{"app": "web"}}, want: []string{a}},
	}
	for name, tc := range sandboxes {
		list, err := r.ListPodSandbox(t.Context(), tc.filter)
		must(t, err)
		var got []string
		for _, s := range list {
			got = append(got, s.GetId())
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("sandboxes, %s\n%s", name, diff)
		}
	}
}

// However the kubelet's calls cross each other, nothing is left at the end.
func TestCallsThatCross(t *testing.T) {
	r := newRig(t)
	var pods sync.WaitGroup
	for n := range 12 {
		pods.Go(func() {
			pod := r.pod(func(c *runtimeapi.PodSandboxConfig) { c.LogDirectory = filepath.Join(r.dir, "logs", strconv.Itoa(n)) })
			id, err := r.CreateContainer(t.Context(), pod, shell("echo begun; sleep 0.02; sleep 1000"), nil)
			if err != nil {
				t.Error(err)
				return
			}
			var calls sync.WaitGroup
			for k := range 6 {
				calls.Go(func() {
					time.Sleep(time.Duration(n*k%7) * 3 * time.Millisecond) // to cross at different points
					switch k {
					case 0, 1:
						if err := r.StartContainer(t.Context(), id); err != nil && status.Code(err) != codes.FailedPrecondition && status.Code(err) != codes.NotFound {
							t.Errorf("start: %v", err)
						}
					case 2:
						if err := r.StopContainer(t.Context(), id, 0); err != nil {
							t.Errorf("stop: %v", err)
						}
					case 3:
						_, _ = r.ContainerStats(t.Context(), id)
						_, _, _ = r.ExecSync(t.Context(), id, []string{"true"}, time.Second)
					default:
						if err := r.RemovePodSandbox(t.Context(), pod); err != nil {
							t.Errorf("remove: %v", err)
						}
					}
				})
			}
			calls.Wait()
			if err := r.RemovePodSandbox(t.Context(), pod); err != nil {
				t.Errorf("remove at the end: %v", err)
			}
		})
	}
	pods.Wait()
	if left, _ := filepath.Glob(r.config.Dir + "/*/*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if list, _ := r.ListContainers(t.Context(), nil); len(list) > 0 {
		t.Errorf("containers left: %v", list)
	}
	if list, _ := r.ListPodSandbox(t.Context(), nil); len(list) > 0 {
		t.Errorf("sandboxes left: %v", list)
	}
}

// A log that the kubelet moved away goes on in a new file, and both outlive the pod.
func TestLogsOutliveTheirPod(t *testing.T) {
	kept, err := podlogs.Open(filepath.Join(t.TempDir(), "kept"), podlogs.Retention{})
	must(t, err)
	r := newRig(t, func(c *Config) { c.Logs = kept })
	pod := r.pod()
	id := r.start(pod, shell("echo one; read line; echo two", func(c *runtimeapi.ContainerConfig) { c.Stdin = true }))
	path := r.status(id).GetLogPath()
	r.eventually("the first line is there", func() bool { return r.written(r.status(id)) == "one\n" })
	must(t, os.Rename(path, path+".1"))
	must(t, r.ReopenContainerLog(t.Context(), id))
	i, err := r.instance(id)
	must(t, err)
	_, err = i.streams.stdin.WriteString("go\n")
	must(t, err)
	if got, want := r.written(r.wait(id)), "two\n"; got != want {
		t.Errorf("new log %q, want %q", got, want)
	}
	if err := r.ReopenContainerLog(t.Context(), id); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("reopen after the end: %v", err)
	}

	must(t, r.RemovePodSandbox(t.Context(), pod))
	must(t, os.RemoveAll(filepath.Dir(filepath.Dir(path))))
	pods, err := kept.FindNamed("default", "web-0")
	must(t, err)
	if len(pods) != 1 || pods[0].Labels["app"] != "web" {
		t.Fatalf("pods with logs: %v", pods)
	}
	logs, err := kept.Logs(pods[0])
	must(t, err)
	if len(logs) != 1 {
		t.Fatalf("logs: %v", logs)
	}
	lines, err := logs[0].Tail(10)
	must(t, err)
	var text []string
	for _, line := range lines {
		text = append(text, line.Text)
	}
	if diff := cmp.Diff([]string{"one", "two"}, text); diff != "" {
		t.Error(diff)
	}
}
