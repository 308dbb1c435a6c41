package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// A weir is the program on a folder of its own.
type weir struct {
	binary, dir string
	pid         int
	took        time.Duration // from the start of the program until it says ready
}

// up starts weir on a folder and returns once it is ready.
func (b *bench) up(ctx context.Context, dir string, flags ...string) (*weir, error) {
	w := weir{binary: b.binary, dir: dir}
	began := time.Now()
	if err := w.do(ctx, append([]string{"up", "--detach"}, flags...)...); err != nil {
		return nil, err
	}
	w.took = time.Since(began)
	data, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil {
		return nil, fmt.Errorf("read what weir says of itself: %w", err)
	}
	var state struct{ PID int }
	if err := json.Unmarshal(data, &state); err != nil {
		return nil, fmt.Errorf("read what weir says of itself: %w", err)
	}
	w.pid = state.PID
	return &w, nil
}

// fresh starts weir on a folder that nobody has used.
func (b *bench) fresh(ctx context.Context, flags ...string) (*weir, error) {
	dir, err := os.MkdirTemp(b.scratch, "weir-")
	if err != nil {
		return nil, err
	}
	return b.up(ctx, dir, flags...)
}

// down stops weir, also when the measurement was interrupted.
func (w *weir) down(ctx context.Context) error {
	return w.do(context.WithoutCancel(ctx), "down")
}

// do runs a command of weir.
func (w *weir) do(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, w.binary, append([]string{"--dir", w.dir}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("weir %v: %w: %s", args, err, out)
	}
	return nil
}

// clients reach the API server.
func (w *weir) clients() (kubernetes.Interface, dynamic.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(w.dir, "kubeconfig"))
	if err != nil {
		return nil, nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS = -1
	binary := rest.CopyConfig(config) // costs the least to read
	binary.ContentType, binary.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	core, err := kubernetes.NewForConfig(binary)
	if err != nil {
		return nil, nil, err
	}
	objects, err := dynamic.NewForConfig(config)
	return core, objects, err
}

// withServiceAccount waits until pods can be created in namespace default.
func withServiceAccount(ctx context.Context, core kubernetes.Interface) error {
	for {
		_, err := core.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
