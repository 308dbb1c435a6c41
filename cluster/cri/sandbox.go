package cri

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/container"
)

// A sandbox is what the containers of one pod share: an address, a name, namespaces.
type sandbox struct {
	id      string
	config  *runtimeapi.PodSandboxConfig // never changed
	created int64

	// Guarded by Runtime.mu.
	state      runtimeapi.PodSandboxState
	ip         string
	namespaces *container.Namespaces // nil once it was stopped
	network    *os.File              // nil on this program's own network
	attached   bool
}

// pod is the uid of the pod, as the kubelet's labels say it.
func (s *sandbox) pod() string { return s.config.GetLabels()[podLabel] }

// RunPodSandbox gives a pod its address and namespaces. What it had got when something
// failed is given back.
func (r *Runtime) RunPodSandbox(ctx context.Context, config *runtimeapi.PodSandboxConfig, handler string) (string, error) {
	if handler != "" {
		return "", status.Errorf(codes.InvalidArgument, "runtime class handler %q: weir has one kind of containers: leave runtimeClassName out", handler)
	}
	id, err := newID()
	if err != nil {
		return "", err
	}
	s := &sandbox{id: id, config: config, created: r.now().UnixNano(), state: runtimeapi.PodSandboxState_SANDBOX_READY}
	if config.GetLogDirectory() != "" {
		if err := os.MkdirAll(config.GetLogDirectory(), 0o755); err != nil {
			return "", fmt.Errorf("make the pod's log folder: %w", err)
		}
	}
	if err := r.acquire(ctx, s); err != nil {
		return "", errors.Join(err, r.release(s))
	}
	if err := r.rememberSandbox(s); err != nil {
		return "", errors.Join(err, r.release(s))
	}

	r.mu.Lock()
	stopping := r.stopping
	if !stopping {
		r.sandboxes.add(s.pod(), s.id, s)
	}
	r.mu.Unlock()
	if stopping {
		return "", errors.Join(errors.New("weir is stopping"), r.release(s), r.forget(sandboxRecords, s.id))
	}
	r.changed(s, s.id, runtimeapi.ContainerEventType_CONTAINER_CREATED_EVENT)
	r.changed(s, s.id, runtimeapi.ContainerEventType_CONTAINER_STARTED_EVENT)
	return s.id, nil
}

// acquire gets the sandbox its address and namespaces.
func (r *Runtime) acquire(ctx context.Context, s *sandbox) error {
	if r.config.HostIP.IsValid() {
		s.ip = r.config.HostIP.String()
	}
	if !s.onHostNetwork() && r.config.Network != nil {
		attachment, err := r.config.Network.Attach(ctx, s.id, portsOf(s.config))
		if err != nil {
			return fmt.Errorf("attach to the pod network: %w", err)
		}
		s.attached, s.ip, s.network = true, attachment.IP.String(), attachment.Namespace
	}

	ns := s.namespaceOptions()
	namespaces, err := r.config.Containers.NewNamespaces(ctx, container.NamespaceOptions{
		Hostname: s.config.GetHostname(),
		Network:  s.network,
		HostIPC:  ns.GetIpc() == runtimeapi.NamespaceMode_NODE,
		HostPID:  ns.GetPid() == runtimeapi.NamespaceMode_NODE,
		SharePID: ns.GetPid() == runtimeapi.NamespaceMode_POD,
		Sysctls:  sysctlsOf(s.config, s.network != nil),
	})
	if err != nil {
		return fmt.Errorf("make the pod's namespaces: %w", err)
	}
	s.namespaces = namespaces
	return nil
}

// release gives back the sandbox's namespaces and address. Twice does no harm.
func (r *Runtime) release(s *sandbox) error {
	r.mu.Lock()
	namespaces, attached := s.namespaces, s.attached
	s.namespaces, s.attached, s.network = nil, false, nil
	s.state = runtimeapi.PodSandboxState_SANDBOX_NOTREADY
	r.mu.Unlock()

	var errs []error
	if namespaces != nil {
		errs = append(errs, namespaces.Close())
	}
	if attached {
		errs = append(errs, r.config.Network.Detach(s.id))
	}
	return errors.Join(errs...)
}

func (s *sandbox) namespaceOptions() *runtimeapi.NamespaceOption {
	return s.config.GetLinux().GetSecurityContext().GetNamespaceOptions()
}

func (s *sandbox) onHostNetwork() bool {
	return s.namespaceOptions().GetNetwork() == runtimeapi.NamespaceMode_NODE
}

// hostname is what the pod's processes take for the machine's name.
func (s *sandbox) hostname() string {
	if name := s.config.GetHostname(); name != "" {
		return name
	}
	name, _ := os.Hostname()
	return name
}

