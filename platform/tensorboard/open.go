package tensorboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/weir-ml/weir/api/tensorboard/v1alpha1"
	"github.com/weir-ml/weir/platform/routes"
)

// AnnotationEvents says, on a job, where it writes event files: s3://BUCKET/FOLDER
// or pvc://CLAIM/FOLDER.
const AnnotationEvents = "weir-ml.github.io/events"

// A Wanted is what somebody wants to look at: a job, or a place.
type Wanted struct {
	// LogsPath is the place, if it is no job.
	LogsPath   string `json:"logspath,omitempty"`
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind,omitempty"`
	Name       string `json:"name,omitempty"`
}

// An Opened is where it can be looked at.
type Opened struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	LogsPath  string `json:"logspath"`
	Path      string `json:"path"` // at the front door
}

// An Opening is what the route is made from.
type Opening struct {
	REST   *rest.Config // reaches the API server for whoever asks
	Scheme *runtime.Scheme
	Mapper meta.RESTMapper
}

// OpenPath is where Tensorboards of a namespace are asked for.
func OpenPath(namespace string) string { return "/weir/tensorboards/" + namespace }

// OpenRoute makes the Tensorboard of a job or a place, unless it is there:
//
//	POST /weir/tensorboards/NAMESPACE {"apiVersion": "kubeflow.org/v1", "kind": "TFJob", "name": "mnist"}
//
// All is done with the rights of who asks. It answers with an Opened.
func OpenRoute(o Opening) routes.Route {
	return routes.Route{
		Owner: "weir", Pattern: "POST " + OpenPath("{namespace}"), Rule: routes.OwnRights,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			opened, err := o.open(r)
			if err != nil {
				routes.Fail(w, err)
				return
			}
			routes.Respond(w, http.StatusOK, opened)
		}),
	}
}

func (o Opening) open(r *http.Request) (*Opened, error) {
	var wanted Wanted
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<16)).Decode(&wanted); err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("what is to be looked at cannot be read: %v", err))
	}
	c, err := client.New(routes.CallerOf(r.Context()).Config(o.REST), client.Options{Scheme: o.Scheme, Mapper: o.Mapper})
	if err != nil {
		return nil, fmt.Errorf("act for who asks: %w", err)
	}
	t := &v1alpha1.Tensorboard{ObjectMeta: metav1.ObjectMeta{Namespace: r.PathValue("namespace")}}
	if wanted.LogsPath == "" {
		err = ofJob(r.Context(), c, t, wanted)
	} else {
		err = ofPlace(t, wanted.LogsPath)
	}
	if err != nil {
		return nil, err
	}
	if err := keep(r.Context(), c, t); err != nil {
		return nil, err
	}
	return &Opened{t.Namespace, t.Name, t.Spec.LogsPath, Path(t.Namespace, t.Name)}, nil
}

// keep makes a Tensorboard, or finds the one that shows the same.
func keep(ctx context.Context, c client.Client, t *v1alpha1.Tensorboard) error {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(t.Spec.LogsPath)) // It never fails.
	for _, name := range []string{t.Name, fmt.Sprintf("%.50s-%08x", t.Name, sum.Sum32())} {
		there := &v1alpha1.Tensorboard{}
		err := c.Get(ctx, client.ObjectKey{Namespace: t.Namespace, Name: name}, there)
		switch {
		case apierrors.IsNotFound(err):
			t.Name = name
			if err = c.Create(ctx, t); !apierrors.IsAlreadyExists(err) {
				return err
			}
		case err != nil:
			return err
		case there.Spec.LogsPath == t.Spec.LogsPath:
			t.Name = name
			return nil
		}
	}
	return apierrors.NewConflict(schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "tensorboards"}, t.Name, errors.New("others have its names; delete one"))
}

