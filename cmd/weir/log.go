package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"gopkg.in/natefinch/lumberjack.v2"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// logToFile sends what Kubernetes's components and the controllers log to a
// file of at most 20 MB, of which three are kept.
func logToFile(file string) (func(), error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("make folder for logs: %w", err)
	}
	out := &lumberjack.Logger{Filename: file, MaxSize: 20, MaxBackups: 3}
	settings := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(settings)
	for name, value := range map[string]string{"logtostderr": "false", "alsologtostderr": "false", "stderrthreshold": "FATAL", "one_output": "true"} {
		if err := settings.Set(name, value); err != nil {
			return nil, fmt.Errorf("set up log: %w", err)
		}
	}
	klog.SetOutput(out)
	ctrllog.SetLogger(klog.Background())
	return func() {
		klog.Flush()
		_ = out.Close()
	}, nil
}
