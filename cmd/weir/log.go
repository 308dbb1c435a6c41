package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
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

// withStderrIn does something, and puts what is printed on standard error
// meanwhile into a file. Where that cannot be, it stays on the screen.
func withStderrIn(file string, do func()) {
	back := redirectStderr(file)
	do()
	back()
}

// redirectStderr sends standard error to a file, and returns what sends it back.
func redirectStderr(file string) (back func()) {
	stderr := int(os.Stderr.Fd())
	screen, err := unix.FcntlInt(uintptr(stderr), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return func() {}
	}
	log, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		err = unix.Dup3(int(log.Fd()), stderr, 0)
		_ = log.Close()
	}
	return func() {
		if err == nil {
			_ = unix.Dup3(screen, stderr, 0)
		}
		_ = unix.Close(screen)
	}
}