// ofPlace fills in the Tensorboard of a place.
func ofPlace(t *v1alpha1.Tensorboard, logspath string) error {
	p, err := readPlace(logspath)
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	t.Name, t.Spec.LogsPath = nameOf(p.root+"-"+p.below), p.String()
	return nil
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// nameOf is what a Tensorboard is called that shows something.
func nameOf(what string) string {
	name := "tensorboard-" + notInNames.ReplaceAllString(strings.ToLower(what), "-")
	return strings.Trim(name[:min(len(name), 60)], "-")
}

// ofJob fills in the Tensorboard of a job, which goes with it.
func ofJob(ctx context.Context, c client.Reader, t *v1alpha1.Tensorboard, w Wanted) error {
	version, err := schema.ParseGroupVersion(w.APIVersion)
	if err != nil || w.Kind == "" || w.Name == "" {
		return apierrors.NewBadRequest(`say what is to be looked at: {"logspath": "s3://BUCKET/FOLDER"}, or a job by its apiVersion, kind and name`)
	}
	job := &unstructured.Unstructured{}
	job.SetGroupVersionKind(version.WithKind(w.Kind))
	if err := c.Get(ctx, client.ObjectKey{Namespace: t.Namespace, Name: w.Name}, job); err != nil {
		return err
	}
	p, err := placeOf(job)
	if err != nil {
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid, Message: err.Error(),
		}}
	}
	t.Name, t.Spec.LogsPath = nameOf(w.Name), p.String()
	t.OwnerReferences = []metav1.OwnerReference{{APIVersion: w.APIVersion, Kind: w.Kind, Name: w.Name, UID: job.GetUID()}}
	return nil
}

// placeOf is where a job writes event files: what it is annotated with, or what
// its containers are told.
func placeOf(job *unstructured.Unstructured) (place, error) {
	if said := job.GetAnnotations()[AnnotationEvents]; said != "" {
		return readPlace(said)
	}
	for _, pod := range podsIn(job.Object) {
		for _, c := range pod.Containers {
			if dir := logdirOf(&c); dir != "" {
				if p, err := mounted(dir, &c, &pod); err == nil {
					return p, nil
				}
			}
		}
	}
	this := strings.ToLower(job.GetKind()) + "/" + job.GetName()
	return place{}, fmt.Errorf("%s does not say where it writes files for TensorBoard; say so: weir kubectl annotate %s -n %s %s=s3://BUCKET/FOLDER", this, this, job.GetNamespace(), AnnotationEvents)
}

// podsIn are the specs of pods that stand anywhere in an object, in the order of
// the fields' names.
func podsIn(value any) []corev1.PodSpec {
	switch v := value.(type) {
	case []any:
		var all []corev1.PodSpec
		for _, one := range v {
			all = append(all, podsIn(one)...)
		}
		return all
	case map[string]any:
		if _, ok := v["containers"].([]any); ok {
			var pod corev1.PodSpec
			if runtime.DefaultUnstructuredConverter.FromUnstructured(v, &pod) == nil {
				return []corev1.PodSpec{pod}
			}
		}
		var all []corev1.PodSpec
		for _, name := range slices.Sorted(maps.Keys(v)) {
			all = append(all, podsIn(v[name])...)
		}
		return all
	}
	return nil
}

var (
	logdirFlag = regexp.MustCompile(`--?(?:tensorboard|tb)?[-_]?(?:log|events)[-_]?(?:dir|path)(?:[=\s]+)["']?([^\s"']+)`)
	logdirName = regexp.MustCompile(`^(?:TENSORBOARD|TB)?_?(?:LOG|EVENTS)_?(?:DIR|PATH)$`)
)

// logdirOf is the folder that a container is told to write event files to.
func logdirOf(c *corev1.Container) string {
	if m := logdirFlag.FindStringSubmatch(strings.Join(slices.Concat(c.Command, c.Args), " ")); m != nil {
		return m[1]
	}
	for _, e := range c.Env {
		if logdirName.MatchString(e.Name) && e.Value != "" {
			return e.Value
		}
	}
	return ""
}

// mounted is the place of a folder as a container sees it.
func mounted(dir string, c *corev1.Container, pod *corev1.PodSpec) (place, error) {
	if !strings.HasPrefix(dir, "/") {
		return readPlace(dir)
	}
	best := corev1.VolumeMount{}
	for _, m := range c.VolumeMounts {
		at := path.Clean(m.MountPath)
		if (dir == at || strings.HasPrefix(dir, strings.TrimSuffix(at, "/")+"/")) && len(at) > len(best.MountPath) {
			best, best.MountPath = m, at
		}
	}
	for _, v := range pod.Volumes {
		if v.Name == best.Name && v.PersistentVolumeClaim != nil {
			return readPlace("pvc://" + path.Join(v.PersistentVolumeClaim.ClaimName, best.SubPath, strings.TrimPrefix(dir, best.MountPath)))
		}
	}
	return place{}, fmt.Errorf("folder %s of container %s lies in no claim", dir, c.Name)
}
