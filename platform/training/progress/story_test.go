package progress_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	authentication "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/install"
	"github.com/weir-ml/weir/platform/routes"
	"github.com/weir-ml/weir/platform/training/progress"
	"github.com/weir-ml/weir/platform/training/stage"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// written are logs as a test writes them: no process runs.
type written struct {
	mu    sync.Mutex
	lines map[string][]line // by pod
	news  chan struct{}
}

type line struct {
	at   time.Time
	text string
}

func (w *written) print(pod, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines[pod] = append(w.lines[pod], line{time.Now(), text})
	close(w.news)
	w.news = make(chan struct{})
}

func (w *written) Follow(ctx context.Context, c progress.Container, after time.Time, over <-chan struct{}, take func(time.Time, string)) error {
	for n := 0; ; {
		ended := progress.IsOver(over)
		w.mu.Lock()
		lines, news := w.lines[c.Pod][n:], w.news
		w.mu.Unlock()
		n += len(lines)
		for _, l := range lines {
			if l.at.After(after) {
				take(l.at, l.text)
			}
		}
		if ended {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		case <-over:
		}
	}
}

// A world is a stage, and what follows jobs on it.
type world struct {
	*stage.Stage
	core kubernetes.Interface
	logs *written
	dir  string
	url  string
	stop func()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	var kinds [][]byte
	for _, f := range install.Kinds() {
		kinds = append(kinds, f.Data)
	}
	s := stage.New(t, stage.Setting{Config: clustertest.REST(t), Kinds: kinds, Schemes: []func(*runtime.Scheme) error{training.AddToScheme}, Namespace: "default", Named: true})
	core, err := kubernetes.NewForConfig(clustertest.REST(t))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Stage: s, core: core, dir: t.TempDir(), logs: &written{lines: map[string][]line{}, news: make(chan struct{})}}
	w.start()
	return w
}

// start starts what follows jobs.
func (w *world) start() {
	w.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	w.url = "http://" + l.Addr().String()
	w.stop = w.Play(func(mgr ctrl.Manager) error {
		store, err := progress.Setup(mgr, w.core, progress.Options{Dir: w.dir, Logs: w.logs})
		if err != nil {
			return err
		}
		return routes.Setup(mgr, l, progress.Routes(store, mgr.Elected())...)
	})
}

// job makes a job with a pod for each replica, which run.
func (w *world) job(name string, replicas ...string) *training.TFJob {
	w.Helper()
	pod := corev1.PodSpec{Containers: []corev1.Container{{Name: "sidecar", Image: "none"}, {Name: "tensorflow", Image: "none"}}}
	j := &training.TFJob{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	j.Spec.TFReplicaSpecs = map[training.ReplicaType]*training.ReplicaSpec{"Worker": {Template: corev1.PodTemplateSpec{Spec: pod}}}
	if err := w.Client.Create(w.Context(), j); err != nil {
		w.Fatal(err)
	}
	for _, r := range replicas {
		p := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "default", Name: name + "-" + r, Labels: map[string]string{training.LabelJobName: name},
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(j, training.GroupVersion.WithKind("TFJob"))},
			},
			Spec: pod,
		}
		if err := w.Client.Create(w.Context(), p); err != nil {
			w.Fatal(err)
		}
		w.set(p.Name, corev1.PodRunning, corev1.ContainerState{Running: &corev1.ContainerStateRunning{}})
	}
	return j
}

// set says how a pod is, as a kubelet would.
func (w *world) set(pod string, phase corev1.PodPhase, state corev1.ContainerState) {
	w.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: pod}}
	was := p.DeepCopy()
	p.Status.Phase = phase
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "sidecar", State: state}, {Name: "tensorflow", State: state}}
	if err := w.Client.Status().Patch(w.Context(), p, client.MergeFrom(was)); err != nil {
		w.Fatal(err)
	}
}

// says waits until a job's status says something of its progress.
func (w *world) says(name, want string) {
	w.Helper()
	w.eventually(want, func() string {
		j := &training.TFJob{}
		if err := w.Client.Get(w.Context(), client.ObjectKey{Namespace: "default", Name: name}, j); err != nil {
			return err.Error()
		}
		p := j.Status.Progress
		if p == nil {
			return "nothing"
		}
		percent := "?"
		if p.Percent != nil {
			percent = fmt.Sprint(*p.Percent)
		}
		return fmt.Sprintf("%s: epoch %d/%d, step %d/%d, %s %%, %v", p.Replica, p.Epoch, p.Epochs, p.Step, p.Steps, percent, p.Values)
	})
}

func (w *world) eventually(want string, is func() string) {
	w.Helper()
	var got string
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got = is(); got == want {
			return
		}
	}
	w.Fatalf("got %q, want %q", got, want)
}