// StopPodSandbox kills what still runs in the sandbox and gives back its address. One that
// is gone is stopped.
func (r *Runtime) StopPodSandbox(ctx context.Context, id string) error {
	s, err := r.sandbox(id)
	if err != nil {
		return nil //nolint:nilerr // See above.
	}
	r.mu.Lock()
	wasReady := s.state == runtimeapi.PodSandboxState_SANDBOX_READY
	s.state = runtimeapi.PodSandboxState_SANDBOX_NOTREADY // From now on nothing starts in it.
	r.mu.Unlock()

	for _, i := range r.instancesIn(s) {
		if err := r.stop(ctx, i, 0); err != nil {
			return err
		}
	}
	if err := r.release(s); err != nil {
		return fmt.Errorf("stop sandbox %s: %w", id, err)
	}
	if wasReady {
		r.changed(s, s.id, runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT)
	}
	return nil
}

// RemovePodSandbox removes the sandbox and all its instances. One that is gone is removed.
func (r *Runtime) RemovePodSandbox(ctx context.Context, id string) error {
	s, err := r.sandbox(id)
	if err != nil {
		return nil //nolint:nilerr // See above.
	}
	if err := r.StopPodSandbox(ctx, s.id); err != nil {
		return err
	}
	for _, i := range r.instancesIn(s) {
		if err := r.RemoveContainer(ctx, i.id); err != nil {
			return err
		}
	}
	if err := r.forget(sandboxRecords, s.id); err != nil {
		return err
	}

	r.mu.Lock()
	r.sandboxes.remove(s.id)
	r.mu.Unlock()
	r.changed(s, s.id, runtimeapi.ContainerEventType_CONTAINER_DELETED_EVENT)
	return nil
}

// PodSandboxStatus is the state of a sandbox and of its instances.
func (r *Runtime) PodSandboxStatus(_ context.Context, id string, _ bool) (*runtimeapi.PodSandboxStatusResponse, error) {
	s, err := r.sandbox(id)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return &runtimeapi.PodSandboxStatusResponse{
		Status:             s.status(),
		ContainersStatuses: r.statusesIn(s),
		Timestamp:          r.now().UnixNano(),
	}, nil
}

// status is called with Runtime.mu held.
func (s *sandbox) status() *runtimeapi.PodSandboxStatus {
	network := &runtimeapi.PodSandboxNetworkStatus{Ip: s.ip}
	if s.onHostNetwork() {
		network.Ip = "" // The kubelet knows the node's addresses better.
	}
	return &runtimeapi.PodSandboxStatus{
		Id:          s.id,
		Metadata:    s.config.GetMetadata(),
		State:       s.state,
		CreatedAt:   s.created,
		Network:     network,
		Linux:       &runtimeapi.LinuxPodSandboxStatus{Namespaces: &runtimeapi.Namespace{Options: s.namespaceOptions()}},
		Labels:      s.config.GetLabels(),
		Annotations: s.config.GetAnnotations(),
	}
}

// ListPodSandbox lists the sandboxes that f lets through, the newest first.
func (r *Runtime) ListPodSandbox(_ context.Context, f *runtimeapi.PodSandboxFilter) ([]*runtimeapi.PodSandbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*runtimeapi.PodSandbox
	for _, s := range r.sandboxes.among(f.GetLabelSelector()) {
		if !strings.HasPrefix(s.id, f.GetId()) || f.GetState() != nil && f.GetState().GetState() != s.state || !matches(f.GetLabelSelector(), s.config.GetLabels()) {
			continue
		}
		list = append(list, &runtimeapi.PodSandbox{
			Id:          s.id,
			Metadata:    s.config.GetMetadata(),
			State:       s.state,
			CreatedAt:   s.created,
			Labels:      s.config.GetLabels(),
			Annotations: s.config.GetAnnotations(),
		})
	}
	slices.SortFunc(list, func(a, b *runtimeapi.PodSandbox) int { return newestFirst(a.CreatedAt, b.CreatedAt, a.Id, b.Id) })
	return list, nil
}

// UpdatePodSandboxResources has nothing to do: limits are those of the instances.
func (r *Runtime) UpdatePodSandboxResources(context.Context, *runtimeapi.UpdatePodSandboxResourcesRequest) (*runtimeapi.UpdatePodSandboxResourcesResponse, error) {
	return &runtimeapi.UpdatePodSandboxResourcesResponse{}, nil
}

// sandbox finds a sandbox by its id or by the beginning of it.
func (r *Runtime) sandbox(id string) (*sandbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := byID(r.sandboxes.byID, id); s != nil {
		return s, nil
	}
	return nil, status.Errorf(codes.NotFound, "sandbox %q: not found", id)
}

// byID finds what has the id, or is the only one whose id begins so.
func byID[T any](all map[string]*T, id string) *T {
	if found, ok := all[id]; ok || id == "" {
		return found
	}
	var found *T
	for key := range maps.Keys(all) {
		if strings.HasPrefix(key, id) {
			if found != nil {
				return nil
			}
			found = all[key]
		}
	}
	return found
}

func matches(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return true
}

func newestFirst(aCreated, bCreated int64, aID, bID string) int {
	if aCreated != bCreated {
		if aCreated > bCreated {
			return -1
		}
		return 1
	}
	return strings.Compare(aID, bID)
}
