package job

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	training "github.com/weir-ml/weir/api/training/v1"
)

// A pod that is in the way may go between the refusal and the look at it.
// Nobody watches it, so the job has to be looked at again, and that is no
// trouble to tell of.
func TestNameFreedMeanwhile(t *testing.T) {
	c := fake.NewClientBuilder().Build()
	said := events.NewFakeRecorder(1)
	r := &Reconciler[*training.TFJob]{framework: plain{}, client: c, writer: allTaken{}, live: c, recorder: said}

	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "ada", Name: "mnist-worker-0"},
	}
	if err := r.create(t.Context(), jobOf(workers(1)), []client.Object{pod}); !errors.Is(err, errGone) {
		t.Errorf("create: %v, want another look: %v", err, errGone)
	}
	select {
	case e := <-said.Events:
		t.Errorf("an event tells of it: %s", e)
	default:
	}
}

// allTaken finds a name taken, whatever it is.
type allTaken struct{ Writer }

func (allTaken) Create(_ context.Context, r schema.GroupVersionResource, o client.Object) error {
	return apierrors.NewAlreadyExists(r.GroupResource(), o.GetName())
}
