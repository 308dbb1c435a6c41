package job

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	training "github.com/weir-ml/weir/api/training/v1"
)

// speakOf gives a framework's words for what a job is, or the usual ones.
func speakOf[J training.Job](f Framework[J], j J) func(string) string {
	return func(of string) string {
		words := ""
		if s, ok := f.(Speaker[J]); ok {
			words = s.Speak(j, of)
		}
		if words == "" && of != unseen {
			words = fmt.Sprintf("%s %s is %s.", f.Traits().Kind, j.GetName(), strings.ToLower(of))
		}
		return words
	}
}

// unseen is a job that has ended before it was seen running.
const unseen = "Unseen"

// A reporter writes a decision's status, and notes what has changed in it.
type reporter struct {
	*decision
	kind string
	// speak says what a job is: Created, Suspended or Resumed.
	speak func(of string) string
	now   time.Time
}

// set says something of the job, and tells whether that is news. If it is, an
// event tells it too.
func (r *reporter) set(t training.JobConditionType, is bool, reason, message string) bool {
	news := setCondition(&r.status, t, is, r.kind+reason, message, r.now)
	if news && reason != string(training.JobCreated) && reason != string(training.JobRunning) && reason != string(training.JobRestarting) {
		r.tell(corev1.EventTypeNormal, reason, message)
	}
	return news
}

func (r *reporter) tell(kind, reason, message string) {
	n := notice{kind: kind, reason: r.kind + reason, action: reason, message: message}
	if !slices.Contains(r.changes, n) {
		r.changes = append(r.changes, n)
	}
}

func (r *reporter) created() {
	if len(r.status.Conditions) == 0 {
		r.set(training.JobCreated, true, "Created", r.speak("Created"))
	}
}

func (r *reporter) started() {
	if r.status.StartTime == nil {
		r.status.StartTime = &metav1.Time{Time: r.now}
	}
}

func (r *reporter) invalid(problem error) {
	r.complete()
	if setCondition(&r.status, training.JobFailed, true, r.kind+"FailedValidation", problem.Error(), r.now) {
		r.tell(corev1.EventTypeWarning, "FailedValidation", problem.Error())
	}
}

func (r *reporter) suspended() {
	message := r.speak("Suspended")
	r.waitsNoMore()
	for _, s := range r.status.ReplicaStatuses {
		s.Active = 0
	}
	if r.status.Is(training.JobRunning) {
		r.set(training.JobRunning, false, "Suspended", message)
	}
	if !r.status.Is(training.JobSuspended) {
		r.set(training.JobSuspended, true, "Suspended", message)
	}
}

// resumed starts the job's clock anew if it was suspended.
func (r *reporter) resumed() {
	if r.status.Is(training.JobSuspended) {
		r.set(training.JobSuspended, false, "Resumed", r.speak("Resumed"))
		r.status.StartTime = &metav1.Time{Time: r.now}
	}
}

func (r *reporter) failed(message string) {
	r.complete()
	r.set(training.JobFailed, true, "Failed", message)
}

// complete notes when the job ended, however it did: its time to live counts
// from then.
func (r *reporter) complete() {
	r.waitsNoMore()
	if r.status.CompletionTime == nil {
		r.status.CompletionTime = &metav1.Time{Time: r.now}
	}
}

// ended says of a job that it never ran, where there are words for that.
func (r *reporter) ended() {
	message := r.speak(unseen)
	if !r.status.Finished() || message == "" {
		return
	}
	for _, c := range r.status.Conditions {
		if c.Type == training.JobRunning {
			return
		}
	}
	now := metav1.NewTime(r.now)
	r.status.Conditions = append(r.status.Conditions, training.JobCondition{
		Type: training.JobRunning, Status: corev1.ConditionFalse, Reason: r.kind + string(training.JobRunning), Message: message,
		LastUpdateTime: now, LastTransitionTime: now,
	})
}

// verdict says what the framework makes of the replicas. A job that has
// succeeded has, even if a replica that nobody needs any more fails with it. An
// exit code that forbids another try fails the job; so does the framework's
// word; a replica that is replaced does not.
func (r *reporter) verdict(name string, v Verdict, seen Seen) {
	if v.Condition == training.JobSucceeded {
		r.complete()
		r.set(training.JobSucceeded, true, "Succeeded", v.Message)
		for _, s := range r.status.ReplicaStatuses {
			s.Succeeded, s.Active = s.Succeeded+s.Active, 0
		}
		return
	}

	for _, t := range typesOf(seen, refused) {
		message := fmt.Sprintf("job %q is failing because %q replica(s) failed.", name, t)
		r.complete()
		setCondition(&r.status, training.JobFailed, true, r.kind+"Failed", message, r.now)
		r.tell(corev1.EventTypeWarning, "Failed", message)
	}
	if v.Condition == training.JobFailed {
		r.complete()
		reason := v.Reason
		if reason == "" {
			reason = r.kind + "Failed"
		}
		setCondition(&r.status, training.JobFailed, true, reason, v.Message, r.now)
		r.changes = append(r.changes, notice{kind: corev1.EventTypeNormal, reason: reason, action: "Failed", message: v.Message})
		return
	}

	if types := typesOf(seen, replaced); len(types) > 0 {
		if r.set(training.JobRestarting, true, "Restarting", restartMessage(name, types[0])) {
			for _, message := range v.Restarts {
				r.tell(corev1.EventTypeWarning, "Restarting", message)
			}
		}
		return
	}
	if v.Condition == training.JobRunning {
		r.set(training.JobRunning, true, "Running", v.Message)
	}
}

func restartMessage(name string, t training.ReplicaType) string {
	return fmt.Sprintf("job %s is restarting because %s replica(s) failed.", name, t)
}

// typesOf are the types of which some pod has met a fate, in order.
func typesOf(seen Seen, f fate) []training.ReplicaType {
	types := map[training.ReplicaType]bool{}
	for r, met := range seen.fates {
		if met == f {
			types[r.Type] = true
		}
	}
	return slices.Sorted(maps.Keys(types))
}

// replicaStatuses counts the pods of each type.
func replicaStatuses(j training.Job, t Traits, seen Seen) map[training.ReplicaType]*training.ReplicaStatus {
	all := map[training.ReplicaType]*training.ReplicaStatus{}
	for rt := range j.Replicas() {
		c := seen.counts[rt]
		s := &training.ReplicaStatus{Active: c.Active, Succeeded: c.Succeeded, Failed: c.Failed + c.Restarting}
		if t.Scaled {
			s.Selector = labels.Set{
				training.LabelOperatorName: t.Operator,
				training.LabelJobName:      j.GetName(),
				training.LabelReplicaType:  strings.ToLower(string(rt)),
			}.String()
		}
		all[rt] = s
	}
	return all
}
