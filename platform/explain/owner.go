package explain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// owner explains an object that acts through others: a job, a Deployment, or a
// kind that nobody here has heard of.
func (from *reading) owner(ctx context.Context, o *unstructured.Unstructured) (Explanation, error) {
	family, err := from.family(ctx, o)
	if err != nil {
		return Explanation{}, err
	}
	if len(family.pods) > 1 {
		if err := from.readEvents(ctx, o.GetNamespace()); err != nil {
			return Explanation{}, err
		}
	}
	var replicas []Explanation
	for i := range family.pods {
		e, err := from.podAmong(ctx, &family.pods[i], family.pods)
		if err != nil {
			return Explanation{}, err
		}
		replicas = append(replicas, e)
	}
	events, err := from.events(ctx, o, family.between...)
	if err != nil {
		return Explanation{}, err
	}
	return ofOwner(o, family.pods, replicas, events), nil
}

// ofOwner explains an object by what its controller says of it, and what its
// pods say; replicas are the explanations of pods.
func ofOwner(o *unstructured.Unstructured, pods []corev1.Pod, replicas []Explanation, events []corev1.Event) Explanation {
	self := fmt.Sprintf("%s %s", o.GetKind(), o.GetName())
	e := findInOwner(o, self, pods, replicas, events)
	if e.Object == (Object{}) {
		e.Object = Object{o.GetKind(), o.GetNamespace(), o.GetName()}
	}
	if len(replicas) > 1 {
		e.Facts = append(e.Facts, "Its pods:")
		e.Facts = append(e.Facts, indented(table(replicas))...)
	}
	return e
}

func findInOwner(o *unstructured.Unstructured, self string, pods []corev1.Pod, replicas []Explanation, events []corev1.Event) Explanation {
	if manager := managedBy(o); manager != "" {
		return Explanation{
			State:    Stuck,
			Reason:   "ManagedElsewhere",
			Sentence: fmt.Sprintf("%s is left to another controller: it is managed by %q.", self, manager),
			Remedy:   "See whether that controller runs; or create the object without managedBy.",
		}
	}
	if c := trueCondition(o, "Succeeded", "Complete", "Completed"); c != nil {
		return Explanation{State: Done, Reason: "Succeeded", Sentence: fmt.Sprintf("%s has finished well.", self)}
	}
	worst := worstOf(replicas)
	if c := trueCondition(o, "Failed"); c != nil {
		return ofFailedOwner(o, self, c, worst)
	}
	if suspended(o) {
		return Explanation{
			State:    Stuck,
			Reason:   "Suspended",
			Sentence: fmt.Sprintf("%s is suspended: it has no pods until somebody resumes it.", self),
			Remedy:   fmt.Sprintf("Resume it: kubectl patch %s %s%s --type merge -p '%s'", strings.ToLower(o.GetKind()), o.GetName(), inNamespace(o.GetNamespace()), resume(o)),
		}
	}
	if refused := refusal(events, pods); refused != nil {
		return ofRefused(self, refused)
	}
	if paused, _, _ := unstructured.NestedBool(o.Object, "spec", "paused"); paused {
		return Explanation{State: Stuck, Reason: "Paused", Sentence: fmt.Sprintf("%s is paused: changes to it have no effect.", self), Remedy: "kubectl rollout resume"}
	}
	if c := trueCondition(o, "Waiting"); c != nil {
		return Explanation{
			State:    Moving,
			Reason:   "WaitsForRoom",
			Sentence: sentence(c.message),
			Remedy:   "Wait until other pods end, delete some, or ask for less in resources.requests. Without the annotation " + gangGate + " its pods start one by one.",
		}
	}
	if c := trueCondition(o, "Restarting"); c != nil && worst == nil {
		return Explanation{
			State:    Moving,
			Reason:   "Restarting",
			Sentence: fmt.Sprintf("%s restarts: %s", self, sentence(c.message)),
			Remedy:   "Read what its pods printed before: " + command("logs", o.GetKind(), o.GetNamespace(), o.GetName()),
		}
	}
	if worst == nil {
		return ofChildless(o, self)
	}
	if worst.State == Moving || worst.State == Done {
		return ofMovingOwner(self, replicas, *worst)
	}
	e := *worst
	if waiting := waitingBeside(replicas); len(waiting) > 0 {
		e.Facts = append(e.Facts, "Running, and waiting for it: "+strings.Join(waiting, ", "))
	}
	if len(replicas) > 1 && e.State == Failed {
		e.Sentence += retried(o)
	}
	return e
}

