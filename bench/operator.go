package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
)

// What upstream's training operator looks for by these names when it starts.
const (
	operatorNamespace = "kubeflow"
	operatorSecret    = "training-operator-webhook-cert"
	operatorWebhooks  = "validator.training-operator.kubeflow.org"
	operatorCerts     = "/tmp/k8s-webhook-server/serving-certs"
)

// startOperator runs upstream's training operator in place of weir's
// controllers, on the same weir, until it is stopped. It may ask as often and
// look at as many jobs at once as they do. Its webhooks are left out, so that
// no job waits for them.
func (b *bench) startOperator(ctx context.Context, w *weir, objects dynamic.Interface) (*controllers, error) {
	core, _, err := w.clients()
	if err != nil {
		return nil, err
	}
	if _, err := core.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}}, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	secrets := core.CoreV1().Secrets(operatorNamespace)
	if _, err := secrets.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: operatorSecret}}, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	if _, err := core.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(ctx,
		&admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: operatorWebhooks}}, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	if err := w.do(ctx, "kubectl", "apply", "--server-side", "-k", filepath.Join(b.operator, "manifests", "base", "crds")); err != nil {
		return nil, err
	}
	// It ends if one of its kinds is not served yet.
	if err := w.do(ctx, "kubectl", "wait", "--for=condition=Established", "crd", "--all", "--timeout=1m"); err != nil {
		return nil, err
	}

	c := exec.CommandContext(ctx, filepath.Join(b.operator, "bin", "training-operator"),
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--controller-threads=8", "--kube-api-qps=2000", "--kube-api-burst=4000")
	// Its webhooks look for their certificate below TMPDIR, and what waits for it does
	// so in /tmp: it ends if these are two places.
	c.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(w.dir, "kubeconfig"), "TMPDIR=/tmp")
	o, err := begin(c, filepath.Join(w.dir, "operator.log"))
	if err != nil {
		return nil, err
	}
	err = served(ctx, func() error { // The pod it is meant to run in has the secret as a folder.
		secret, err := secrets.Get(ctx, operatorSecret, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if len(secret.Data) == 0 {
			return fmt.Errorf("the training operator has not written its certificate; its log is %s", filepath.Join(w.dir, "operator.log"))
		}
		return writeFiles(operatorCerts, secret.Data)
	})
	if err == nil {
		err = jobsServed(ctx, objects)
	}
	stop := o.stop
	o.stop = func() {
		stop()
		_ = os.RemoveAll(operatorCerts)
	}
	if err != nil {
		o.stop()
		return nil, err
	}
	return o, nil
}

// writeFiles makes a folder of files, all of them at once: the operator reads them
// as soon as it sees one.
func writeFiles(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	next, err := os.MkdirTemp(filepath.Dir(dir), "next-")
	if err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(next, name), data, 0o600); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(next, dir)
}

// begin starts a program that writes to a log, and that is asked to end.
func begin(c *exec.Cmd, log string) (*controllers, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	c.Stdout, c.Stderr = f, f
	if err := c.Start(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &controllers{pid: c.Process.Pid, stop: func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait() // It was told to end.
		_ = f.Close()
	}}, nil
}
