package cri

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/cgroup"
	"github.com/weir-ml/weir/cluster/container"
	"github.com/weir-ml/weir/cluster/rootfs"
)

// An instance is one attempt at a container of a pod. It is created, runs once and has
// exited; a restart is another instance.
type instance struct {
	id          string
	sandbox     *sandbox
	config      *runtimeapi.ContainerConfig // never changed
	imageID     string
	images      []*rootfs.Image // that it shows: its own, and those of its volumes
	imageSignal string          // that asks the image's command to end, as "SIGQUIT"; "" is the usual one
	user        user
	spec        container.Spec // what to run
	logPath     string         // "" for none
	created     int64

	ended  chan struct{} // closed when it has exited and all it wrote is in the log
	gone   chan struct{} // closed when nothing of it is left but its record
	remove sync.Mutex    // held by who removes it

	// Guarded by Runtime.mu.
	state     runtimeapi.ContainerState
	starting  chan struct{} // not nil once it was started; closed when that is decided and told
	removed   bool          // somebody removes it, so it is not to be started
	started   int64
	finished  int64
	exitCode  int32
	reason    string
	message   string
	resources *runtimeapi.LinuxContainerResources
	process   *container.Container // nil before it runs, and after a restart of weir
	group     *cgroup.Group
	streams   *stdio
	log       *logFile
	usage     usageSample
	disk      diskSample
}

// CreateContainer works out what the container of a pod is and does not run it yet.
func (r *Runtime) CreateContainer(ctx context.Context, sandboxID string, config *runtimeapi.ContainerConfig, _ *runtimeapi.PodSandboxConfig) (string, error) {
	s, err := r.sandbox(sandboxID)
	if err != nil {
		return "", err
	}
	if err := r.ready(s); err != nil {
		return "", err
	}
	id, err := newID()
	if err != nil {
		return "", err
	}
	i := &instance{
		id:        id,
		sandbox:   s,
		config:    config,
		created:   r.now().UnixNano(),
		ended:     make(chan struct{}),
		gone:      make(chan struct{}),
		state:     runtimeapi.ContainerState_CONTAINER_CREATED,
		resources: config.GetLinux().GetResources(),
	}
	if config.GetLogPath() != "" {
		i.logPath = filepath.Join(s.config.GetLogDirectory(), config.GetLogPath())
	}
	err = r.plan(ctx, i)
	if err == nil {
		err = r.add(i)
	}
	if err != nil {
		r.releaseImages(i)
		return "", err
	}
	r.changed(s, i.id, runtimeapi.ContainerEventType_CONTAINER_CREATED_EVENT)
	return i.id, nil
}

// plan works out what the instance runs: its image's wishes under its pod's.
func (r *Runtime) plan(ctx context.Context, i *instance) error {
	image, err := r.imageOf(ctx, i, i.config.GetImage())
	if err != nil {
		return err
	}
	argv := command(image, i.config.GetCommand(), i.config.GetArgs())
	if len(argv) == 0 {
		return fmt.Errorf("image %s has no command of its own, and the pod gives none: set command in the container", image.Reference)
	}
	security := i.config.GetLinux().GetSecurityContext()
	profile := security.GetSeccomp()
	if profile.GetProfileType() == runtimeapi.SecurityProfile_Localhost {
		return fmt.Errorf("seccomp profile %q: weir filters system calls by its own profile only: set the type of seccompProfile to RuntimeDefault, or leave it out", profile.GetLocalhostRef())
	}
	if i.user, err = userOf(security, image); err != nil {
		return err
	}
	if !groupsAllowed() {
		i.user.groups = nil
	}
	capabilities, err := capabilitiesOf(security)
	if err != nil {
		return err
	}
	mounts, err := r.mountsOf(ctx, i)
	if err != nil {
		return err
	}
	devices, err := devicesOf(i.config)
	if err != nil {
		return err
	}
	dir := i.config.GetWorkingDir()
	if dir == "" {
		dir = image.WorkingDir
	}

	i.imageID, i.imageSignal = image.ID, image.StopSignal
	i.spec = container.Spec{
		ID:              i.id,
		Image:           image,
		Mounts:          mounts,
		Devices:         devices,
		Argv:            argv,
		Env:             variablesOf(i.config.GetEnvs()),
		Dir:             dir,
		UID:             i.user.uid,
		GID:             i.user.gid,
		Groups:          i.user.groups,
		Capabilities:    capabilities,
		Privileged:      security.GetPrivileged(),
		NoNewPrivileges: security.GetNoNewPrivs(),
		FilterCalls:     profile != nil && profile.GetProfileType() == runtimeapi.SecurityProfile_RuntimeDefault && !security.GetPrivileged(),
		ReadOnlyRoot:    security.GetReadonlyRootfs(),
		MaskedPaths:     security.GetMaskedPaths(),
		ReadOnlyPaths:   security.GetReadonlyPaths(),
		OOMScoreAdjust:  int(i.resources.GetOomScoreAdj()),
		Hostname:        i.sandbox.hostname(),
		ResolvConf:      resolvConf(i.sandbox.config.GetDnsConfig()),
		Terminal:        i.config.GetTty(),
	}
	return nil
}

