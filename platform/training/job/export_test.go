package job

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

// Decide decides about a job as a look at it does, without anything read but
// its pods.
func Decide[J training.Job](f Framework[J], j J, pods []*corev1.Pod) {
	decide(f, "", j, world{pods: pods}, time.Unix(0, 0))
}
