package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-ml/weir/cluster"
	"github.com/weir-ml/weir/cluster/namespaces"
	"github.com/weir-ml/weir/cluster/network/outside"
	"github.com/weir-ml/weir/kit/part"
	"github.com/weir-ml/weir/platform/admission"
	"github.com/weir-ml/weir/platform/gateway/identity"
	"github.com/weir-ml/weir/platform/training/progress"
)

// version is stamped at build time.
var version = "devel"

// A machine is what a weir has to run on: its namespaces, and its listeners.
type machine struct {
	kind namespaces.Kind
	// These are where the machine's users come in; pods come in at the same
	// ports of their own network. There may be none for the front door.
	api, s3, front []net.Listener

	outside *os.File // the way out; nil when there is no other side
	names   []string // of the machine, where it is open to others
	missing []string
	pid     int
}

// enter is what an inner process begins with: it takes over what the outer one has
// handed over.
func enter() (handover, error) {
	var h handover
	if err := json.Unmarshal([]byte(os.Getenv(handoverVariable)), &h); err != nil {
		return h, fmt.Errorf("read what the outer process handed over: %w", err)
	}
	return h, namespaces.Enter()
}

// runInside is the inner process.
func runInside(ctx context.Context, dir string, o upOptions, out io.Writer) error {
	kind, file, _ := namespaces.Inside()
	h, err := enter()
	if err != nil {
		return err
	}
	m := machine{kind: kind, pid: h.PID, outside: file(h.Outside), names: h.Names}
	for _, l := range []struct {
		indexes []int
		to      *[]net.Listener
	}{{h.API, &m.api}, {h.S3, &m.s3}, {h.Front, &m.front}} {
		for _, i := range l.indexes {
			f := file(i)
			listener, err := net.FileListener(f)
			if err != nil {
				return fmt.Errorf("take over listener: %w", err)
			}
			_ = f.Close()
			*l.to = append(*l.to, listener)
		}
	}
	return run(ctx, dir, o, m, out)
}

// runHere is weir in this process's own namespaces: when the machine refuses
// others, or there will be no pods.
func runHere(ctx context.Context, dir string, o upOptions, d *doors, refused error) error {
	m := machine{kind: namespaces.None, pid: os.Getpid(), names: d.names}
	for _, l := range d.api {
		m.api = append(m.api, l)
	}
	for _, l := range d.s3 {
		m.s3 = append(m.s3, l)
	}
	for _, l := range d.front {
		m.front = append(m.front, l)
	}
	if refused != nil {
		m.missing = append(m.missing, fmt.Sprintf("Pods are not kept apart and share this machine's network, since it allows no namespaces: %v", refused))
	}
	return run(ctx, dir, o, m, os.Stdout)
}

// withPods adds to the machine's listeners one at the same port of the pods'
// network, where that is another.
func (m *machine) withPods(listeners []net.Listener) (net.Listener, error) {
	if m.kind != namespaces.None {
		within, err := net.ListenTCP("tcp4", &net.TCPAddr{Port: listeners[0].Addr().(*net.TCPAddr).Port})
		if err != nil {
			return nil, fmt.Errorf("listen on the pods' network: %w", err)
		}
		listeners = append(listeners, within)
	}
	return outside.MultiListener(listeners...), nil
}

