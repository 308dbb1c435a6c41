package mpi

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	training "github.com/weir-ml/weir/api/training/v1"
)

// oldest is the version whose spec has another form than that of the rest.
const oldest = "v1alpha1"

// annotationOtherSpec is the spec in the form it was written in, where it is
// read in the other.
const annotationOtherSpec = "weir-ml.github.io/other-spec"

// Convert turns an MPIJob into another version of itself. Jobs are stored as v1,
// and remember which version they were written as: it decides how they are run,
// and reading them as that version gives just what was written.
func Convert(o *unstructured.Unstructured, to schema.GroupVersion) error {
	from := o.GroupVersionKind().Version
	if from == to.Version {
		return nil
	}
	var err error
	switch {
	case from == oldest:
		err = translate(o, upward, downward)
	case to.Version == oldest:
		err = translate(o, downward, upward)
	}
	if err != nil {
		return fmt.Errorf("read MPIJob %s of %s as %s: %w", o.GetName(), from, to.Version, err)
	}
	if status, ok := o.Object["status"].(map[string]any); ok {
		statusFor(to.Version, status)
	}

	o.SetAPIVersion(to.String())
	written := o.GetAnnotations()[training.AnnotationWrittenAs]
	if written == "" {
		written = from
	}
	if written == to.Version {
		written = ""
	}
	annotate(o, training.AnnotationWrittenAs, written)
	return nil
}

// translate puts the spec's other form in its place. The form that was there
// goes along in an annotation. One that came along is taken up again if it still
// stands for what is there: so what one of the forms cannot say is not lost.
func translate[Here, There any](o *unstructured.Unstructured, forth func(Here) (There, error), back func(There) (Here, error)) error {
	raw, err := json.Marshal(o.Object["spec"])
	if err != nil {
		return err
	}
	var here Here
	if err := json.Unmarshal(raw, &here); err != nil {
		return err
	}

	kept := o.GetAnnotations()[annotationOtherSpec]
	var before There
	if kept != "" && json.Unmarshal([]byte(kept), &before) == nil {
		if same, err := back(before); err == nil && equality.Semantic.DeepEqual(same, here) {
			annotate(o, annotationOtherSpec, "")
			return put(o, []byte(kept))
		}
	}
	there, err := forth(here)
	if err != nil {
		return err
	}
	annotate(o, annotationOtherSpec, string(raw))
	made, err := json.Marshal(there)
	if err != nil {
		return err
	}
	return put(o, made)
}

func put(o *unstructured.Unstructured, spec []byte) error {
	var v any
	if err := json.Unmarshal(spec, &v); err != nil {
		return err
	}
	if v == nil {
		delete(o.Object, "spec")
		return nil
	}
	o.Object["spec"] = v
	return nil
}

func annotate(o *unstructured.Unstructured, name, value string) {
	all := o.GetAnnotations()
	if value == "" {
		if _, ok := all[name]; !ok {
			return
		}
		delete(all, name)
	} else {
		if all == nil {
			all = map[string]string{}
		}
		all[name] = value
	}
	o.SetAnnotations(all)
	if len(all) == 0 {
		unstructured.RemoveNestedField(o.Object, "metadata", "annotations")
	}
}

// statusFor adds what only the oldest version says of a job, or takes it out.
func statusFor(version string, status map[string]any) {
	delete(status, "launcherStatus")
	delete(status, "workerReplicas")
	if version != oldest {
		return
	}
	var s training.JobStatus
	if data, err := json.Marshal(status); err != nil || json.Unmarshal(data, &s) != nil {
		return // It is no status of ours, and stays as it is.
	}
	switch {
	case s.Is(training.JobSucceeded):
		status["launcherStatus"] = "Succeeded"
	case s.Is(training.JobFailed):
		status["launcherStatus"] = "Failed"
	case s.Is(training.JobRunning):
		status["launcherStatus"] = "Active"
	}
	if w := s.ReplicaStatuses[training.MPIReplicaWorker]; w != nil && w.Active > 0 {
		status["workerReplicas"] = int64(w.Active)
	}
}
