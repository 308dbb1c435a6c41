package admission_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/install"
	"github.com/weir-ml/weir/platform/admission"
	"github.com/weir-ml/weir/platform/apply"
	"github.com/weir-ml/weir/platform/training/jobs"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// A TFJob that could not run is refused in a sentence; one that can is let in.
func TestValidate(t *testing.T) {
	c, _ := start(t)
	namespace := newNamespace(t)
	j := tfJob(namespace, "main")
	err := c.Create(t.Context(), j)
	want := `admission webhook "check-tfjobs.weir-ml.github.io" denied the request: TFJob.kubeflow.org "mnist" is invalid: ` +
		`spec.tfReplicaSpecs[Worker].template.spec.containers: Required value: must have at least one container with name tensorflow: rename the one that does the training`
	if !apierrors.IsInvalid(err) || err.Error() != want {
		t.Errorf("create: %v\nwant: %s", err, want)
	}

	j = tfJob(namespace, training.TFJobContainer)
	j.Finalizers = []string{"test.io/wait"}
	if err := c.Create(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	j.Spec.RunPolicy.ManagedBy = new(training.ManagerMultiKueue)
	if err := c.Update(t.Context(), j); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "managedBy") {
		t.Errorf("a change of managedBy: %v, want it refused", err)
	}

	// One that is being deleted may be let go of, however it stands.
	if err := c.Delete(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(j), j); err != nil {
		t.Fatal(err)
	}
	j.Spec.TFReplicaSpecs["Worker"].Template.Spec.Containers[0].Name = "main"
	j.Finalizers = nil
	if err := c.Update(t.Context(), j); err != nil {
		t.Errorf("let go of a job that is being deleted: %v", err)
	}
}

// A field that no pod has is told of, as deep as it stands: the schemas of the
// kinds leave much of a pod open.
func TestUnknownField(t *testing.T) {
	start(t)
	config := clustertest.REST(t)
	var said []string
	config.WarningHandlerWithContext = warnings(func(text string) { said = append(said, text) })
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	namespace := newNamespace(t)
	probe := map[string]any{"exec": map[string]any{"command": []any{"true"}}, "everySeconds": int64(3)}
	j := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kubeflow.org/v1", "kind": "TFJob",
		"metadata": map[string]any{"namespace": namespace, "name": "mnist"},
		"spec": map[string]any{"tfReplicaSpecs": map[string]any{"Worker": map[string]any{"template": map[string]any{"spec": map[string]any{
			"containers": []any{map[string]any{"name": "tensorflow", "image": "x", "livenessProbe": probe}},
		}}}}},
	}}
	if err := c.Create(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	want := []string{`unknown field "spec.tfReplicaSpecs.Worker.template.spec.containers[0].livenessProbe.everySeconds"`}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("warnings: -want, +got:\n%s", diff)
	}
}

// warnings hears what the API server warns of.
type warnings func(string)

func (w warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) { w(text) }

// A pod that asks for it gets the way to S3, and what it says itself wins.
func TestS3(t *testing.T) {
	c, _ := start(t)
	ctx, namespace := t.Context(), newNamespace(t)
	plain := podOf(namespace, "plain", nil)
	declined := podOf(namespace, "declined", map[string]string{admission.LabelS3: "false"})
	asking := podOf(namespace, "asking", map[string]string{admission.LabelS3: "true"})
	own := corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "own"}}}
	asking.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{own}

	if err := c.Create(ctx, asking.DeepCopy(), client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: namespace, Name: admission.SecretS3}
	if err := c.Get(ctx, key, secret); !apierrors.IsNotFound(err) {
		t.Errorf("a dry run made the secret: %v", err)
	}

	for _, p := range []*corev1.Pod{plain, declined, asking} {
		if err := c.Create(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []*corev1.Pod{plain, declined} {
		if len(p.Spec.Containers[0].EnvFrom) > 0 {
			t.Errorf("pod %s did not ask, and got %v", p.Name, p.Spec.Containers[0].EnvFrom)
		}
	}
	ours := corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: admission.SecretS3}}}
	for _, containers := range [][]corev1.Container{asking.Spec.InitContainers, asking.Spec.Containers[1:]} {
		if diff := cmp.Diff([]corev1.EnvFromSource{ours}, containers[0].EnvFrom); diff != "" {
			t.Errorf("container %s: -want, +got:\n%s", containers[0].Name, diff)
		}
	}
	if diff := cmp.Diff([]corev1.EnvFromSource{ours, own}, asking.Spec.Containers[0].EnvFrom); diff != "" {
		t.Errorf("ours comes before the pod's own, which so wins: -want, +got:\n%s", diff)
	}

	if err := c.Get(ctx, key, secret); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name, value := range secret.Data {
		got[name] = string(value)
	}
	want := map[string]string{
		"AWS_ACCESS_KEY_ID": "key-of-" + namespace, "AWS_SECRET_ACCESS_KEY": "hidden", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
		"AWS_ENDPOINT_URL": "http://10.0.0.1:9000", "S3_ENDPOINT": "10.0.0.1:9000", "S3_USE_HTTPS": "0", "S3_VERIFY_SSL": "0",
		"endpoint_url": "http://10.0.0.1:9000", "aws_access_key_id": "key-of-" + namespace, "aws_secret_access_key": "hidden",
		"signature_version": "s3v4", "region_name": "us-east-1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("secret: -want, +got:\n%s", diff)
	}
}

