package cri

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"

	"github.com/weir-ml/weir/cluster/container"
)

const (
	reasonCompleted  = "Completed"
	reasonError      = "Error"
	reasonOOMKilled  = "OOMKilled"
	reasonStartError = "StartError"

	// exitNotStarted is the exit code of a container whose command could not be run.
	exitNotStarted = 128
	exitKilled     = 128 + int32(syscall.SIGKILL)

	messageStopped = "weir was stopped while this container ran."
)

// deathTime is how long a killed process may take to be gone.
const deathTime = 30 * time.Second

// StartContainer runs the instance's command. An instance is started once, whoever asks how
// often; one that cannot be started has exited, with the reason in its status.
func (r *Runtime) StartContainer(ctx context.Context, id string) error {
	i, err := r.instance(id)
	if err != nil {
		return err
	}
	namespaces, err := r.claim(i)
	if err != nil {
		return err
	}
	defer close(i.starting)

	if err := r.start(ctx, i, namespaces); err != nil {
		r.exited(i, container.ExitStatus{Code: exitNotStarted, At: r.now()}, reasonStartError, err.Error())
		close(i.gone)
		return err
	}
	r.changed(i.sandbox, i.id, runtimeapi.ContainerEventType_CONTAINER_STARTED_EVENT)
	return nil
}

// claim makes the caller the one who starts the instance.
func (r *Runtime) claim(i *instance) (*container.Namespaces, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.stopping:
		return nil, errors.New("weir is stopping")
	case i.removed:
		return nil, status.Errorf(codes.NotFound, "container %q: not found", i.id)
	case i.state != runtimeapi.ContainerState_CONTAINER_CREATED || i.starting != nil:
		return nil, status.Errorf(codes.FailedPrecondition, "container %s was started before: a container runs once", i.id)
	}
	if err := i.sandbox.ready(); err != nil {
		return nil, err
	}
	i.starting = make(chan struct{})
	return i.sandbox.namespaces, nil
}

// start runs the command, and sees to its output and its end.
func (r *Runtime) start(ctx context.Context, i *instance, namespaces *container.Namespaces) error {
	beside, err := r.targetOf(i)
	if err != nil {
		return err
	}
	log, err := openLog(i.logPath)
	if err != nil {
		return err
	}
	r.keepLog(ctx, i)
	streams, err := openStdio(i.config)
	if err != nil {
		log.close()
		return err
	}
	group, err := r.groupOf(i)
	if err != nil {
		log.close()
		streams.close()
		return err
	}

	spec := i.spec
	spec.Namespaces, spec.Beside, spec.Cgroup = namespaces, beside, group
	process, err := r.config.Containers.Start(ctx, spec, streams.theirs)
	if err != nil {
		log.close()
		streams.close()
		return errors.Join(err, group.Destroy())
	}
	streams.run(process.Process, i.config.GetStdin(), log, r.now)

	r.mu.Lock()
	i.process, i.group, i.streams, i.log = process, group, streams, log
	i.state, i.started = runtimeapi.ContainerState_CONTAINER_RUNNING, process.StartedAt().UnixNano()
	r.running.Add(1)
	r.mu.Unlock()
	go r.await(i)

	if err := r.rememberInstance(i); err != nil {
		klog.FromContext(ctx).Error(err, "a container's start is not on record", "container", i.id)
	}
	return nil
}

// targetOf is the container whose processes this one is to see, as ephemeral containers do;
// nil when there is none.
func (r *Runtime) targetOf(i *instance) (*container.Container, error) {
	ns := i.config.GetLinux().GetSecurityContext().GetNamespaceOptions()
	if ns.GetPid() != runtimeapi.NamespaceMode_TARGET {
		return nil, nil
	}
	target, err := r.runningInstance(ns.GetTargetId())
	if err != nil {
		return nil, fmt.Errorf("see the processes of another container: %w", err)
	}
	return target.process, nil
}

// await sees the instance out: what its process wrote is in the log before its end is known.
func (r *Runtime) await(i *instance) {
	defer r.running.Done()
	defer close(i.gone)
	<-i.starting // So that nobody hears of the end before the start.
	end := i.process.Wait()
	i.streams.finish()
	i.log.close()

	reason := reasonCompleted
	switch {
	case end.OOMKilled:
		reason = reasonOOMKilled
	case end.Code != 0:
		reason = reasonError
	}
	r.exited(i, end, reason, "")

	if err := errors.Join(i.process.Remove(), i.group.Destroy()); err != nil {
		klog.Background().Error(err, "a container left something behind", "container", i.id)
	}
}

// exited puts down how the instance ended, first on record, then for everyone to see.
func (r *Runtime) exited(i *instance, end container.ExitStatus, reason, message string) {
	record, err := r.recordOf(i)
	record.State = runtimeapi.ContainerState_CONTAINER_EXITED.String()
	record.ExitCode, record.Reason, record.Message, record.Finished = int32(end.Code), reason, message, end.At.UnixNano()
	if record.Started == 0 {
		record.Started = record.Finished
	}
	if r.isStopping() {
		record.ExitCode, record.Reason, record.Message = exitKilled, reasonError, messageStopped
	}
	if err == nil {
		err = r.remember(instanceRecords, i.id, record)
	}
	if err != nil {
		klog.Background().Error(err, "a container's end is not on record", "container", i.id)
	}

	r.mu.Lock()
	i.state = runtimeapi.ContainerState_CONTAINER_EXITED
	i.exitCode, i.reason, i.message, i.started, i.finished = record.ExitCode, record.Reason, record.Message, record.Started, record.Finished
	r.mu.Unlock()
	close(i.ended)
	r.changed(i.sandbox, i.id, runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT)
}

