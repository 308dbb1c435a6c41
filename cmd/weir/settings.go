package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"github.com/weir-ml/weir/cluster/node"
	"github.com/weir-ml/weir/cluster/podlogs"
	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/platform/gateway"
)

// settings are what weir.yaml says. The zero value is what holds without one.
type settings struct {
	// Environments say what images mean, before the built in ones.
	Environments []environment.Recipe `json:"environments,omitempty"`
	// FrontDoor says where people come in, and by which certificate.
	FrontDoor doorSettings `json:"frontDoor,omitempty"`
	// SignIn says how people sign in there, beside weir's own ways.
	SignIn gateway.SignIn `json:"signIn,omitempty"`
	// Storage says who reaches which buckets.
	Storage storageSettings `json:"storage,omitempty"`
	// Registries say how registries of images are reached.
	Registries registrySettings `json:"registries,omitempty"`
	// Images say when those that nobody uses make room.
	Images imageSettings `json:"images,omitempty"`
	// Logs say how long the logs of pods stay when the pods are gone.
	Logs logSettings `json:"logs,omitempty"`
	// Run is what weir run takes where nobody says otherwise.
	Run runSettings `json:"run,omitempty"`
}

// runSettings are a site's defaults for runs.
type runSettings struct {
	Namespace string `json:"namespace,omitempty"`
	Image     string `json:"image,omitempty"`
	hardware  `json:",inline"`
	// Variables are set in every run.
	Variables map[string]string `json:"variables,omitempty"`
	// Hardware is a menu for --hardware.
	Hardware map[string]hardware `json:"hardware,omitempty"`
}

// hardware is what each replica of a run asks for.
type hardware struct {
	CPU    string `json:"cpu,omitempty"`
	Memory string `json:"memory,omitempty"`
	GPU    int    `json:"gpu,omitempty"`
}

type storageSettings struct {
	// Common says who reaches the buckets that are of no namespace, beside the owners:
	// pods, which is so by default, or nobody.
	Common string `json:"common,omitempty"`
}

func (s storageSettings) common() bool { return s.Common != "nobody" }

func (s storageSettings) check() error {
	if s.Common != "" && s.Common != "pods" && s.Common != "nobody" {
		return &gateway.FieldError{Field: "common", Err: fmt.Errorf("%q is not known: write pods or nobody", s.Common)}
	}
	return nil
}

type registrySettings struct {
	// Plain names those without TLS, as "registry.example:5000".
	Plain []string `json:"plain,omitempty"`
}

// imageSettings are the kubelet's, under its names, and 0 is what it does by default.
type imageSettings struct {
	// GCHighThresholdPercent is how full the disk is when images are removed, 100 for
	// never, and GCLowThresholdPercent how full it may stay.
	GCHighThresholdPercent int32 `json:"gcHighThresholdPercent,omitempty"`
	GCLowThresholdPercent  int32 `json:"gcLowThresholdPercent,omitempty"`
}

func (i imageSettings) collection() node.ImageCollection {
	c := node.ImageCollection{High: 85, Low: 80}
	if i.GCHighThresholdPercent > 0 {
		c.High = i.GCHighThresholdPercent
		c.Low = max(min(c.Low, c.High-5), 0)
	}
	if i.GCLowThresholdPercent > 0 {
		c.Low = i.GCLowThresholdPercent
	}
	return c
}

func (i imageSettings) check() error {
	if i.GCHighThresholdPercent < 0 || i.GCHighThresholdPercent > 100 {
		return &gateway.FieldError{Field: "gcHighThresholdPercent", Err: fmt.Errorf("%d is no part of a disk: write 1 to 100", i.GCHighThresholdPercent)}
	}
	if c := i.collection(); i.GCLowThresholdPercent < 0 || c.Low >= c.High {
		return &gateway.FieldError{Field: "gcLowThresholdPercent", Err: fmt.Errorf("%d is not from 1 to below gcHighThresholdPercent, which is %d", i.GCLowThresholdPercent, c.High)}
	}
	return nil
}

type logSettings struct {
	// Keep is an age, as "168h"; Size an amount of all of them in bytes.
	Keep metav1.Duration `json:"keep,omitempty"`
	Size int64           `json:"size,omitempty"`
}

func (l logSettings) retention() podlogs.Retention {
	r := podlogs.Retention{Age: 7 * 24 * time.Hour, Bytes: 10 << 30}
	if l.Keep.Duration > 0 {
		r.Age = l.Keep.Duration
	}
	if l.Size > 0 {
		r.Bytes = l.Size
	}
	return r
}

func settingsFile(dir string) string { return filepath.Join(dir, "weir.yaml") }

// readSettings reads weir.yaml in dir, and the variables that win over it. Without
// them, all is as it is by default.
func readSettings(dir string) (*settings, error) {
	var s settings
	file := settingsFile(dir)
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	at, err := decodeSettings(file, data, &s)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	variables, err := readVariables(&s, os.Environ())
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("read settings: %w", placed(err, at, variables))
	}
	return &s, nil
}

// check says what is wrong, by the field.
func (s *settings) check() error {
	for i, r := range s.Environments {
		if err := r.Check(); err != nil {
			return &gateway.FieldError{Field: fmt.Sprintf("environments[%d]", i), Err: err}
		}
	}
	if err := gateway.Within("frontDoor", s.FrontDoor.check()); err != nil {
		return err
	}
	if err := gateway.Within("images", s.Images.check()); err != nil {
		return err
	}
	if err := gateway.Within("storage", s.Storage.check()); err != nil {
		return err
	}
	return gateway.Within("signIn", s.SignIn.Check())
}

// newerEnvironments yields the environments of weir.yaml, and whether it has
// changed since they were asked for before. A file that cannot be read changes
// nothing.
func newerEnvironments(dir string) func() ([]environment.Recipe, bool) {
	var last string
	return func() ([]environment.Recipe, bool) {
		now := versionOf(settingsFile(dir))
		if now == last {
			return nil, false
		}
		last = now
		s, err := readSettings(dir)
		if err != nil {
			klog.ErrorS(err, "Settings stay as they were")
			return nil, false
		}
		return s.Environments, true
	}
}

// versionOf tells one state of a file from another.
func versionOf(file string) string {
	info, err := os.Stat(file)
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size(), info.Sys().(*syscall.Stat_t).Ino)
}