// ofFailedOwner explains an object that its controller gave up: the cause is
// what a pod says, where there is one.
func ofFailedOwner(o *unstructured.Unstructured, self string, c *condition, worst *Explanation) Explanation {
	if strings.Contains(c.reason, "FailedValidation") {
		return Explanation{
			State:    Failed,
			Reason:   "Invalid",
			Sentence: fmt.Sprintf("%s is not valid: %s", self, sentence(c.message)),
			Remedy:   "Correct it and create it again.",
		}
	}
	said := sentence(c.message)
	if worst == nil || worst.State == Done || worst.State == Moving {
		return Explanation{
			State:    Failed,
			Reason:   cmp.Or(c.reason, "Failed"),
			Sentence: fmt.Sprintf("%s has failed: %s", self, cmp.Or(said, "its controller does not say why.")),
			Remedy:   "Read what its pods printed, if they did: " + command("logs", o.GetKind(), o.GetNamespace(), o.GetName()),
		}
	}
	e := *worst
	e.State = Failed
	e.Facts = append([]string{fmt.Sprintf("%s says: %s", self, said)}, e.Facts...)
	return e
}

// ofRefused explains an object whose pods may not be created.
func ofRefused(self string, event *corev1.Event) Explanation {
	message := event.Message
	if _, rest, found := strings.Cut(message, "is forbidden: "); found {
		message = rest
	}
	message = strings.TrimPrefix(message, "Error creating: ")
	e := Explanation{
		State:    Stuck,
		Reason:   "CannotCreatePods",
		Sentence: fmt.Sprintf("%s cannot create its pods: %s", self, sentence(message)),
	}
	switch {
	case strings.HasPrefix(message, "exceeded quota: "):
		quota, rest, _ := strings.Cut(strings.TrimPrefix(message, "exceeded quota: "), ", ")
		e.Reason = "QuotaExceeded"
		e.Sentence = fmt.Sprintf("%s cannot create its pods: quota %q is used up (%s).", self, quota, rest)
		e.Remedy = fmt.Sprintf("Delete what is not needed, ask for less, or raise the quota: kubectl edit resourcequota %s%s", quota, inNamespace(event.InvolvedObject.Namespace))
	case strings.HasPrefix(message, "failed quota: "):
		e.Reason = "QuotaNeedsRequests"
		e.Remedy = "Say in resources of every container what the quota counts, or add a LimitRange that says it for them."
	case strings.Contains(message, "violates PodSecurity"):
		e.Reason = "PodSecurity"
		e.Remedy = "Change the pod's securityContext as it says, or the label pod-security.kubernetes.io/enforce of the namespace."
	case strings.Contains(message, "serviceaccount") && strings.Contains(message, "not found"):
		e.Reason = "ServiceAccountNotFound"
		e.Remedy = "Create the service account, or correct serviceAccountName."
	}
	return e
}

