package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	kubectl "k8s.io/kubectl/pkg/cmd"

	"github.com/weir-ml/weir/kit/secureshell"
)

// programs are what this program is in pods, by the name it is called. An MPI
// starts its processes through them.
var programs = map[string]func(ctx context.Context, args []string) int{
	"sshd": func(ctx context.Context, args []string) int { return secureshell.Serve(ctx, args, os.Stderr) },
	"ssh": func(ctx context.Context, args []string) int {
		return secureshell.Connect(ctx, args, os.Stdin, os.Stdout, os.Stderr)
	},
	"kubectl":          kubectlInPod,
	"kubectl-delivery": deliverKubectl,
}

// places are where the programs lie, seen from a container's root.
var places = []string{"usr/sbin/sshd", "usr/bin/ssh", "usr/bin/kubectl-delivery"}

// mpiHome is where images of MPI programs have their user's home, seen from a
// container's root. Clients put programs there, whoever runs them.
const mpiHome = "home/mpiuser"

// layPrograms makes a folder of the programs, each of which is this one. It is
// linked where it can be, and copied where not.
func layPrograms(dir string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("lay out programs for pods: %w", err)
	}
	now, err := os.Stat(self)
	if err != nil {
		return "", fmt.Errorf("lay out programs for pods: %w", err)
	}
	home := filepath.Join(dir, mpiHome)
	if err := errors.Join(os.MkdirAll(home, 0o755), os.Chmod(home, 0o777)); err != nil {
		return "", fmt.Errorf("lay out programs for pods: %w", err)
	}
	first := ""
	for _, place := range places {
		path := filepath.Join(dir, place)
		there, err := os.Stat(path)
		if err == nil && (os.SameFile(now, there) || there.Size() == now.Size() && there.ModTime().Equal(now.ModTime())) {
			first = path
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", fmt.Errorf("lay out programs for pods: %w", err)
		}
		temp := path + ".new"
		_ = os.Remove(temp)
		if os.Link(self, temp) != nil && (first == "" || os.Link(first, temp) != nil) {
			if err := copyProgram(self, temp); err != nil {
				return "", fmt.Errorf("lay out programs for pods: %w", err)
			}
		}
		if err := os.Rename(temp, path); err != nil {
			return "", fmt.Errorf("lay out programs for pods: %w", err)
		}
		first = path
	}
	return dir, nil
}

// copyProgram copies a program, with the time it was made.
func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// kubectlInPod is kubectl with the rights of the pod that it runs in.
func kubectlInPod(ctx context.Context, args []string) int {
	cmd := kubectl.NewKubectlCommand(kubectl.KubectlOptions{
		Arguments:   append([]string{"kubectl"}, args...),
		ConfigFlags: genericclioptions.NewConfigFlags(true),
		IOStreams:   genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
	})
	cmd.SetArgs(args)
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "kubectl:", err)
		return 1
	}
	return 0
}

// deliverKubectl is the init container of a launcher that reaches its workers by
// kubectl: it puts kubectl into the folder that TARGET_DIR names, and waits until
// all workers run.
func deliverKubectl(ctx context.Context, _ []string) int {
	if err := deliver(ctx, os.Getenv("TARGET_DIR"), os.Getenv("NAMESPACE"), "/etc/mpi/hostfile"); err != nil {
		fmt.Fprintln(os.Stderr, "kubectl-delivery:", err)
		return 1
	}
	return 0
}

func deliver(ctx context.Context, dir, namespace, hostfile string) error {
	if dir == "" || namespace == "" {
		return errors.New("TARGET_DIR and NAMESPACE must be set: they are, in the init container of an MPIJob's launcher")
	}
	if err := copyProgram("/proc/self/exe", filepath.Join(dir, "kubectl")); err != nil {
		return fmt.Errorf("put kubectl into %s: %w", dir, err)
	}
	data, err := os.ReadFile(hostfile)
	if err != nil {
		return fmt.Errorf("read the list of workers: %w", err)
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return fmt.Errorf("look for workers: %w", err)
	}
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("look for workers: %w", err)
	}
	self, err := os.Hostname()
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		name := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ':' || r == '\n' })
		if len(name) == 0 || name[0] == self {
			continue
		}
		if err := untilRunning(ctx, core, namespace, name[0]); err != nil {
			return err
		}
	}
	return nil
}

// untilRunning waits for a worker. One that is not there may be yet to come.
func untilRunning(ctx context.Context, core kubernetes.Interface, namespace, name string) error {
	for said := false; ; said = true {
		pod, err := core.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil && pod.Status.Phase == corev1.PodRunning {
			return nil
		}
		if !said {
			fmt.Printf("waiting for worker %s\n", name)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for worker %s: %w", name, ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}
