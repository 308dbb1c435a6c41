package scheduler

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
)

// A recorder says again what it said of a pod as the same event, once more.
// Upstream's takes it for another if the pod has changed meanwhile, as it has when
// the scheduler wrote down that the pod has no place: of thousands of pods that
// wait for one node, that is one event more for each.
type recorder struct{ events.EventRecorderLogger }

func (r recorder) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	r.EventRecorderLogger.Eventf(atNoVersion(regarding), related, kind, reason, action, note, args...)
}

func (r recorder) WithLogger(logger klog.Logger) events.EventRecorderLogger {
	return recorder{r.EventRecorderLogger.WithLogger(logger)}
}

// atNoVersion is an object, or if it is a pod, the pod whichever version it has.
func atNoVersion(o runtime.Object) runtime.Object {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return o
	}
	same := *pod
	same.ResourceVersion = ""
	return &same
}
