package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-ml/weir/cluster/namespaces"
	"github.com/weir-ml/weir/cluster/network/outside"
)

// upOptions are what a user may say to weir up.
type upOptions struct {
	detach  bool
	listen  string
	share   []string
	without []string
}

func newUpCommand(f *folder) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start Kubernetes and the platform in this process",
		Long: `Start Kubernetes and the platform in this process, and stop them on Ctrl-C.
Objects, volumes, buckets and logs stay in the folder for the next time.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := f.path()
			if err != nil {
				return err
			}
			if _, _, inside := namespaces.Inside(); inside {
				return runInside(cmd.Context(), dir, o, cmd.OutOrStdout())
			}
			if o.detach {
				return detach(cmd.Context(), dir, o, cmd.OutOrStdout())
			}
			return up(cmd.Context(), dir, o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.detach, "detach", false, "return once weir is ready, and leave it running")
	flags.StringVar(&o.listen, "listen", "127.0.0.1", "address to listen on; anything but a loopback opens weir to the network, with TLS and sign-in")
	flags.StringArrayVar(&o.share, "share", nil, "folder of this machine that pods may mount by hostPath, PATH or PATH:ro; may be repeated")
	flags.StringSliceVar(&o.without, "without", nil, "parts to leave out: controllers, node, s3")
	return cmd
}

// parts are what --without may name.
var parts = []string{"controllers", "node", "s3"}

func (o *upOptions) has(part string) bool {
	for _, w := range o.without {
		if w == part {
			return false
		}
	}
	return true
}

// A handover is what the outer process tells the inner one: what it has opened,
// and what it knows of the machine.
type handover struct {
	PID int
	// The indexes of the files handed over: two listeners and the way out.
	APIFile, S3File, OutsideFile int
}

const handoverVariable = "WEIR_HANDOVER"

// up is the outer process: it holds the folder, listens, and starts the inner
// process, which is weir.
func up(ctx context.Context, dir string, o upOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	held, err := lockFolder(dir)
	if err != nil {
		return err
	}
	defer held.release()

	api, s3, err := listeners(dir, o.listen)
	if err != nil {
		return err
	}
	if !o.has("node") { // no pods, so nothing to keep apart
		return runHere(ctx, dir, o, api, s3, nil)
	}
	kind, refused := namespaces.Supported(ctx)
	if kind == namespaces.None {
		return runHere(ctx, dir, o, api, s3, refused)
	}
	return runOutside(ctx, kind, api, s3)
}

func (o *upOptions) check() error {
	for _, w := range o.without {
		known := false
		for _, p := range parts {
			known = known || p == w
		}
		if !known {
			return fmt.Errorf("--without %s: there is no such part; there are %s", w, strings.Join(parts, ", "))
		}
	}
	if net.ParseIP(o.listen) == nil {
		return fmt.Errorf("--listen %s: not an IP address; 0.0.0.0 means all of this machine's", o.listen)
	}
	return nil
}

// runOutside starts the inner process and waits for it. It carries the pods'
// packets out meanwhile.
func runOutside(ctx context.Context, kind namespaces.Kind, api, s3 *net.TCPListener) error {
	h := handover{PID: os.Getpid(), APIFile: 0, S3File: 1, OutsideFile: 2}
	apiFile, err := api.File()
	if err != nil {
		return fmt.Errorf("hand over listener: %w", err)
	}
	s3File, err := s3.File()
	if err != nil {
		return fmt.Errorf("hand over listener: %w", err)
	}
	// From here on they are the inner process's.
	_, _ = api.Close(), s3.Close()
	wayOut, wayIn, err := outside.Pair()
	if err != nil {
		return err
	}

	encoded, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := os.Setenv(handoverVariable, string(encoded)); err != nil {
		return err
	}
	inner, err := namespaces.Start(ctx, kind, namespaces.Config{
		Args:  os.Args[1:],
		Files: []*os.File{apiFile, s3File, wayIn},
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err != nil {
		return err
	}
	_, _, _ = apiFile.Close(), s3File.Close(), wayIn.Close()
	carried := make(chan error, 1)
	go func() { carried <- outside.Serve(ctx, wayOut, outside.Config{}) }()
	if err := endOf(inner.Wait()); err != nil {
		return err
	}
	return <-carried
}

// endOf is what the inner process's end means for the outer one: the same.
func endOf(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if code := exit.ExitCode(); code > 0 {
			return exitError(code)
		}
		return fmt.Errorf("weir was killed (%s); its folder is as it was, and weir up goes on with it", exit.ProcessState)
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// The ports that are tried first. The next free ones are taken, up to a hundred
// on; those of the last run come before all.
const (
	firstAPIPort = 6443
	firstS3Port  = 9000
)

func listeners(dir, address string) (api, s3 *net.TCPListener, err error) {
	last, err := lastState(dir)
	if err != nil {
		return nil, nil, err
	}
	apiPort, s3Port := firstAPIPort, firstS3Port
	if last != nil {
		apiPort, s3Port = portOf(last.Kubernetes.URL, apiPort), portOf(last.S3.URL, s3Port)
	}
	if api, err = listen("Kubernetes", address, apiPort); err != nil {
		return nil, nil, err
	}
	s3, err = listen("S3", address, s3Port)
	return api, s3, err
}

func listen(what, address string, port int) (*net.TCPListener, error) {
	ip := net.ParseIP(address)
	for p := port; p < port+100; p++ {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ip, Port: p})
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listen on %s port %d: %w", address, p, err)
		}
		if p != port {
			fmt.Printf("port %d is taken; %s is at port %d\n", port, what, p)
		}
		return l, nil
	}
	return nil, fmt.Errorf("listen on %s: ports %d to %d are all taken", address, port, port+99)
}

func portOf(url string, otherwise int) int {
	_, port, ok := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(url, "https://"), "http://"), ":")
	var p int
	if ok {
		if _, err := fmt.Sscanf(port, "%d", &p); err == nil {
			return p
		}
	}
	return otherwise
}

// detach starts weir up in a session of its own and returns once it is ready.
func detach(ctx context.Context, dir string, o upOptions, out io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	if pid, err := holder(dir); err != nil || pid != 0 {
		if err != nil {
			return err
		}
		return fmt.Errorf("a weir runs in %s already, as process %d; stop it with: weir down --dir %s", dir, pid, dir)
	}
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o700); err != nil {
		return fmt.Errorf("make weir's folder: %w", err)
	}
	log, err := os.Create(filepath.Join(dir, "logs", "up.log"))
	if err != nil {
		return fmt.Errorf("start weir: %w", err)
	}
	defer log.Close()

	args := []string{"up", "--dir", dir, "--listen", o.listen}
	for _, s := range o.share {
		args = append(args, "--share", s)
	}
	if len(o.without) > 0 {
		args = append(args, "--without", strings.Join(o.without, ","))
	}
	weir := exec.Command("/proc/self/exe", args...)
	weir.Args[0] = os.Args[0]
	weir.Stdout, weir.Stderr = log, log
	weir.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := weir.Start(); err != nil {
		return fmt.Errorf("start weir: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- weir.Wait() }()
	return follow(ctx, dir, weir.Process.Pid, log.Name(), ended, out)
}

// follow shows what a weir in the background says until it is ready.
func follow(ctx context.Context, dir string, pid int, log string, ended <-chan error, out io.Writer) error {
	said, err := os.Open(log)
	if err != nil {
		return err
	}
	defer said.Close()
	for {
		s, err := lastState(dir)
		ready := err == nil && s != nil && s.PID == pid && !s.Ready.IsZero()
		select {
		case <-ended:
			_, _ = io.Copy(out, said)
			return exitError(1) // it has said why
		default:
		}
		_, _ = io.Copy(out, said)
		if ready {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