// keep is an environment's image that says what it is of.
func keep(python string, packages []string) (string, error) {
	if packages[0] == "full" {
		return "", errors.New("no space left on device")
	}
	return "kept/" + python + ":" + strings.Join(packages, "-"), nil
}

// A pod that lists packages runs in an environment that has them, in place of a
// bare Python; other images stay.
func TestPackages(t *testing.T) {
	c, _ := start(t)
	namespace := newNamespace(t)
	cases := map[string]struct {
		why, label, packages, image, want string
	}{
		"any":      {"Any Python will do.", "true", "numpy\n\n# old\npandas\n", "python:3", "kept/:numpy-pandas"},
		"version":  {"A version is a version.", "true", "numpy", "docker.io/library/python:3.12-slim", "kept/3.12:numpy"},
		"latest":   {"No tag is the latest.", "true", "numpy", "python", "kept/:numpy"},
		"image":    {"An image that is more than Python stays.", "true", "numpy", "tensorflow/tensorflow:2.21.0", "tensorflow/tensorflow:2.21.0"},
		"mine":     {"Somebody's own python is not Python's.", "true", "numpy", "ada/python:3", "ada/python:3"},
		"old":      {"There is no environment for Python 2.", "true", "numpy", "python:2.7", "python:2.7"},
		"declined": {"It may be declined.", "false", "numpy", "python:3", "python:3"},
		"nothing":  {"There may be nothing on the list.", "true", "", "python:3", "python:3"},
	}
	for name, tc := range cases {
		p := podOf(namespace, name, map[string]string{admission.Packages: tc.label})
		p.Annotations = map[string]string{admission.Packages: tc.packages}
		p.Spec.Containers[0].Image = tc.image
		if err := c.Create(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if got := p.Spec.Containers[0].Image; got != tc.want {
			t.Errorf("%s: %s the image is %s, want %s", name, tc.why, got, tc.want)
		}
	}
	p := podOf(namespace, "full", map[string]string{admission.Packages: "true"})
	p.Annotations = map[string]string{admission.Packages: "full"}
	p.Spec.Containers[0].Image = "python:3"
	if err := c.Create(t.Context(), p); err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("packages that cannot be kept: %v", err)
	}
}

// A store that has moved is told to the namespaces that know the old one. A Secret that
// somebody made by hand is theirs: pods are led where it says.
func TestS3Moves(t *testing.T) {
	cases := map[string]struct {
		labels    map[string]string
		want      string
		elsewhere bool
	}{
		"made by weir": {map[string]string{apply.Label: "s3"}, "http://10.0.0.1:9000", false},
		"made by hand": {map[string]string{"team": "a"}, "http://10.9.9.9:9000", true},
	}
	c, made := newClient(t), map[string]*corev1.Secret{}
	for name, tc := range cases {
		made[name] = &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: newNamespace(t), Name: admission.SecretS3, Labels: tc.labels},
			StringData: map[string]string{"AWS_ENDPOINT_URL": "http://10.9.9.9:9000"},
		}
		if err := c.Create(t.Context(), made[name]); err != nil {
			t.Fatal(err)
		}
	}
	start(t)
	for name, tc := range cases {
		secret := made[name]
		look := func(when string) {
			t.Helper()
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
				t.Fatal(err)
			}
			if got := string(secret.Data["AWS_ENDPOINT_URL"]); got != tc.want {
				t.Errorf("%s: %s the namespace knows %q, want %q", name, when, got, tc.want)
			}
		}
		look("after a start")
		if err := c.Create(t.Context(), podOf(secret.Namespace, "asking", map[string]string{admission.LabelS3: "true"})); err != nil {
			t.Fatal(err)
		}
		look("after a pod")
		if got, err := admission.LedElsewhere(t.Context(), c, secret.Namespace); err != nil || got != tc.elsewhere {
			t.Errorf("%s: led elsewhere: %t, %v", name, got, err)
		}
	}
	if got, err := admission.LedElsewhere(t.Context(), c, newNamespace(t)); err != nil || got {
		t.Errorf("a namespace without a secret is led elsewhere: %t, %v", got, err)
	}
}

