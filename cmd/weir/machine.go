package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/client-go/kubernetes"

	"github.com/weir-ml/weir/cluster"
	"github.com/weir-ml/weir/platform/gateway"
)

// A machineAnswer says how an installation fares.
type machineAnswer struct {
	Version    string       `json:"version"`
	Kubernetes string       `json:"kubernetes,omitempty"`
	Started    time.Time    `json:"started"`
	Ready      time.Time    `json:"ready,omitzero"`
	Namespaces string       `json:"namespaces"`
	Missing    []string     `json:"missing"`
	URLs       machineURLs  `json:"urls"`
	Parts      []partAnswer `json:"parts"`
}

type machineURLs struct {
	Front      string `json:"front,omitempty"`
	Kubernetes string `json:"kubernetes,omitempty"`
	S3         string `json:"s3,omitempty"`
}

// A partAnswer says how one part fares; the message is why, if not well.
type partAnswer struct {
	Name    string `json:"name"`
	Healthy bool   `json:"healthy"`
	Message string `json:"message,omitempty"`
}

// membersOf look at the parts of a weir besides those of its cluster, if it has the
// parts that o says.
func membersOf(k *cluster.Cluster, dir string, g *gateway.Gateway, o upOptions) []cluster.Probe {
	var all []cluster.Probe
	if o.has("s3") {
		all = append(all, cluster.Probe{Part: "S3", Fail: g.StorageHealth})
	}
	if o.has("controllers") {
		all = append(all, cluster.Probe{Part: "controllers of jobs", Fail: func(ctx context.Context) error { return knowsJobs(ctx, k) }})
	}
	folders := []struct{ name, at string }{{"registry", imagesDir(dir)}}
	if o.has("node") {
		folders = append(folders, []struct{ name, at string }{{"environments", environmentsDir(dir)}, {"volumes", filepath.Join(dir, "volumes")}}...)
	}
	for _, f := range folders {
		all = append(all, cluster.Probe{Part: f.name, Fail: func(context.Context) error { return keeps(f.at) }})
	}
	return all
}

// knowsJobs says why nobody can ask for jobs.
func knowsJobs(ctx context.Context, k *cluster.Cluster) error {
	core, err := kubernetes.NewForConfig(k.REST)
	if err != nil {
		return err
	}
	if err := core.RESTClient().Get().AbsPath("/apis/kubeflow.org/v1/tfjobs").Param("limit", "1").Do(ctx).Error(); err != nil {
		return fmt.Errorf("jobs cannot be read: %w", err)
	}
	return nil
}

// keeps says why nothing can be put into a folder, which is made when it is needed.
func keeps(folder string) error {
	at := folder
	info, err := os.Stat(at)
	if errors.Is(err, fs.ErrNotExist) {
		at = filepath.Dir(at)
		info, err = os.Stat(at)
	}
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is a file", at)
	}
	if err == nil {
		err = unix.Access(at, unix.W_OK)
	}
	if err != nil {
		return fmt.Errorf("nothing can be kept in its folder %s: %w", folder, err)
	}
	return nil
}

// howItFares looks at each part, of the cluster's and of others.
func howItFares(ctx context.Context, k *cluster.Cluster, dir string, others []cluster.Probe) machineAnswer {
	a := machineAnswer{Version: version, Missing: []string{}, Parts: []partAnswer{}}
	if s, err := lastState(dir); err == nil && s != nil {
		a.Started, a.Ready, a.Namespaces = s.Started, s.Ready, s.Namespaces
		a.Missing = append(a.Missing, s.Missing...)
		a.URLs = machineURLs{Front: s.Front.URL, Kubernetes: s.Kubernetes.URL, S3: s.S3.URL}
	}
	if core, err := kubernetes.NewForConfig(k.REST); err == nil {
		if v, err := core.Discovery().ServerVersion(); err == nil {
			a.Kubernetes = v.GitVersion
		}
	}
	for _, p := range k.Parts(ctx, others...) {
		a.part(p.Name, p.Err)
	}
	return a
}

// part adds how a part fares; if not well, in a sentence.
func (a *machineAnswer) part(name string, err error) {
	p := partAnswer{Name: name, Healthy: err == nil}
	if err != nil {
		said := strings.TrimRight(err.Error(), ".\n")
		p.Message = strings.ToUpper(said[:1]) + said[1:] + "."
	}
	a.Parts = append(a.Parts, p)
}
