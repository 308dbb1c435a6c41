package cri

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The folders of records, one file for each sandbox and instance. They let a finished
// container keep its exit code, and a restarted one its count, when weir itself restarts. An
// instance is on record from its start.
// A file is replaced whole; one that a power cut left broken is as good as none.
const (
	sandboxRecords  = "sandboxes"
	instanceRecords = "instances"
)

type sandboxRecord struct {
	Config  json.RawMessage `json:"config"` // a PodSandboxConfig
	Created int64           `json:"created"`
	IP      string          `json:"ip,omitempty"`
}

type instanceRecord struct {
	Sandbox  string          `json:"sandbox"`
	Config   json.RawMessage `json:"config"` // a ContainerConfig, without its environment
	ImageID  string          `json:"imageID"`
	UID      uint32          `json:"uid"`
	GID      uint32          `json:"gid"`
	Groups   []uint32        `json:"groups,omitempty"`
	LogPath  string          `json:"logPath,omitempty"`
	State    string          `json:"state"`
	Created  int64           `json:"created"`
	Started  int64           `json:"started,omitempty"`
	Finished int64           `json:"finished,omitempty"`
	ExitCode int32           `json:"exitCode"`
	Reason   string          `json:"reason,omitempty"`
	Message  string          `json:"message,omitempty"`
}

func (r *Runtime) rememberSandbox(s *sandbox) error {
	config, err := protojson.Marshal(s.config)
	if err != nil {
		return fmt.Errorf("record sandbox %s: %w", s.id, err)
	}
	return r.remember(sandboxRecords, s.id, sandboxRecord{Config: config, Created: s.created, IP: s.ip})
}

// recordOf is the instance as it is now.
func (r *Runtime) recordOf(i *instance) (instanceRecord, error) {
	public := proto.CloneOf(i.config)
	public.Envs = nil // Secrets are in it, and nobody asks for it later.
	config, err := protojson.Marshal(public)
	if err != nil {
		return instanceRecord{}, fmt.Errorf("record container %s: %w", i.id, err)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	return instanceRecord{
		Sandbox:  i.sandbox.id,
		Config:   config,
		ImageID:  i.imageID,
		UID:      i.user.uid,
		GID:      i.user.gid,
		Groups:   i.user.groups,
		LogPath:  i.logPath,
		State:    i.state.String(),
		Created:  i.created,
		Started:  i.started,
		Finished: i.finished,
		ExitCode: i.exitCode,
		Reason:   i.reason,
		Message:  i.message,
	}, nil
}

// rememberInstance puts the instance on record as it is now.
func (r *Runtime) rememberInstance(i *instance) error {
	record, err := r.recordOf(i)
	if err != nil {
		return err
	}
	return r.remember(instanceRecords, i.id, record)
}

func (r *Runtime) remember(kind, id string, record any) error {
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("record %s: %w", id, err)
	}
	path := r.recordPath(kind, id)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fmt.Errorf("record %s: %w", id, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("record %s: %w", id, err)
	}
	return nil
}

func (r *Runtime) forget(kind, id string) error {
	if err := os.Remove(r.recordPath(kind, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget %s: %w", id, err)
	}
	return nil
}

func (r *Runtime) recordPath(kind, id string) string {
	return filepath.Join(r.config.Dir, kind, id+".json")
}

// recall reads what an earlier program left on record. Nothing of that runs any more: what
// did was killed with the program, and what was only created never came on record.
func (r *Runtime) recall() error {
	for id, data := range r.recorded(sandboxRecords) {
		var record sandboxRecord
		config := new(runtimeapi.PodSandboxConfig)
		if json.Unmarshal(data, &record) != nil || relaxed.Unmarshal(record.Config, config) != nil {
			if err := r.forget(sandboxRecords, id); err != nil {
				return err
			}
			continue
		}
		s := &sandbox{id: id, config: config, created: record.Created, ip: record.IP, state: runtimeapi.PodSandboxState_SANDBOX_NOTREADY}
		r.sandboxes.add(s.pod(), id, s)
	}

	for id, data := range r.recorded(instanceRecords) {
		i, err := r.recallInstance(id, data)
		if err != nil {
			return err
		}
		if i != nil {
			r.instances.add(i.sandbox.pod(), id, i)
		}
	}
	return nil
}

// relaxed reads records that a newer weir wrote.
var relaxed = protojson.UnmarshalOptions{DiscardUnknown: true}

func (r *Runtime) recallInstance(id string, data []byte) (*instance, error) {
	var record instanceRecord
	config := new(runtimeapi.ContainerConfig)
	broken := json.Unmarshal(data, &record) != nil || relaxed.Unmarshal(record.Config, config) != nil
	sandbox := r.sandboxes.byID[record.Sandbox]
	if broken || sandbox == nil {
		return nil, r.forget(instanceRecords, id)
	}

	i := &instance{
		id:        id,
		sandbox:   sandbox,
		config:    config,
		imageID:   record.ImageID,
		user:      user{uid: record.UID, gid: record.GID, groups: record.Groups},
		logPath:   record.LogPath,
		created:   record.Created,
		ended:     make(chan struct{}),
		gone:      make(chan struct{}),
		state:     runtimeapi.ContainerState_CONTAINER_EXITED,
		started:   record.Started,
		finished:  record.Finished,
		exitCode:  record.ExitCode,
		reason:    record.Reason,
		message:   record.Message,
		resources: config.GetLinux().GetResources(),
	}
	close(i.ended)
	close(i.gone)
	if record.State == runtimeapi.ContainerState_CONTAINER_EXITED.String() {
		return i, nil
	}
	i.finished, i.exitCode, i.reason, i.message = r.now().UnixNano(), exitKilled, reasonError, messageStopped
	return i, r.rememberInstance(i)
}

// recorded yields the id and content of each record of a kind.
func (r *Runtime) recorded(kind string) func(yield func(string, []byte) bool) {
	return func(yield func(string, []byte) bool) {
		names, _ := filepath.Glob(filepath.Join(r.config.Dir, kind, "*.json"))
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				continue
			}
			if !yield(strings.TrimSuffix(filepath.Base(name), ".json"), data) {
				return
			}
		}
	}
}
