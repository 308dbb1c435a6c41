// Package trainerstatus takes in what training programs say of themselves:
// progress, time left, metrics. It becomes a part of their TrainJob's status.
//
//	program ─▶ POST …/trainjobs/NAME/status ─▶ whose token? (TokenReview) ─▶ status.trainerStatus
//
// Package trainjob tells programs where, and gives them the token.
package trainerstatus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	authentication "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
	"github.com/weir-ml/weir/platform/routes"
	"github.com/weir-ml/weir/platform/training/trainjob"
)

// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=trainer.kubeflow.org,resources=trainjobs/status,verbs=patch

// manager is who the API server says owns what programs report.
const manager = "trainer-status"

// longest is how much a program may send at once.
const longest = 1 << 16

// Setup has a manager serve on a listener, which it closes at its end. The
// listener speaks TLS: tokens come in by it.
func Setup(mgr ctrl.Manager, listener net.Listener) error {
	if err := trainer.AddToScheme(mgr.GetScheme()); err != nil {
		return fmt.Errorf("set up trainers' status: %w", err)
	}
	h := handler{mgr.GetClient()}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+trainjob.StatusPath("{namespace}", "{name}"), h.report)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, "Not found")
	})
	server := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	if err := mgr.Add(routes.Server("trainers' status", listener, server)); err != nil {
		return fmt.Errorf("set up trainers' status: %w", err)
	}
	return nil
}

type handler struct {
	client client.Client
}

// report keeps what a program says.
func (h handler) report(w http.ResponseWriter, r *http.Request) {
	namespace, name := r.PathValue("namespace"), r.PathValue("name")
	may, err := h.may(r.Context(), r.Header.Get("Authorization"), namespace, name)
	if err != nil {
		refuse(w, http.StatusInternalServerError, metav1.StatusReasonInternalError, err.Error())
		return
	}
	if !may {
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden, fmt.Sprintf(
			"Forbidden: send, as Authorization: Bearer TOKEN, a token of a service account of namespace %s for audience %s", namespace, trainjob.Audience(namespace, name)))
		return
	}

	var said trainer.UpdateTrainJobStatusRequest
	err = json.NewDecoder(http.MaxBytesReader(w, r.Body, longest)).Decode(&said)
	var much *http.MaxBytesError
	if errors.As(err, &much) {
		refuse(w, http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge, fmt.Sprintf("Payload too large: send at most %d bytes", much.Limit))
		return
	}
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "Invalid payload: "+err.Error())
		return
	}
	if said.TrainerStatus != nil {
		if err := h.keep(r.Context(), namespace, name, said.TrainerStatus); err != nil {
			refuseFor(w, err)
			return
		}
	}
	answer(w, http.StatusOK, said)
}

// may tells whether a token was made for this TrainJob's programs.
func (h handler) may(ctx context.Context, header, namespace, name string) (bool, error) {
	words := strings.Fields(header)
	if len(words) != 2 || !strings.EqualFold(words[0], "Bearer") {
		return false, nil
	}
	review := &authentication.TokenReview{Spec: authentication.TokenReviewSpec{Token: words[1], Audiences: []string{trainjob.Audience(namespace, name)}}}
	if err := h.client.Create(ctx, review); err != nil {
		return false, fmt.Errorf("ask the cluster whose token this is: %w", err)
	}
	theirs := strings.HasPrefix(review.Status.User.Username, "system:serviceaccount:"+namespace+":")
	return review.Status.Authenticated && theirs, nil
}

// keep puts what was said into the TrainJob's status.
func (h handler) keep(ctx context.Context, namespace, name string, said *trainer.TrainerStatus) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(said)
	if err != nil {
		return err
	}
	u := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"trainerStatus": content}}}
	u.SetGroupVersionKind(trainer.GroupVersion.WithKind(trainer.TrainJobKind))
	u.SetNamespace(namespace)
	u.SetName(name)
	return h.client.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(manager), client.ForceOwnership)
}

// refuseFor tells a program why the API server did not take what it said.
func refuseFor(w http.ResponseWriter, err error) {
	switch {
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, err.Error())
	case apierrors.IsNotFound(err):
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, "Train job not found")
	default:
		refuse(w, http.StatusInternalServerError, metav1.StatusReasonInternalError, err.Error())
	}
}

// refuse answers as Kubernetes does.
func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	answer(w, code, metav1.Status{Status: metav1.StatusFailure, Message: message, Reason: reason, Code: int32(code)})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // Whoever asked may be gone.
}
