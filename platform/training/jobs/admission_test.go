package jobs_test

import (
	"context"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/platform/admission"
	"github.com/weir-ml/weir/platform/training/jobs"
)

// Jobs are checked on their way in, whatever their kind and version.
func TestAdmission(t *testing.T) {
	l := newLab(t, "admission")
	heard := l.checked()
	for _, k := range kinds {
		for _, version := range append([]string{"v1"}, versions[k.name]...) {
			t.Run(k.name+"/"+version, func(t *testing.T) {
				l, name := l.of(t, k), strings.ToLower(k.name+"-"+version)
				j, want := k.invalid(l, name)
				j.SetNamespace(l.Namespace)
				j.SetAPIVersion("kubeflow.org/" + version)
				if err := l.Client.Create(t.Context(), j); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), want) {
					t.Errorf("create a job that makes no sense: %v, want %q in it", err, want)
				}

				j = k.job(l, name, "managedBy: "+training.ManagerMultiKueue, "")
				j.SetAPIVersion("kubeflow.org/" + version)
				l.Create(j)
				patch := client.RawPatch(types.MergePatchType, []byte(`{"spec": {"runPolicy": {"managedBy": "`+training.ManagerTrainingOperator+`"}}}`))
				if err := l.Client.Patch(t.Context(), j, patch); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "field is immutable") {
					t.Errorf("a change of managedBy: %v, want it refused", err)
				}
				warned := heard.find("kubeflow.org/" + version + " is deprecated; use kubeflow.org/v1")
				if warned != (version != "v1") {
					t.Errorf("whether the client was warned of the version: %t", warned)
				}
			})
		}
	}
}

// warnings are what a client was warned of.
type warnings struct{ all chan string }

// HandleWarningHeader takes a warning down.
func (w warnings) HandleWarningHeader(_ int, _, text string) { w.all <- text }

func (w warnings) find(want string) bool {
	for {
		select {
		case text := <-w.all:
			if text == want {
				return true
			}
		default:
			return false
		}
	}
}

// checked has the API server ask the jobs' rules until the test ends, and the
// lab's client take warnings down.
func (l *lab) checked() warnings {
	l.Helper()
	config := clustertest.REST(l.T)
	mgr, err := ctrl.NewManager(config, ctrl.Options{Scheme: l.Client.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		l.Fatal(err)
	}
	server, err := admission.Setup(mgr, admission.Options{}, jobs.Rules()...)
	if err != nil {
		l.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	l.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			l.Errorf("manager: %v", err)
		}
	})
	<-server.Ready()

	heard := warnings{make(chan string, 1000)}
	config = rest.CopyConfig(config)
	config.WarningHandler = heard
	if l.Client, err = client.New(config, client.Options{Scheme: l.Client.Scheme()}); err != nil {
		l.Fatal(err)
	}
	return heard
}