// ofChildless explains an object without pods.
func ofChildless(o *unstructured.Unstructured, self string) Explanation {
	if n, found, _ := unstructured.NestedInt64(o.Object, "spec", "replicas"); found && n == 0 {
		return Explanation{State: Done, Reason: "ScaledToZero", Sentence: fmt.Sprintf("%s is scaled to zero replicas.", self)}
	}
	for _, c := range conditionsOf(o) {
		if c.status == "False" && slices.Contains([]string{"Ready", "Available", "Established", "Synced"}, c.kind) {
			return Explanation{State: Stuck, Reason: cmp.Or(c.reason, "Not"+c.kind), Sentence: fmt.Sprintf("%s is not %s: %s", self, strings.ToLower(c.kind), cmp.Or(sentence(c.message), "its controller does not say why."))}
		}
	}
	if status, found := o.Object["status"].(map[string]any); found && len(status) > 0 {
		return Explanation{State: Moving, Reason: "NothingWrong", Sentence: fmt.Sprintf("Nothing is known to be wrong with %s.", self)}
	}
	if _, found := o.Object["spec"]; !found {
		return Explanation{State: Done, Reason: "Stored", Sentence: fmt.Sprintf("%s is stored; nothing acts on it.", self)}
	}
	if o.GetKind() == "CronJob" {
		return Explanation{State: Moving, Reason: "NotDueYet", Sentence: fmt.Sprintf("%s makes its first Job when its schedule says so.", self)}
	}
	if group := o.GroupVersionKind().Group; !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io") {
		return Explanation{State: Moving, Reason: "NothingWrong", Sentence: fmt.Sprintf("Nothing is known to be wrong with %s.", self)}
	}
	return Explanation{
		State:    Moving,
		Reason:   "NobodyActed",
		Sentence: fmt.Sprintf("Nobody has acted on %s yet.", self),
		Remedy:   fmt.Sprintf("If it stays so, the controller for %s does not run: weir status", o.GetKind()),
	}
}

// ofMovingOwner explains an object in whose pods nothing is wrong.
func ofMovingOwner(self string, replicas []Explanation, worst Explanation) Explanation {
	running := 0
	for _, r := range replicas {
		if r.Reason == "Running" {
			running++
		}
	}
	if running == len(replicas) {
		return Explanation{State: Moving, Reason: "Running", Sentence: fmt.Sprintf("%s is running, with %s.", self, pods(running))}
	}
	if worst.State == Done {
		return Explanation{State: Moving, Reason: "PodsFinished", Sentence: fmt.Sprintf("The pods of %s have finished well.", self)}
	}
	worst.Sentence = fmt.Sprintf("%s is on its way. %s", self, worst.Sentence)
	return worst
}

func pods(n int) string {
	if n == 1 {
		return "1 pod"
	}
	return fmt.Sprintf("%d pods", n)
}

// worstOf returns the replica that counts most; nil if there is none.
func worstOf(replicas []Explanation) *Explanation {
	rank := func(e Explanation) int {
		switch {
		case e.State == Failed && !follows(e.Reason):
			return 8
		case e.State == Stuck && !follows(e.Reason):
			return 7
		case e.State == Failed:
			return 6
		case e.State == Stuck:
			return 5
		case e.Reason == "WaitsForPeers":
			return 1 // What it waits for says more.
		case e.Reason == "Running":
			return 2
		case e.Reason == "WaitsForImage":
			return 3 // The pod for which it is prepared says more.
		case e.State == Moving:
			return 4
		}
		return 0
	}
	var worst *Explanation
	for i := range replicas {
		if worst == nil || rank(replicas[i]) > rank(*worst) {
			worst = &replicas[i]
		}
	}
	return worst
}

// waitingBeside returns the names of the replicas that wait for the others.
func waitingBeside(replicas []Explanation) []string {
	var names []string
	for _, r := range replicas {
		if r.Reason == "WaitsForPeers" {
			names = append(names, r.Object.Name)
		}
	}
	slices.Sort(names)
	return names
}

// retried says that a failed pod is not the end of a Job that tries again.
func retried(o *unstructured.Unstructured) string {
	if o.GetKind() != "Job" {
		return ""
	}
	return " The Job tries again, with another pod, until its backoffLimit is reached."
}

// table has a line for each replica.
func table(replicas []Explanation) []string {
	width := 0
	for _, r := range replicas {
		width = max(width, len(r.Object.Name))
	}
	var lines []string
	for _, r := range replicas {
		lines = append(lines, fmt.Sprintf("%-*s  %s", width, r.Object.Name, r.Reason))
	}
	slices.Sort(lines)
	return lines
}
