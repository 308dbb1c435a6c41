// Package cri is a container runtime for the kubelet in the same process: CRI's two
// services as Go interfaces, over containers that are processes of this machine.
//
//	kubelet ──▶ Runtime ──▶ sandbox ──▶ an address and namespaces   (cluster/network, cluster/container)
//	               │           └──▶ instance ──▶ a process           (cluster/container, cluster/cgroup)
//	               │                  ├──▶ its log                   (DIR/logs, cluster/podlogs)
//	               │                  └──▶ a record of its life      (survives this program)
//	               └──▶ streams: exec, attach, port-forward
//	kubelet ──▶ Images ──▶ what a reference means                    (cluster/rootfs)
package cri

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/cgroup"
	"github.com/weir-ml/weir/cluster/container"
	"github.com/weir-ml/weir/cluster/podlogs"
)

// Name is what the runtime calls itself; containers are "weir://<id>" in the API.
const Name = "weir"

// A Config says what a Runtime is made of.
type Config struct {
	Dir        string  // records of sandboxes and instances, and nothing else
	KubeletDir string  // the kubelet's root; a pod may mount what lies in its own folder there
	Shared     []Share // the folders of the machine that pods may mount

	Containers *container.Runtime
	Cgroups    *cgroup.Tree // nil limits and measures nothing
	Images     ImageStore

	Network Network    // nil: every pod is on this program's own network
	HostIP  netip.Addr // the address of a pod on this program's own network
	Missing []string   // sentences on what pods go without on this machine

	Logs     LogKeeper           // nil keeps no logs of deleted pods
	OnChange func(podUID string) // called, if set, after each change of a pod that is still there
}

// A LogKeeper keeps the log of an instance of a container when its pod is long gone. Keep is
// called whenever the file at path is a new one. See podlogs.Store.
type LogKeeper interface {
	Keep(pod podlogs.Pod, container string, attempt uint32, path string) error
}

// A Runtime runs pods. It is the kubelet's RuntimeService.
type Runtime struct {
	config  Config
	shares  *shares
	streams *streams
	events  *events
	now     func() time.Time

	mu        sync.Mutex // guards the tables, and what sandboxes and instances say it guards
	sandboxes table[sandbox]
	instances table[instance]
	stopping  bool // Close was called: what ends now did not end by itself

	running sync.WaitGroup // one for each goroutine that waits for a process
}

var _ internalapi.RuntimeService = (*Runtime)(nil)

// New makes a Runtime. What an earlier program ran is gone: its sandboxes are there, not
// ready, and its instances have exited, as their records say.
func New(c Config) (*Runtime, error) {
	for _, dir := range []string{c.Dir, filepath.Join(c.Dir, sandboxRecords), filepath.Join(c.Dir, instanceRecords)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the runtime's folder: %w", err)
		}
	}
	shares, err := openShares(c.KubeletDir, c.Shared)
	if err != nil {
		return nil, err
	}

	r := &Runtime{
		config:    c,
		shares:    shares,
		events:    newEvents(),
		now:       time.Now,
		sandboxes: newTable[sandbox](),
		instances: newTable[instance](),
	}
	if err := r.recall(); err != nil {
		shares.close()
		return nil, err
	}
	if r.streams, err = startStreams(r); err != nil {
		shares.close()
		return nil, err
	}
	return r, nil
}

// Close asks every container to end, kills those that have not when ctx ends, and stops
// serving. The instances' records say that weir was stopped, whatever their processes made
// of it, so that a pod which should go on does when the next program opens the same folder.
func (r *Runtime) Close(ctx context.Context) error {
	r.mu.Lock()
	r.stopping = true // From now on nothing starts.
	instances, sandboxes := slices.Collect(maps.Values(r.instances.byID)), slices.Collect(maps.Values(r.sandboxes.byID))
	r.mu.Unlock()

	var errs []error
	var stopping sync.WaitGroup
	failed := make(chan error, len(instances))
	for _, i := range instances {
		stopping.Go(func() { failed <- r.bringDown(ctx, i) })
	}
	stopping.Wait()
	close(failed)
	for err := range failed {
		errs = append(errs, err)
	}
	r.running.Wait()
	for _, s := range sandboxes {
		errs = append(errs, r.release(s))
	}
	errs = append(errs, r.streams.close())
	r.shares.close()
	return errors.Join(errs...)
}

// bringDown ends an instance that runs or is just being started: by asking until ctx ends,
// then by force.
func (r *Runtime) bringDown(ctx context.Context, i *instance) error {
	patient := context.WithoutCancel(ctx)
	running, err := r.settled(patient, i)
	if err != nil || !running {
		return err
	}
	// The first process of a pid namespace never notices a signal that it does not catch,
	// so there would be nothing to wait for.
	if ask := signalOf(i.stopSignal()); catches(i.process.PID(), ask) && i.process.Signal(ask) == nil {
		select {
		case <-i.ended:
			return nil
		case <-ctx.Done():
		}
	}
	return r.stop(patient, i, 0)
}

// changed tells everyone who wants to know that something of a pod's state changed.
func (r *Runtime) changed(s *sandbox, id string, what runtimeapi.ContainerEventType) {
	if r.events.wanted() {
		r.mu.Lock()
		event := &runtimeapi.ContainerEventResponse{
			ContainerId:        id,
			ContainerEventType: what,
			CreatedAt:          r.now().UnixNano(),
			PodSandboxStatus:   s.status(),
			ContainersStatuses: r.statusesIn(s),
		}
		r.mu.Unlock()
		r.events.send(event)
	}
	// What was removed cannot be looked at: the kubelet would complain that it is gone.
	if r.config.OnChange != nil && what != runtimeapi.ContainerEventType_CONTAINER_DELETED_EVENT {
		r.config.OnChange(s.config.GetMetadata().GetUid())
	}
}
