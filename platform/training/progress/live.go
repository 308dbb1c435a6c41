package progress

import (
	"context"

	corev1 "k8s.io/api/core/v1"
)

// A Live course is one that is followed by whoever looks at it, and kept
// nowhere: where nobody else follows, or for what is no training job.
type Live struct {
	job      Job
	follower *follower
	course   *kept
}

// NewLive returns the course of an object, which is empty before the first look.
func NewLive(job Job, logs Logs) (*Live, error) {
	store := Open("")
	course, err := store.take(job)
	if err != nil {
		return nil, err
	}
	return &Live{job, newFollower(logs, store, maxLive, func(*Course) {}), course}, nil
}

// Look follows the object's pods as they are now, until ctx ends.
func (l *Live) Look(ctx context.Context, pods []corev1.Pod) error {
	for i := range pods {
		c, ended, started := containerOf(&pods[i])
		if !started || !isFollowed(&pods[i]) {
			continue
		}
		if err := l.follower.follow(ctx, l.job, ReplicaOf(&pods[i], l.job.Name), c, ended); err != nil {
			return err
		}
	}
	return nil
}

// maxLive is how many containers one who looks follows.
const maxLive = 128

// Replicas are how the replicas stand now, by name.
func (l *Live) Replicas() []Replica { return l.course.Replicas() }

// HasCourse is whether the courses of objects of a kind, in lower case, are kept.
func HasCourse(kind string) bool {
	_, ok := kindOf(Job{Kind: kind})
	return ok
}
