package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/weir-ml/weir/test/program"
)

// A story is a test that happens in a namespace of a weir.
type story struct {
	*testing.T
	*weir
	namespace string
}

// begin begins a story on the shared weir, beside others.
func begin(t *testing.T) *story {
	t.Helper()
	t.Parallel()
	return shared.story(t)
}

// story begins a story in a namespace that is called as the test. When it fails
// it says how things stand.
func (w *weir) story(t *testing.T) *story {
	t.Helper()
	return w.storyIn(t, strings.ToLower(strings.NewReplacer("/", "-", "_", "-", "Test", "").Replace(t.Name())))
}

// storyIn begins a story in the namespace of a name.
func (w *weir) storyIn(t *testing.T, name string) *story {
	t.Helper()
	s := &story{t, w, name}
	core := w.core(t)
	program.Namespace(t, core, name)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.howThingsStand())
		}
		if w == &shared {
			_ = core.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{})
		}
	})
	return s
}

// eventually waits for a fact; what was seen last is told if it does not come.
func (s *story) eventually(within time.Duration, fact string, is func() (bool, string)) {
	s.Helper()
	eventually(s.T, within, fact, is)
}

func eventually(t *testing.T, within time.Duration, fact string, is func() (bool, string)) {
	t.Helper()
	program.Eventually(t, within, fact, is)
}

// apply creates what a manifest says, in the story's namespace.
func (s *story) apply(manifest string) {
	s.Helper()
	s.weir.apply(s.T, s.namespace, manifest)
}

// kubectl runs a command of kubectl that must succeed, in the story's namespace.
func (s *story) kubectl(args ...string) string {
	s.Helper()
	return s.weir.kubectl(s.T, append([]string{"-n", s.namespace}, args...)...)
}

// must runs a command of weir that must succeed, in the story's namespace.
func (s *story) must(args ...string) string {
	s.Helper()
	return s.weir.must(s.T, append(args, "-n", s.namespace)...)
}

// pod returns a pod as it is now; ok is whether there is one.
func (s *story) pod(name string) (p *corev1.Pod, ok bool) {
	s.Helper()
	p, err := s.core(s.T).CoreV1().Pods(s.namespace).Get(context.Background(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, false
	}
	if err != nil {
		s.Fatal(err)
	}
	return p, true
}

// pods returns the namespace's pods that have a label.
func (s *story) pods(selector string) []corev1.Pod {
	s.Helper()
	list, err := s.core(s.T).CoreV1().Pods(s.namespace).List(context.Background(), metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		s.Fatal(err)
	}
	return list.Items
}

// phases says how pods are, as "a=Running b=Succeeded".
func phases(pods []corev1.Pod) string {
	var all []string
	for _, p := range pods {
		all = append(all, fmt.Sprintf("%s=%s", p.Name, p.Status.Phase))
	}
	return strings.Join(all, " ")
}

// runs waits until a pod is ready.
func (s *story) runs(name string) *corev1.Pod {
	s.Helper()
	var pod *corev1.Pod
	s.eventually(2*time.Minute, "pod "+name+" is ready", func() (bool, string) {
		p, ok := s.pod(name)
		if !ok {
			return false, "no such pod"
		}
		pod = p
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				return true, ""
			}
		}
		return false, said(p)
	})
	return pod
}

// ends waits until a pod has ended, and returns what it printed.
func (s *story) ends(name string, as corev1.PodPhase) string {
	s.Helper()
	s.eventually(4*time.Minute, fmt.Sprintf("pod %s is %s", name, as), func() (bool, string) {
		p, ok := s.pod(name)
		if !ok {
			return false, "no such pod"
		}
		if (p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed) && p.Status.Phase != as {
			s.Fatalf("pod %s is %s, not %s: %s\n%s", name, p.Status.Phase, as, said(p), s.ask(s.T, "", "kubectl", "logs", "-n", s.namespace, name).out)
		}
		return p.Status.Phase == as, said(p)
	})
	return s.kubectl("logs", name)
}

// said is what a pod's status says of its containers.
func said(p *corev1.Pod) string {
	all := string(p.Status.Phase)
	for _, c := range p.Status.ContainerStatuses {
		switch {
		case c.State.Waiting != nil:
			all += fmt.Sprintf("; %s waits: %s: %s", c.Name, c.State.Waiting.Reason, c.State.Waiting.Message)
		case c.State.Terminated != nil:
			all += fmt.Sprintf("; %s ended: %s: exit code %d: %s", c.Name, c.State.Terminated.Reason, c.State.Terminated.ExitCode, c.State.Terminated.Message)
		}
	}
	return all
}

// job returns a training job as it is now, by the name that kubectl knows,
// "jaxjob/mnist"; nil if there is none. Without a kind it is a TFJob.
func (s *story) job(name string) *unstructured.Unstructured {
	s.Helper()
	kind, short, said := strings.Cut(name, "/")
	if !said {
		kind, short = "tfjob", name
	}
	client, err := dynamic.NewForConfig(s.rest(s.T))
	if err != nil {
		s.Fatal(err)
	}
	resource := schema.GroupVersionResource{Group: "kubeflow.org", Version: "v1", Resource: kind + "s"}
	o, err := client.Resource(resource).Namespace(s.namespace).Get(context.Background(), short, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.Fatal(err)
	}
	return o
}

// condition returns the message of a condition that is true.
func condition(o *unstructured.Unstructured, kind string) (message string, is bool) {
	if o == nil {
		return "", false
	}
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, item := range conditions {
		if c, _ := item.(map[string]any); c["type"] == kind && c["status"] == "True" {
			message, _ = c["message"].(string)
			return message, true
		}
	}
	return "", false
}

// becomes waits until a job has a condition, and returns its message. A job that
// ends otherwise ends the story. Its name is as for job.
func (s *story) becomes(name, kind string, within time.Duration) string {
	s.Helper()
	var message string
	s.eventually(within, fmt.Sprintf("job %s is %s", name, kind), func() (bool, string) {
		o := s.job(name)
		for _, end := range []string{"Succeeded", "Failed"} {
			if m, ended := condition(o, end); ended && end != kind && kind != "Running" {
				s.Fatalf("job %s is %s, not %s: %s", name, end, kind, m)
			}
		}
		var is bool
		message, is = condition(o, kind)
		return is, phases(s.pods("training.kubeflow.org/job-name=" + name[strings.Index(name, "/")+1:]))
	})
	return message
}

// howThingsStand is what a person would look at first.
func (s *story) howThingsStand() string {
	var all strings.Builder
	look := func(args ...string) string {
		a := s.ask(s.T, "", append(args, "-n", s.namespace)...)
		fmt.Fprintf(&all, "$ weir %s\n%s%s\n", strings.Join(args, " "), a.out, a.err)
		return a.out
	}
	look("kubectl", "get", "tfjobs,pytorchjobs,xgboostjobs,paddlejobs,jaxjobs,mpijobs,jobs,deployments,pods,services,pvc", "-o", "wide")
	look("kubectl", "get", "events", "--sort-by=.lastTimestamp", "-o", "custom-columns=TYPE:.type,REASON:.reason,OBJECT:.involvedObject.name,MESSAGE:.message")
	list, err := s.core(s.T).CoreV1().Pods(s.namespace).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		return all.String() + err.Error()
	}
	for _, p := range list.Items {
		look("explain", "pod/"+p.Name)
		look("kubectl", "logs", "--all-containers", "--tail=8", p.Name)
	}
	all.WriteString(s.lastWords())
	return all.String()
}
