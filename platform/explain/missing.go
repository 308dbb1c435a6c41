package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// missingObject reads which ConfigMap or Secret, or which key of one, a message
// of the kubelet misses. The sentence it returns goes on from "pod x needs ".
func missingObject(pod *corev1.Pod, message string) (Explanation, bool) {
	key := regexp.MustCompile(`couldn't find key (\S+) in (ConfigMap|Secret) [^/\s]+/(\S+)`)
	if m := key.FindStringSubmatch(message); m != nil {
		return missingKey(m[2], m[3], m[1]), true
	}
	object := regexp.MustCompile(`(?i)(configmap|secret)s? "([^"]+)" not found`)
	if m := object.FindStringSubmatch(message); m != nil {
		return missing(kindNamed(m[1]), m[2]), true
	}
	volume := regexp.MustCompile(`volume "([^"]+)" ?: (?:\w+ )?references non-existent (config|secret) key: (\S+)`)
	if m := volume.FindStringSubmatch(message); m != nil {
		kind := map[string]string{"config": "ConfigMap", "secret": "Secret"}[m[2]]
		return missingKey(kind, sourceOf(pod, m[1], kind), m[3]), true
	}
	return Explanation{}, false
}

func kindNamed(s string) string {
	if strings.EqualFold(s, "secret") {
		return "Secret"
	}
	return "ConfigMap"
}

func missing(kind, name string) Explanation {
	return Explanation{
		State:    Stuck,
		Reason:   kind + "NotFound",
		Sentence: fmt.Sprintf("%s %q, which does not exist.", kind, name),
		Remedy:   fmt.Sprintf("Create it (kubectl create %s %s …), and the pod goes on by itself.", creates(kind), name),
	}
}

func missingKey(kind, name, key string) Explanation {
	return Explanation{
		State:    Stuck,
		Reason:   kind + "KeyNotFound",
		Sentence: fmt.Sprintf("key %q of %s %q, which has no such key.", key, kind, name),
		Remedy:   fmt.Sprintf("Add the key (kubectl edit %s %s), and the pod goes on by itself.", strings.ToLower(kind), name),
	}
}

func creates(kind string) string {
	if kind == "Secret" {
		return "secret generic"
	}
	return "configmap"
}

// sourceOf returns the name of the ConfigMap or Secret that a volume shows.
func sourceOf(pod *corev1.Pod, volume, kind string) string {
	for _, v := range pod.Spec.Volumes {
		switch {
		case v.Name != volume:
		case kind == "ConfigMap" && v.ConfigMap != nil:
			return v.ConfigMap.Name
		case kind == "Secret" && v.Secret != nil:
			return v.Secret.SecretName
		case v.Projected != nil:
			for _, s := range v.Projected.Sources {
				if kind == "ConfigMap" && s.ConfigMap != nil {
					return s.ConfigMap.Name
				}
				if kind == "Secret" && s.Secret != nil {
					return s.Secret.Name
				}
			}
		}
	}
	return volume
}

// settleMounts is how long mounts of a pod must go on failing before they hold it
// up: the kubelet tries again after half a second, one, two and four, and mostly
// succeeds.
const settleMounts = 5 * time.Second

// mountFailures are the reasons of the events about mounts that failed.
var mountFailures = []string{"FailedMount", "FailedAttachVolume", "FailedMapVolume"}

// ofVolumes explains a pod that waits for a volume. One whose mounts have not
// failed for long moves yet, whatever they fail by.
func ofVolumes(pod *corev1.Pod, f facts) (Explanation, bool) {
	if pod.Status.Phase == corev1.PodRunning {
		return Explanation{}, false
	}
	last := newest(f.events, append([]string{"Pulling", "Pulled", "Started"}, mountFailures...)...)
	if last == nil || last.Type != corev1.EventTypeWarning {
		return Explanation{}, false
	}
	e := ofMount(pod, f.events, last)
	if !mountsKeepFailing(f.events) {
		e.State, e.Remedy = Moving, ""
		e.Sentence += " Its node tries again."
	}
	return e, true
}

// mountsKeepFailing is whether mounts failed again some time after they did first,
// or the kubelet has waited for them until it gave up, which is two minutes.
func mountsKeepFailing(events []corev1.Event) bool {
	var first, last time.Time
	for i := range events {
		e := &events[i]
		if !slices.Contains(mountFailures, e.Reason) {
			continue
		}
		if strings.HasPrefix(e.Message, "Unable to attach or mount volumes") {
			return true
		}
		if began := beginOf(e); first.IsZero() || began.Before(first) {
			first = began
		}
		if ended := timeOf(e); ended.After(last) {
			last = ended
		}
	}
	return last.Sub(first) >= settleMounts
}

// ofMount explains a pod by the events about its mounts, of which one is the last.
func ofMount(pod *corev1.Pod, events []corev1.Event, last *corev1.Event) Explanation {
	// "Timed out waiting" says less than the failure it waited for.
	for _, e := range events {
		if e.Reason != "FailedMount" {
			continue
		}
		if x, found := missingObject(pod, e.Message); found {
			x.Sentence = fmt.Sprintf("pod %s needs %s", pod.Name, x.Sentence)
			return x
		}
	}
	// To give files to a user whom a user namespace does not have is not valid.
	if strings.Contains(last.Message, "chown ") && strings.HasSuffix(last.Message, "invalid argument") {
		return Explanation{
			State:    Stuck,
			Reason:   "UserNotFound",
			Sentence: fmt.Sprintf("Pod %s runs as a user who does not exist on its node, and cannot be given its volumes: %s", pod.Name, sentence(last.Message)),
			Remedy:   "Leave runAsUser out of the pod, or have the node know more users: weir without root needs subordinate ids for that (newuidmap, /etc/subuid and /etc/subgid).",
		}
	}
	return Explanation{
		State:    Stuck,
		Reason:   "VolumeNotMounted",
		Sentence: fmt.Sprintf("Pod %s waits for a volume: %s", pod.Name, sentence(last.Message)),
		Remedy:   "Correct the volumes of the pod.",
	}
}
