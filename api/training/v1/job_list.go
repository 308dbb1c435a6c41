package v1

import (
	stdjson "encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
)

// annotationUnreadable is, on a job in memory, why the rest of it could not be
// read. It is never written.
const annotationUnreadable = "weir-ml.github.io/unreadable"

// Unreadable says why what is stored of a job cannot be read; it is empty if it
// can. The schemas leave much of a pod open, so one may be stored that makes no
// pod. Such a job has its name and its status, and nothing else.
func Unreadable(j Job) string { return j.GetAnnotations()[annotationUnreadable] }

// Lists are read job by job: one that cannot be read must not keep those that
// read the list from the others.

// UnmarshalJSON reads a list, whatever is in it.
func (l *TFJobList) UnmarshalJSON(data []byte) error {
	return readList(data, &l.TypeMeta, &l.ListMeta, &l.Items)
}

// UnmarshalJSON reads a list, whatever is in it.
func (l *PyTorchJobList) UnmarshalJSON(data []byte) error {
	return readList(data, &l.TypeMeta, &l.ListMeta, &l.Items)
}

// UnmarshalJSON reads a list, whatever is in it.
func (l *XGBoostJobList) UnmarshalJSON(data []byte) error {
	return readList(data, &l.TypeMeta, &l.ListMeta, &l.Items)
}

// UnmarshalJSON reads a list, whatever is in it.
func (l *PaddleJobList) UnmarshalJSON(data []byte) error {
	return readList(data, &l.TypeMeta, &l.ListMeta, &l.Items)
}

// UnmarshalJSON reads a list, whatever is in it.
func (l *JAXJobList) UnmarshalJSON(data []byte) error {
	return readList(data, &l.TypeMeta, &l.ListMeta, &l.Items)
}

// UnmarshalJSON reads a list, whatever is in it.
func (l *MXJobList) UnmarshalJSON(data []byte) error {
	return readList(data, &l.TypeMeta, &l.ListMeta, &l.Items)
}

// UnmarshalJSON reads a list, whatever is in it.
func (l *MPIJobList) UnmarshalJSON(data []byte) error {
	return readList(data, &l.TypeMeta, &l.ListMeta, &l.Items)
}

func readList[T any, J interface {
	*T
	Job
}](data []byte, kind *metav1.TypeMeta, meta *metav1.ListMeta, jobs *[]T) error {
	var list struct {
		metav1.TypeMeta `json:",inline"`
		metav1.ListMeta `json:"metadata"`
		Items           []stdjson.RawMessage `json:"items"`
	}
	if err := json.UnmarshalCaseSensitivePreserveInts(data, &list); err != nil {
		return err
	}
	*kind, *meta, *jobs = list.TypeMeta, list.ListMeta, make([]T, len(list.Items))
	for i, item := range list.Items {
		j := J(&(*jobs)[i])
		why := json.UnmarshalCaseSensitivePreserveInts(item, j)
		if why == nil {
			continue
		}
		*j = *new(T)
		if err := readHusk(item, j, why); err != nil {
			return err
		}
	}
	return nil
}

// readHusk reads what can be read of a job.
func readHusk(data []byte, j Job, why error) error {
	var husk struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        metav1.ObjectMeta `json:"metadata"`
		Status          JobStatus         `json:"status"`
	}
	if err := json.UnmarshalCaseSensitivePreserveInts(data, &husk); err != nil {
		return err
	}
	if husk.Metadata.Annotations == nil {
		husk.Metadata.Annotations = map[string]string{}
	}
	husk.Metadata.Annotations[annotationUnreadable] = fmt.Sprintf("spec cannot be read: %v: delete the job, and create it anew with that put right", why)
	j.GetObjectKind().SetGroupVersionKind(husk.GroupVersionKind())
	*j.(metav1.ObjectMetaAccessor).GetObjectMeta().(*metav1.ObjectMeta) = husk.Metadata
	*j.Report() = husk.Status
	return nil
}