// A job trains; what it prints is in its status, also of what it says after the
// controllers were started again in its middle, and to its end.
func TestJobIsFollowedToItsEnd(t *testing.T) {
	w := newWorld(t)
	w.job("mnist", "chief-0", "worker-0", "evaluator-0")
	w.logs.print("mnist-worker-0", "Epoch 1/2 loss: 0.9")
	w.logs.print("mnist-evaluator-0", "eval_accuracy=0.5")
	w.logs.print("mnist-chief-0", "Epoch 1/2")
	w.logs.print("mnist-chief-0", "5/10 [===>....] - loss: 0.5")
	w.says("mnist", "chief-0: epoch 1/2, step 5/10, 25 %, map[eval_accuracy:0.5 loss:0.5]")

	w.stop()
	w.logs.print("mnist-chief-0", "Epoch 2/2")
	w.start()
	w.logs.print("mnist-chief-0", "5/10 [===>....] - loss: nan")
	w.says("mnist", "chief-0: epoch 2/2, step 5/10, 75 %, map[eval_accuracy:0.5 loss:NaN]")

	w.logs.print("mnist-chief-0", "10/10 [=======] - loss: 0.25")
	w.set("mnist-chief-0", corev1.PodSucceeded, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}})
	w.says("mnist", "chief-0: epoch 2/2, step 10/10, 100 %, map[eval_accuracy:0.5 loss:0.25]")
	w.stop()
	c, err := progress.Open(w.dir).Find("default", "tfjob", "mnist")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range c.Replicas() {
		for _, s := range r.Series {
			for _, p := range s.Points {
				all = append(all, fmt.Sprintf("%s %s %d %v", r.Name, s.Name, p.Step, p.Value))
			}
		}
	}
	want := "[chief-0 loss 5 0.5 chief-0 loss 15 NaN chief-0 loss 20 0.25 evaluator-0 eval_accuracy 0 0.5 worker-0 loss 0 0.9]"
	if got := fmt.Sprint(all); got != want {
		t.Errorf("kept:\n%s, want\n%s", got, want)
	}
}

// The route is for those who may get the job, and answers what it is asked.
func TestRoute(t *testing.T) {
	w := newWorld(t)
	w.job("asked", "worker-0", "worker-1")
	w.logs.print("asked-worker-0", "step 1 loss 0.5 accuracy 0.7")
	w.logs.print("asked-worker-1", "step 1 loss 0.6")
	viewer, stranger := w.account("viewer", true), w.account("stranger", false)
	for name, tc := range map[string]struct {
		path, token string
		code        int
		says        string
	}{
		"All":         {"default/tfjobs/asked", viewer, 200, "worker-0/accuracy worker-0/loss worker-1/loss "},
		"OneName":     {"default/tfjobs/asked?name=loss", viewer, 200, "worker-0/loss worker-1/loss "},
		"OneReplica":  {"default/tfjobs/asked?replica=worker-1", viewer, 200, "worker-1/loss "},
		"Since":       {"default/tfjobs/asked?since=2200-01-01T00:00:00Z", viewer, 200, ""},
		"SinceNoTime": {"default/tfjobs/asked?since=yesterday", viewer, 400, "since=yesterday is no time; give one as 2026-11-25T10:00:00Z\n"},
		"Stranger":    {"default/tfjobs/asked", stranger, 403, "system:serviceaccount:default:stranger may not get tfjobs default/asked; a role of the cluster can allow it\n"},
		"Nobody":      {"default/tfjobs/asked", "", 401, "no token that the cluster knows; get one with kubectl create token, and send it as Authorization: Bearer TOKEN\n"},
		"NoJob":       {"default/tfjobs/other", viewer, 404, "tfjob/other in namespace default: nothing is known of its course\n"},
		"NoKind":      {"default/secrets/asked", viewer, 403, "system:serviceaccount:default:viewer may not get secrets default/asked; a role of the cluster can allow it\n"},
	} {
		t.Run(name, func(t *testing.T) {
			at := &world{Stage: w.In(t), url: w.url}
			at.eventually(fmt.Sprint(tc.code, tc.says), func() string { return at.ask(tc.path, tc.token) })
		})
	}
}

// ask asks the route, and says which series it answered with.
func (w *world) ask(path, token string) string {
	w.Helper()
	r, err := http.NewRequest(http.MethodGet, w.url+"/progress/"+path, nil)
	if err != nil {
		w.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error() // It does not listen yet.
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		w.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Sprint(answer.StatusCode, string(body))
	}
	var a struct {
		Replicas []struct {
			Name   string
			Series []struct{ Name string }
		}
	}
	if err := json.Unmarshal(body, &a); err != nil {
		w.Fatalf("%s: %v", body, err)
	}
	all := ""
	for _, r := range a.Replicas {
		names := map[string]bool{}
		for _, s := range r.Series {
			names[s.Name] = true
		}
		for _, n := range []string{"accuracy", "loss"} {
			if names[n] {
				all += r.Name + "/" + n + " "
			}
		}
	}
	return fmt.Sprint(answer.StatusCode, all)
}

// account makes an account that may get jobs or may not, and returns a token.
func (w *world) account(name string, getsJobs bool) string {
	w.Helper()
	ctx := w.Context()
	if _, err := w.core.CoreV1().ServiceAccounts("default").Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
	if getsJobs {
		r := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{"kubeflow.org"}, Resources: []string{"tfjobs"}}}}
		if _, err := w.core.RbacV1().Roles("default").Create(ctx, r, metav1.CreateOptions{}); err != nil {
			w.Fatal(err)
		}
		if _, err := w.core.RbacV1().RoleBindings("default").Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: name}},
		}, metav1.CreateOptions{}); err != nil {
			w.Fatal(err)
		}
	}
	token, err := w.core.CoreV1().ServiceAccounts("default").CreateToken(ctx, name, &authentication.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return token.Status.Token
}