// add makes the instance known, unless its sandbox was stopped meanwhile.
func (r *Runtime) add(i *instance) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := i.sandbox.ready(); err != nil {
		return err
	}
	r.instances.add(i.sandbox.pod(), i.id, i)
	return nil
}

// ready says whether containers can run in the sandbox.
func (r *Runtime) ready(s *sandbox) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.ready()
}

// ready is called with Runtime.mu held.
func (s *sandbox) ready() error {
	if s.state != runtimeapi.PodSandboxState_SANDBOX_READY {
		return status.Errorf(codes.FailedPrecondition, "sandbox %s is stopped", s.id)
	}
	return nil
}

// ContainerStatus is all that is known about an instance.
func (r *Runtime) ContainerStatus(_ context.Context, id string, _ bool) (*runtimeapi.ContainerStatusResponse, error) {
	i, err := r.instance(id)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return &runtimeapi.ContainerStatusResponse{Status: i.status()}, nil
}

// status is called with Runtime.mu held.
func (i *instance) status() *runtimeapi.ContainerStatus {
	groups := []int64{int64(i.user.gid)}
	for _, g := range i.user.groups {
		groups = append(groups, int64(g))
	}
	return &runtimeapi.ContainerStatus{
		Id:          i.id,
		Metadata:    i.config.GetMetadata(),
		State:       i.state,
		CreatedAt:   i.created,
		StartedAt:   i.started,
		FinishedAt:  i.finished,
		ExitCode:    i.exitCode,
		Reason:      i.reason,
		Message:     i.message,
		Image:       i.imageSpec(),
		ImageRef:    i.imageID,
		ImageId:     i.imageID,
		Labels:      i.config.GetLabels(),
		Annotations: i.config.GetAnnotations(),
		Mounts:      i.config.GetMounts(),
		LogPath:     i.logPath,
		Resources:   &runtimeapi.ContainerResources{Linux: i.resources},
		User:        &runtimeapi.ContainerUser{Linux: &runtimeapi.LinuxContainerUser{Uid: int64(i.user.uid), Gid: int64(i.user.gid), SupplementalGroups: groups}},
		StopSignal:  i.stopSignal(),
	}
}

// imageSpec is the image under the name that the pod gives it: the kubelet asks for a
// container by the id of an image, and shows people what we answer.
func (i *instance) imageSpec() *runtimeapi.ImageSpec {
	name := i.config.GetImage().GetUserSpecifiedImage()
	if name == "" {
		name = i.config.GetImage().GetImage()
	}
	return &runtimeapi.ImageSpec{Image: name, UserSpecifiedImage: name, Annotations: i.config.GetImage().GetAnnotations()}
}

// ListContainers lists the instances that f lets through, the newest first.
func (r *Runtime) ListContainers(_ context.Context, f *runtimeapi.ContainerFilter) ([]*runtimeapi.Container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*runtimeapi.Container
	for _, i := range r.instances.among(f.GetLabelSelector()) {
		if !strings.HasPrefix(i.id, f.GetId()) || !strings.HasPrefix(i.sandbox.id, f.GetPodSandboxId()) ||
			f.GetState() != nil && f.GetState().GetState() != i.state || !matches(f.GetLabelSelector(), i.config.GetLabels()) {
			continue
		}
		list = append(list, &runtimeapi.Container{
			Id:           i.id,
			PodSandboxId: i.sandbox.id,
			Metadata:     i.config.GetMetadata(),
			Image:        i.imageSpec(),
			ImageRef:     i.imageID,
			ImageId:      i.imageID,
			State:        i.state,
			CreatedAt:    i.created,
			Labels:       i.config.GetLabels(),
			Annotations:  i.config.GetAnnotations(),
		})
	}
	slices.SortFunc(list, func(a, b *runtimeapi.Container) int { return newestFirst(a.CreatedAt, b.CreatedAt, a.Id, b.Id) })
	return list, nil
}

// instance finds an instance by its id or by the beginning of it.
func (r *Runtime) instance(id string) (*instance, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := byID(r.instances.byID, id); i != nil {
		return i, nil
	}
	return nil, status.Errorf(codes.NotFound, "container %q: not found", id)
}

func (r *Runtime) instancesIn(s *sandbox) []*instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of(s)
}

// of are the instances in s, the newest first. It is called with Runtime.mu held.
func (r *Runtime) of(s *sandbox) []*instance {
	var list []*instance
	for _, i := range r.instances.byPod[s.pod()] {
		if i.sandbox == s {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b *instance) int { return newestFirst(a.created, b.created, a.id, b.id) })
	return list
}

// statusesIn is called with Runtime.mu held.
func (r *Runtime) statusesIn(s *sandbox) []*runtimeapi.ContainerStatus {
	var list []*runtimeapi.ContainerStatus
	for _, i := range r.of(s) {
		list = append(list, i.status())
	}
	return list
}

func newID() (string, error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return hex.EncodeToString(b), nil
}
