package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/weir-ml/weir/test/conformance/images"
)

// images writes the suite's images into the weir.yaml of the folder, before
// what others wrote there. A running weir sees the change.
func (o *options) images() error {
	if o.dir == "" {
		return errors.New("images: say which weir by DIR=folder")
	}
	recipes, err := images.Make(o.bin, filepath.Join(o.cache, "images"))
	if err != nil {
		return err
	}
	file := filepath.Join(o.dir, "weir.yaml")
	before, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("write images: %w", err)
	}
	after, err := withImages(before, recipes)
	if err != nil {
		return fmt.Errorf("write images into %s: %w", file, err)
	}
	if err := os.WriteFile(file+".new", after, 0o644); err != nil {
		return fmt.Errorf("write images: %w", err)
	}
	return os.Rename(file+".new", file)
}

// withImages is the configuration with the recipes in it, first, and once.
func withImages(config []byte, recipes []images.Recipe) ([]byte, error) {
	all := map[string]any{}
	if err := yaml.Unmarshal(config, &all); err != nil {
		return nil, err
	}
	var environments []any
	for _, r := range recipes {
		environments = append(environments, r)
	}
	others, _ := all["environments"].([]any)
	for _, other := range others {
		entry, _ := other.(map[string]any)
		if !slices.ContainsFunc(recipes, func(r images.Recipe) bool { return r.Image == entry["image"] }) {
			environments = append(environments, other)
		}
	}
	all["environments"] = environments
	return yaml.Marshal(all)
}

// What specs mount of the machine: one compares its /etc/hosts with a pod's, and
// those about jobs keep files across pods.
const (
	hosts = "/etc/hosts"
	jobs  = "/tmp/job-e2e"
)

// start starts a weir on an empty folder. The suite's images are in it from the
// first moment. stop ends it, and removes the folder unless it is to be kept.
func (o *options) start(ctx context.Context) (stop func(keep bool) error, err error) {
	if o.dir, err = os.MkdirTemp("", "weir-conformance-"); err != nil {
		return nil, err
	}
	if err := o.images(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(jobs, 0o777); err != nil {
		return nil, err
	}
	up := exec.CommandContext(ctx, o.weir, "up", "--detach", "--dir", o.dir, "--share", hosts+":ro", "--share", jobs)
	up.Stdout, up.Stderr = os.Stderr, os.Stderr
	if err := up.Run(); err != nil {
		return nil, fmt.Errorf("start weir in %s: %w", o.dir, err)
	}
	return func(keep bool) error {
		down := exec.Command(o.weir, "down", "--dir", o.dir)
		down.Stdout, down.Stderr = os.Stderr, os.Stderr
		if err := down.Run(); err != nil {
			return fmt.Errorf("stop weir in %s: %w", o.dir, err)
		}
		if keep {
			fmt.Fprintf(os.Stderr, "weir's folder is kept for a look: %s\n", o.dir)
			return nil
		}
		return errors.Join(os.RemoveAll(o.dir), os.RemoveAll(jobs))
	}, nil
}

// namespaces says how the weir keeps pods apart: full, user or none.
func (o *options) namespaces() (string, error) {
	content, err := os.ReadFile(filepath.Join(o.dir, "state.json"))
	if err != nil {
		return "", fmt.Errorf("read weir's state: %w", err)
	}
	var state struct{ Namespaces string }
	if err := json.Unmarshal(content, &state); err != nil {
		return "", fmt.Errorf("read weir's state: %w", err)
	}
	return state.Namespaces, nil
}

// ready waits until the weir has a node that takes pods.
func (o *options) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		out, err := exec.CommandContext(ctx, o.weir, "--dir", o.dir, "kubectl", "get", "nodes", "-o", "json").Output()
		if err == nil && isReady(out) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("weir in %s has no ready node after a minute", o.dir)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func isReady(nodes []byte) bool {
	var list struct {
		Items []struct {
			Status struct {
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if json.Unmarshal(nodes, &list) != nil {
		return false
	}
	for _, node := range list.Items {
		for _, c := range node.Status.Conditions {
			if c.Type == "Ready" && c.Status == "True" {
				return true
			}
		}
	}
	return false
}