// run is the program's table of contents: what it consists of, in the order in
// which it starts.
func run(ctx context.Context, dir string, o upOptions, m machine, out io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	debug.SetGCPercent(garbageAtStart)
	begin := time.Now()
	report := func(part string) { fmt.Fprintf(out, "  %-28s %.2f s\n", part, time.Since(begin).Seconds()) }
	fmt.Fprintf(out, "weir starts in %s\n", dir)

	// Where a user's PATH leaves them out, nft and mount would seem to be missing.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return err
	}
	closeLog, err := logToFile(filepath.Join(dir, "logs", "weir.log"))
	if err != nil {
		return err
	}
	defer closeLog()
	s := &state{PID: m.pid, Version: version, Started: begin, Namespaces: string(m.kind), Missing: m.missing}
	if before, err := lastState(dir); err == nil && before != nil {
		s.Front.Token = before.Front.Token
	}
	s.Kubernetes.URL = fmt.Sprintf("https://127.0.0.1:%d", m.api[0].Addr().(*net.TCPAddr).Port)
	if err := s.write(dir); err != nil {
		return err
	}

	listener, err := m.withPods(m.api)
	if err != nil {
		return err
	}
	config := cluster.Config{Dir: dir, Listener: listener, Names: m.names, Report: report}
	if m.kind == namespaces.None {
		if config.Address, err = outboundAddress(); err != nil {
			return err
		}
	}
	ended := make(chan error, 1)
	platform := platformOptions{Ended: ended}
	images, err := imagesOf(dir, &m)
	if err != nil {
		return err
	}
	if o.has("node") {
		if config.Node, platform.Environments, err = nodeOf(ctx, dir, o, m, images); err != nil {
			return err
		}
	}
	if o.has("controllers") { // before the API server, which may ask at once
		kept, err := admission.Keep(dir)
		if err != nil {
			return err
		}
		platform.Admission = &admission.Options{Kept: kept}
		platform.Kinds = readKinds(platform.Admission)
		config.Kinds = applied(platform.Kinds)
		go platform.Kinds() //nolint:errcheck // Who asks next is told. It takes as long as etcd.
		settings, err := readSettings(dir)
		if err != nil {
			return err
		}
		platform.Progress = progress.Options{
			Dir:     courses(dir),
			Logs:    newKeptLogs(dir),
			Keep:    settings.Logs.retention().Age,
			Volumes: true,
		}
	}
	k, err := cluster.Start(ctx, config)
	if err != nil {
		return err
	}

	people, err := identity.New(ctx, k.Inside)
	if err != nil {
		return err
	}
	var buckets *storage
	if o.has("s3") {
		buckets, err = part.Start(ctx, "S3", func(ctx context.Context) (*storage, error) { return startS3(ctx, dir, &m, people) })
		if err != nil {
			return err
		}
		defer buckets.wait()
		defer stop()
		s.S3 = buckets.endpoint
		report("S3")
	}

	var front *frontDoor
	closed := make(chan error, 1)
	if o.has("gateway") {
		if front, err = openFrontDoor(ctx, dir, k, &m, s, people, buckets, images); err != nil {
			return err
		}
		defer front.close()
		front.members = membersOf(k, dir, front.gateway, o)
		platform.Front, platform.Callers, platform.Metrics = front.gateway, k.REST, o.has("metrics")
		platform.Tensorboards.Idle = time.Hour
		if o.has("controllers") && o.has("metrics") {
			s.Metrics.URL = front.URL + "/metrics"
		}
	}

	if buckets != nil {
		if platform.Store, err = buckets.forPods(k, people, front); err != nil {
			return err
		}
	}

	if o.has("controllers") && o.has("node") {
		if platform.Reports, err = openReports(dir, k.Address()); err != nil {
			return err
		}
	}

	// What needs nothing but the API server starts side by side.
	var starts errgroup.Group
	if o.has("node") {
		starts.Go(func() error {
			part.Enter(ctx, "node")
			return k.StartNode(ctx)
		})
	}
	if !o.has("controllers") {
		starts.Go(func() error { return withdrawAdmission(ctx, k.Inside) })
	}
	if o.has("controllers") {
		starts.Go(func() error {
			part.Enter(ctx, part.Platform)
			defer report(part.Platform)
			return startPlatform(ctx, k.Inside, platform)
		})
	}
	if front != nil {
		starts.Go(func() error { return front.admitOwner(ctx) })
	}
	if err := starts.Wait(); err != nil {
		return err
	}
	if front != nil {
		go func() {
			part.Enter(ctx, "front door")
			closed <- front.serve(ctx)
		}()
		s.Front = front.endpoint
	}

	s.Ready, s.Missing, s.GPUs = time.Now(), append(m.missing, k.Missing...), k.GPUs.String()
	spare.pace()
	go settle(ctx)
	cleaning := cleaner{cluster: k.Inside, images: images}
	if buckets != nil {
		cleaning.code = buckets.code
	}
	go cleaning.run(ctx)
	fmt.Fprintf(out, "weir is ready after %.2f s\n", time.Since(begin).Seconds())
	if front != nil {
		fmt.Fprintf(out, "  open        %s   (signs you in, once)\n", front.link())
	}
	s.describe(out, dir)
	if err := s.write(dir); err != nil { // last, since --detach returns when it says ready
		return err
	}

	select {
	case <-ctx.Done():
		fmt.Fprintln(out, "weir stops")
	case err = <-k.Failed():
	case err = <-closed:
	case err = <-ended:
		if err != nil {
			err = fmt.Errorf("the controllers of the platform ended: %w", err)
		} else {
			fmt.Fprintln(out, "weir stops") // They were asked to end, as all is.
		}
		stop()
	}
	// The API server's client of etcd prints that it is cut off, and nothing can
	// tell it not to.
	withStderrIn(filepath.Join(dir, "logs", "etcd.log"), k.Wait)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// outboundAddress is the address that this machine has towards others.
func outboundAddress() (netip.Addr, error) {
	// A UDP socket that is connected has sent nothing yet, but knows its way:
	// 192.0.2.1 is kept for documentation, and nobody's.
	if c, err := net.Dial("udp4", "192.0.2.1:9"); err == nil { //nolint:noctx // Nothing is sent.
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr(), nil
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("find this machine's address: %w", err)
	}
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			return p.Addr(), nil
		}
	}
	return netip.Addr{}, errors.New("this machine has no address but its loopback's, and the API server needs one: give it one, as with: ip address add 10.255.0.1/32 dev lo")
}