func (r *Runtime) isStopping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopping
}

// StopContainer asks the container's command to end, and kills it when it has not within
// timeout seconds. One that is gone is stopped.
func (r *Runtime) StopContainer(ctx context.Context, id string, timeout int64) error {
	i, err := r.instance(id)
	if err != nil {
		return nil //nolint:nilerr // See above.
	}
	return r.stop(ctx, i, time.Duration(timeout)*time.Second)
}

func (r *Runtime) stop(ctx context.Context, i *instance, grace time.Duration) error {
	running, err := r.settled(ctx, i)
	if err != nil || !running {
		return err
	}

	if grace > 0 {
		if err := i.process.Signal(signalOf(i.stopSignal())); err != nil {
			return fmt.Errorf("stop container %s: %w", i.id, err)
		}
		late := time.NewTimer(grace)
		defer late.Stop()
		select {
		case <-i.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
		}
	}

	if err := i.process.Kill(); err != nil {
		return fmt.Errorf("kill container %s: %w", i.id, err)
	}
	late := time.NewTimer(deathTime)
	defer late.Stop()
	select {
	case <-i.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return fmt.Errorf("kill container %s: it still runs after %s: the kernel holds its process %d", i.id, deathTime, i.process.PID())
	}
}

// settled waits until a start under way is decided, and says whether the instance runs.
func (r *Runtime) settled(ctx context.Context, i *instance) (bool, error) {
	r.mu.Lock()
	starting := i.starting
	r.mu.Unlock()
	if starting != nil {
		select {
		case <-starting:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return i.state == runtimeapi.ContainerState_CONTAINER_RUNNING, nil
}

// RemoveContainer kills the container if it runs, and forgets it. One that is gone is removed.
func (r *Runtime) RemoveContainer(ctx context.Context, id string) error {
	i, err := r.instance(id)
	if err != nil {
		return nil
	}
	i.remove.Lock()
	defer i.remove.Unlock()
	r.mu.Lock()
	i.removed = true
	r.mu.Unlock()

	if err := r.stop(ctx, i, 0); err != nil {
		return err
	}
	r.mu.Lock()
	ran := i.starting != nil
	_, there := r.instances.byID[i.id]
	r.instances.remove(i.id)
	r.mu.Unlock()
	if !there {
		return nil
	}
	if ran {
		<-i.gone
	}
	r.releaseImages(i)
	if err := r.forget(instanceRecords, i.id); err != nil {
		return err
	}
	r.changed(i.sandbox, i.id, runtimeapi.ContainerEventType_CONTAINER_DELETED_EVENT)
	return nil
}

// stopSignal is what asks the container's command to end.
func (i *instance) stopSignal() runtimeapi.Signal {
	if s := i.config.GetStopSignal(); s != runtimeapi.Signal_SIGNAL_RUNTIME_DEFAULT {
		return s
	}
	if n, ok := runtimeapi.Signal_value["SIGNAL_"+signalName(i.imageSignal)]; ok {
		return runtimeapi.Signal(n)
	}
	return runtimeapi.Signal_SIGNAL_SIGTERM
}

// signalName is how CRI names what an image calls "SIGQUIT", "QUIT", "3" or
// "SIGRTMIN+3".
func signalName(image string) string {
	if n, err := strconv.Atoi(image); err == nil {
		return unix.SignalName(syscall.Signal(n))
	}
	name := strings.NewReplacer("+", "PLUS", "-", "MINUS").Replace(strings.ToUpper(image))
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	return name
}

// signalOf is the kernel's number of one of CRI's signals, which are named
// SIGNAL_SIGTERM, SIGNAL_SIGRTMINPLUS3, SIGNAL_SIGRTMAXMINUS2.
func signalOf(s runtimeapi.Signal) syscall.Signal {
	const rtMin, rtMax = 34, 64
	name := strings.TrimPrefix(s.String(), "SIGNAL_")
	switch name { // Old names that the kernel's headers keep.
	case "SIGCLD":
		return syscall.SIGCHLD
	case "SIGIOT":
		return syscall.SIGABRT
	case "SIGPOLL":
		return syscall.SIGIO
	}
	if n := unix.SignalNum(name); n != 0 {
		return n
	}
	if plus, ok := strings.CutPrefix(name, "SIGRTMIN"); ok {
		n, _ := strconv.Atoi(strings.TrimPrefix(plus, "PLUS"))
		return syscall.Signal(rtMin + n)
	}
	if minus, ok := strings.CutPrefix(name, "SIGRTMAX"); ok {
		n, _ := strconv.Atoi(strings.TrimPrefix(minus, "MINUS"))
		return syscall.Signal(rtMax - n)
	}
	return syscall.SIGTERM
}
