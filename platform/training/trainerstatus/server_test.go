package trainerstatus_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authentication "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/install"
	"github.com/weir-ml/weir/platform/training/stage"
	"github.com/weir-ml/weir/platform/training/trainerstatus"
	"github.com/weir-ml/weir/platform/training/trainjob"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// A program reports for its own TrainJob, and what it says is in the status.
func TestReport(t *testing.T) {
	c, url := serve(t)
	ctx := t.Context()
	for _, ns := range []string{"reports", "others"} {
		if err := c.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}); err != nil {
			t.Fatal(err)
		}
		if err := c.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "program"}}); err != nil {
			t.Fatal(err)
		}
	}
	j := &trainer.TrainJob{ObjectMeta: metav1.ObjectMeta{Namespace: "reports", Name: "t"}, Spec: trainer.TrainJobSpec{RuntimeRef: trainer.RuntimeRef{Name: "r"}}}
	if err := c.Create(ctx, j); err != nil {
		t.Fatal(err)
	}
	// Its controller reports too, and keeps what the program said.
	j.Status.JobsStatus = []trainer.JobStatus{{Name: "node"}}
	if err := c.Status().Update(ctx, j); err != nil {
		t.Fatal(err)
	}
	own := tokenOf(t, "reports", trainjob.Audience("reports", "t"))
	const good = `{"trainerStatus": {"progressPercentage": 45, "estimatedRemainingSeconds": 7, "metrics": [{"name": "loss", "value": "0.2"}], "lastUpdatedTime": "2026-01-02T03:04:05.678901+00:00"}}`

	cases := []struct {
		name, job, token, body string
		code                   int
		says                   string
	}{
		{"OtherAudience", "t", tokenOf(t, "reports", trainjob.Audience("reports", "u")), good, 403, "Forbidden"},
		{"OtherNamespace", "t", tokenOf(t, "others", trainjob.Audience("reports", "t")), good, 403, "Forbidden"},
		{"OfTheAPIServer", "t", tokenOf(t, "reports", ""), good, 403, "Forbidden"},
		{"NoToken", "t", "", good, 403, "for audience trainer.kubeflow.org/v1alpha1/namespaces/reports/trainjobs/t/status"},
		{"NoJob", "u", tokenOf(t, "reports", trainjob.Audience("reports", "u")), good, 404, "Train job not found"},
		{"NoJSON", "t", own, "progress: 3", 422, "Invalid payload"},
		{"TooMuch", "t", own, `{"trainerStatus": "` + strings.Repeat("a", 1<<17) + `"}`, 413, "at most 65536 bytes"},
		{"Above100", "t", own, `{"trainerStatus": {"progressPercentage": 101, "lastUpdatedTime": "2026-01-02T03:04:05Z"}}`, 422, "progressPercentage"},
		{"NoTime", "t", own, `{"trainerStatus": {"progressPercentage": 10}}`, 422, "lastUpdatedTime is required"},
		{"Nothing", "t", own, `{}`, 200, "{}"},
		{"Good", "t", own, good, 200, `"progressPercentage":45`},
	}
	for _, tc := range cases {
		code, body := post(t, url+trainjob.StatusPath("reports", tc.job), tc.token, tc.body)
		if code != tc.code || !strings.Contains(body, tc.says) {
			t.Errorf("%s: %d %s, want %d %s", tc.name, code, body, tc.code, tc.says)
		}
	}
	if code, body := post(t, url+"/apis", own, good); code != 404 || !strings.Contains(body, "Not found") {
		t.Errorf("another path: %d %s", code, body)
	}

	if err := c.Get(ctx, client.ObjectKeyFromObject(j), j); err != nil {
		t.Fatal(err)
	}
	s := j.Status.TrainerStatus
	if s == nil || *s.ProgressPercentage != 45 || *s.EstimatedRemainingSeconds != 7 || s.LastUpdatedTime.Year() != 2026 {
		t.Errorf("status: %+v", s)
	}
	if diff := cmp.Diff([]trainer.Metric{{Name: "loss", Value: "0.2"}}, s.Metrics); diff != "" || len(j.Status.JobsStatus) != 1 {
		t.Errorf("metrics: %s; jobs %v", diff, j.Status.JobsStatus)
	}
}

// serve has a manager serve while the test runs.
func serve(t *testing.T) (client.Client, string) {
	t.Helper()
	var kinds [][]byte
	for _, f := range install.Kinds() {
		if strings.Contains(f.Name, "trainjobs") {
			kinds = append(kinds, f.Data)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := stage.New(t, stage.Setting{Config: clustertest.REST(t), Kinds: kinds, Schemes: []func(*runtime.Scheme) error{trainer.AddToScheme}, Namespace: "status"})
	s.Play(func(mgr ctrl.Manager) error { return trainerstatus.Setup(mgr, l) })
	return s.Client, "http://" + l.Addr().String()
}

// tokenOf is a token of a namespace's service account for an audience.
func tokenOf(t *testing.T, namespace, audience string) string {
	t.Helper()
	core, err := kubernetes.NewForConfig(clustertest.REST(t))
	if err != nil {
		t.Fatal(err)
	}
	request := &authentication.TokenRequest{}
	if audience != "" {
		request.Spec.Audiences = []string{audience}
	}
	made, err := core.CoreV1().ServiceAccounts(namespace).CreateToken(t.Context(), "program", request, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made.Status.Token
}

func post(t *testing.T, url, token, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(said)
}
