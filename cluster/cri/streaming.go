package cri

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-streaming/pkg/streaming"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// Streams serve exec, attach and port-forward on an address of their own, which only the
// kubelet is told. Each request there needs a token that is good once.
type streams struct {
	server  streaming.Server
	http    *http.Server
	stop    context.CancelFunc
	serving sync.WaitGroup
}

func startStreams(r *Runtime) (*streams, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for exec, attach and port-forward: %w", err)
	}
	config := streaming.DefaultConfig
	config.BaseURL = &url.URL{Scheme: "http", Host: listener.Addr().String(), Path: "/"}
	server, err := streaming.NewServer(config, streamer{r})
	if err != nil {
		listener.Close()
		return nil, fmt.Errorf("serve exec, attach and port-forward: %w", err)
	}

	ctx, stop := context.WithCancel(context.Background()) //nolint:forbidigo // Streams end when close says so.
	s := &streams{server: server, stop: stop}
	s.http = &http.Server{Handler: server, BaseContext: func(net.Listener) context.Context { return ctx }}
	s.serving.Go(func() { _ = s.http.Serve(listener) })
	return s, nil
}

// close ends all streams.
func (s *streams) close() error {
	s.stop()
	err := s.http.Close()
	s.serving.Wait()
	return err
}

// Exec returns the address at which a command in a running container can be run.
func (r *Runtime) Exec(_ context.Context, request *runtimeapi.ExecRequest) (*runtimeapi.ExecResponse, error) {
	if _, err := r.runningInstance(request.GetContainerId()); err != nil {
		return nil, err
	}
	return r.streams.server.GetExec(request)
}

// Attach returns the address at which a running container's streams can be had.
func (r *Runtime) Attach(_ context.Context, request *runtimeapi.AttachRequest) (*runtimeapi.AttachResponse, error) {
	if _, err := r.runningInstance(request.GetContainerId()); err != nil {
		return nil, err
	}
	return r.streams.server.GetAttach(request)
}

// PortForward returns the address at which ports of a pod can be reached.
func (r *Runtime) PortForward(_ context.Context, request *runtimeapi.PortForwardRequest) (*runtimeapi.PortForwardResponse, error) {
	s, err := r.sandbox(request.GetPodSandboxId())
	if err != nil {
		return nil, err
	}
	if err := r.ready(s); err != nil {
		return nil, err
	}
	return r.streams.server.GetPortForward(request)
}

// A streamer does what the streams are for.
type streamer struct{ runtime *Runtime }

func (s streamer) Exec(ctx context.Context, id string, argv []string, in io.Reader, out, errout io.WriteCloser, terminal bool, resize <-chan remotecommand.TerminalSize) error {
	i, err := s.runtime.runningInstance(id)
	if err != nil {
		return err
	}
	streams := execStreams{in: in, terminal: terminal, resize: resize}
	if out != nil { // A nil WriteCloser is not a nil Writer.
		streams.out = out
	}
	if errout != nil {
		streams.err = errout
	}
	code, err := execute(ctx, i, argv, streams)
	if err == nil && code != 0 {
		err = utilexec.CodeExitError{Code: code, Err: fmt.Errorf("command terminated with exit code %d", code)}
	}
	return err
}

// Attach returns when the container's streams end.
func (s streamer) Attach(ctx context.Context, id string, in io.Reader, out, errout io.WriteCloser, _ bool, resize <-chan remotecommand.TerminalSize) error {
	i, err := s.runtime.runningInstance(id)
	if err != nil {
		return err
	}
	streams := i.streams

	done := make(chan struct{})
	defer close(done)
	go followSize(resize, done, streams.resize)

	fed := make(chan struct{})
	if in != nil && streams.stdin != nil {
		go func() { // Ends with the client's input, or with the process.
			defer close(fed)
			_, _ = io.Copy(streams.stdin, in)
			if i.config.GetStdinOnce() {
				streams.closeStdin()
			}
		}()
	}

	var watching sync.WaitGroup
	if out != nil {
		watching.Go(func() { streams.stdout.watch(out, ctx.Done()) })
	}
	if errout != nil && streams.stderr != nil {
		watching.Go(func() { streams.stderr.watch(errout, ctx.Done()) })
	}
	watching.Wait()
	if out == nil && errout == nil {
		select {
		case <-fed:
		case <-i.ended:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// PortForward joins a stream with a port of the pod, as seen from inside the pod.
func (s streamer) PortForward(ctx context.Context, id string, port int32, stream io.ReadWriteCloser) error {
	defer stream.Close()
	box, err := s.runtime.sandbox(id)
	if err != nil {
		return err
	}
	s.runtime.mu.Lock()
	network, state := box.network, box.state
	s.runtime.mu.Unlock()
	if state != runtimeapi.PodSandboxState_SANDBOX_READY {
		return fmt.Errorf("sandbox %s is stopped", id)
	}

	conn, err := dialIn(ctx, network, port)
	if err != nil {
		return fmt.Errorf("connect to port %d of pod %s/%s: %w", port, box.config.GetMetadata().GetNamespace(), box.config.GetMetadata().GetName(), err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close(); stream.Close() })
	defer stop()

	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(conn, stream)
		if c, ok := conn.(*net.TCPConn); ok {
			_ = c.CloseWrite()
		}
	}()
	_, err = io.Copy(stream, conn)
	stream.Close()
	<-sent
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}