func TestS3NeedsAURL(t *testing.T) {
	_, err := admission.S3(nil, nil, admission.Store{Endpoint: "10.0.0.1"})
	if want := `S3 endpoint "10.0.0.1": give a URL, as http://10.0.0.1:9000`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// When the server has stopped, the API server asks no one, and goes on.
func TestStops(t *testing.T) {
	c, stop := start(t)
	stop()
	var list admissionregistration.ValidatingWebhookConfigurationList
	if err := c.List(t.Context(), &list, client.MatchingLabels{apply.Label: "admission"}); err != nil || len(list.Items) > 0 {
		t.Errorf("after it stopped: %d configurations, %v", len(list.Items), err)
	}
	clustertest.Until(t, "jobs to be let in unseen", func() bool { return c.Create(t.Context(), tfJob("default", "main"), client.DryRunAll) == nil })
}

// start runs a server with all rules until the test ends, or the function that
// it returns is called.
func start(t *testing.T) (client.Client, func()) {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	config := clustertest.REST(t)
	var files [][]byte
	for _, f := range install.Kinds() {
		files = append(files, f.Data)
	}
	if err := apply.Kinds(t.Context(), config, files...); err != nil {
		t.Fatal(err)
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{Scheme: newScheme(t), Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		t.Fatal(err)
	}
	s3, err := admission.S3(mgr.GetClient(), mgr.GetAPIReader(), admission.Store{
		Endpoint: "http://10.0.0.1:9000", Region: "us-east-1",
		Keys: func(_ context.Context, namespace string) (string, string, error) {
			return "key-of-" + namespace, "hidden", nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	server, err := admission.Setup(mgr, admission.Options{}, append(jobs.Rules(), s3, admission.Environments(keep))...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("manager: %v", err)
			}
		}
	}
	t.Cleanup(stop)
	select {
	case <-server.Ready():
	case err := <-ended:
		t.Fatalf("manager: %v", err)
	}

	// The API server takes a moment to know of its webhooks.
	c := newClient(t)
	clustertest.Until(t, "the webhook to be asked", func() bool {
		return apierrors.IsInvalid(c.Create(t.Context(), tfJob("default", "main"), client.DryRunAll))
	})
	clustertest.Until(t, "the other to be asked", func() bool {
		p := podOf("default", "probe", map[string]string{admission.LabelS3: "true"})
		return c.Create(t.Context(), p, client.DryRunAll) == nil && len(p.Spec.Containers[0].EnvFrom) > 0
	})
	return c, stop
}

// newNamespace makes a namespace in which pods are admitted: one with its service
// account.
func newNamespace(t *testing.T) string {
	t.Helper()
	c := newClient(t)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "admission-"}}
	if err := c.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	clustertest.Until(t, "the service account", func() bool {
		return c.Get(t.Context(), client.ObjectKey{Namespace: ns.Name, Name: "default"}, &corev1.ServiceAccount{}) == nil
	})
	return ns.Name
}

func newClient(t *testing.T) client.Client {
	t.Helper()
	c, err := client.New(clustertest.REST(t), client.Options{Scheme: newScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, training.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func tfJob(namespace, container string) *training.TFJob {
	s := &training.ReplicaSpec{}
	s.Template.Spec.Containers = []corev1.Container{{Name: container, Image: "x"}}
	return &training.TFJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "mnist"},
		Spec:       training.TFJobSpec{TFReplicaSpecs: map[training.ReplicaType]*training.ReplicaSpec{"Worker": s}},
	}
}

func podOf(namespace, name string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Name: "first", Image: "x"}},
			Containers:     []corev1.Container{{Name: "main", Image: "x"}, {Name: "side", Image: "x"}},
		},
	}
}
