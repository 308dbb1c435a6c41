package main

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// howItFares looks at each part.
func howItFares(ctx context.Context, k *cluster.Cluster, dir string, g *gateway.Gateway) machineAnswer {
	a := machineAnswer{Version: version, Missing: []string{}, Parts: []partAnswer{}}
	if s, err := lastState(dir); err == nil && s != nil {
		a.Started, a.Ready, a.Namespaces = s.Started, s.Ready, s.Namespaces
		a.Missing = append(a.Missing, s.Missing...)
		a.URLs = machineURLs{Front: s.Front.URL, Kubernetes: s.Kubernetes.URL, S3: s.S3.URL}
	}
	part := func(name string, err error) {
		p := partAnswer{Name: name, Healthy: err == nil}
		if err != nil {
			p.Message = err.Error()
		}
		a.Parts = append(a.Parts, p)
	}
	core, err := kubernetes.NewForConfig(k.REST)
	if err != nil {
		part("Kubernetes", err)
		return a
	}
	if v, err := core.Discovery().ServerVersion(); err == nil {
		a.Kubernetes = v.GitVersion
	}
	part("Kubernetes", core.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error())
	if nodes, err := core.CoreV1().Nodes().List(ctx, metav1.ListOptions{}); err == nil {
		for _, n := range nodes.Items {
			part("node "+n.Name, unready(&n))
		}
	}
	if there, err := g.StorageHealth(ctx); there {
		part("S3", err)
	}
	return a
}

// unready is why a node takes no pods; nil if it does.
func unready(n *corev1.Node) error {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			return errors.New(c.Message)
		}
	}
	return nil
}
