package explain

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

func TestOfOwner(t *testing.T) {
	stuck := Explanation{Object: Object{"Pod", "ada", "mnist-worker-1"}, State: Stuck, Reason: "NotEnoughCPU", Sentence: "Pod mnist-worker-1 asks for 64 cpu.", Remedy: "Ask for less."}
	waits := Explanation{Object: Object{"Pod", "ada", "mnist-worker-0"}, State: Moving, Reason: "WaitsForPeers", Sentence: "Pod mnist-worker-0 runs and waits."}
	runs := Explanation{Object: Object{"Pod", "ada", "mnist-chief-0"}, State: Moving, Reason: "Running", Sentence: "Pod mnist-chief-0 is running."}
	failed := Explanation{Object: Object{"Pod", "ada", "mnist-worker-1"}, State: Failed, Reason: "ExitCode", Sentence: "Pod mnist-worker-1 ended with exit code 1.", Remedy: "Read what it printed."}
	quota := warning("FailedCreatePod", `Error creating: pods "mnist-worker-0" is forbidden: exceeded quota: gpus, requested: requests.cpu=2, used: requests.cpu=3, limited: requests.cpu=4`)

	cases := map[string]struct {
		why      string
		object   string
		pods     []corev1.Pod
		replicas []Explanation
		events   []corev1.Event
		want     Explanation
	}{
		"FinishedWell": {
			why:    "A job that has finished well says so, whatever its pods did before.",
			object: `{status: {conditions: [{type: Succeeded, status: "True"}]}}`, replicas: []Explanation{failed},
			want: Explanation{State: Done, Reason: "Succeeded", Sentence: "TFJob mnist has finished well."},
		},
		"FailedValidation": {
			why:    "A job that is not valid says what is not.",
			object: `{status: {conditions: [{type: Failed, status: "True", reason: TFJobFailedValidation, message: "TFJob mnist is not valid because two chiefs"}]}}`,
			want:   Explanation{State: Failed, Reason: "Invalid", Sentence: "TFJob mnist is not valid: TFJob mnist is not valid because two chiefs.", Remedy: "Correct it and create it again."},
		},
		"Failed": {
			why:      "Why a job failed is what its pod says; the controller only counts.",
			object:   `{status: {conditions: [{type: Failed, status: "True", reason: TFJobFailed, message: "TFJob ada/mnist has failed because 1 Worker replica(s) failed."}]}}`,
			replicas: []Explanation{failed},
			want: Explanation{Object: failed.Object, State: Failed, Reason: "ExitCode", Sentence: "Pod mnist-worker-1 ended with exit code 1.", Remedy: "Read what it printed.",
				Facts: []string{"TFJob mnist says: TFJob ada/mnist has failed because 1 Worker replica(s) failed."}},
		},
		"FailedWithoutPods": {
			why:    "When the pods are gone, the controller's word is all there is.",
			object: `{status: {conditions: [{type: Failed, status: "True", reason: TFJobFailed, message: "it was active longer than specified deadline"}]}}`,
			want: Explanation{State: Failed, Reason: "TFJobFailed", Sentence: "TFJob mnist has failed: it was active longer than specified deadline.",
				Remedy: "Read what its pods printed, if they did: weir logs tfjob/mnist -n ada"},
		},
		"Suspended": {
			why:    "A training job is suspended in its runPolicy.",
			object: `{spec: {runPolicy: {suspend: true}}}`,
			want: Explanation{State: Stuck, Reason: "Suspended", Sentence: "TFJob mnist is suspended: it has no pods until somebody resumes it.",
				Remedy: `Resume it: kubectl patch tfjob mnist -n ada --type merge -p '{"spec":{"runPolicy":{"suspend":false}}}'`},
		},
		"WaitsForRoom": {
			why:      "A job that starts all of its pods or none says what is missing.",
			object:   `{status: {conditions: [{type: Waiting, status: "True", message: "TFJob mnist starts when all 2 pods fit: there is room for 1; missing: 0.8 cpu."}]}}`,
			replicas: []Explanation{waits},
			want: Explanation{State: Moving, Reason: "WaitsForRoom", Sentence: "TFJob mnist starts when all 2 pods fit: there is room for 1; missing: 0.8 cpu.",
				Remedy: "Wait until other pods end, delete some, or ask for less in resources.requests. Without the annotation weir-ml.github.io/gang its pods start one by one."},
		},
		"AllStartAgain": {
			why:    "Between two rounds there are no pods, and the job says why.",
			object: `{status: {conditions: [{type: Restarting, status: "True", message: "mnist-worker-1 failed with exit code 137 (OOMKilled): all replicas are started again in 10s (restart 1 of 3)."}]}}`,
			want: Explanation{State: Moving, Reason: "Restarting", Sentence: "TFJob mnist restarts: mnist-worker-1 failed with exit code 137 (OOMKilled): all replicas are started again in 10s (restart 1 of 3).",
				Remedy: "Read what its pods printed before: weir logs tfjob/mnist -n ada"},
		},
		"ManagedElsewhere": {
			why:    "Our controllers leave such a job alone, so it would wait for ever without a word.",
			object: `{spec: {runPolicy: {managedBy: kueue.x-k8s.io/multikueue}}}`,
			want: Explanation{State: Stuck, Reason: "ManagedElsewhere", Sentence: `TFJob mnist is left to another controller: it is managed by "kueue.x-k8s.io/multikueue".`,
				Remedy: "See whether that controller runs; or create the object without managedBy."},
		},
		"QuotaExceeded": {
			why:    "Pods that may not be created are known from events only.",
			object: `{spec: {}}`, events: events(quota),
			want: Explanation{State: Stuck, Reason: "QuotaExceeded", Sentence: `TFJob mnist cannot create its pods: quota "gpus" is used up (requested: requests.cpu=2, used: requests.cpu=3, limited: requests.cpu=4).`,
				Remedy: "Delete what is not needed, ask for less, or raise the quota: kubectl edit resourcequota gpus"},
		},
		"QuotaWasExceeded": {
			why:    "Pods created since show that it is over.",
			object: `{spec: {}}`, events: events(quota), replicas: []Explanation{runs},
			pods: []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0))}}},
			want: Explanation{State: Moving, Reason: "Running", Sentence: "TFJob mnist is running, with 1 pod."},
		},
		"OneHoldsUpTheOthers": {
			why:    "The replica that cannot start counts; that the others wait for it is a fact.",
			object: `{spec: {}}`, replicas: []Explanation{waits, stuck},
			want: Explanation{Object: stuck.Object, State: Stuck, Reason: "NotEnoughCPU", Sentence: "Pod mnist-worker-1 asks for 64 cpu.", Remedy: "Ask for less.",
				Facts: []string{"Running, and waiting for it: mnist-worker-0", "Its pods:", "  mnist-worker-0  WaitsForPeers", "  mnist-worker-1  NotEnoughCPU"}},
		},
		"Running": {
			why:    "All is well.",
			object: `{spec: {}}`, replicas: []Explanation{runs, runs},
			want: Explanation{State: Moving, Reason: "Running", Sentence: "TFJob mnist is running, with 2 pods.",
				Facts: []string{"Its pods:", "  mnist-chief-0  Running", "  mnist-chief-0  Running"}},
		},
		"ImageBeingPrepared": {
			why:      "Of replicas that wait for one image, the one for which it is prepared says how far it is.",
			object:   `{spec: {}}`,
			replicas: []Explanation{runs, {State: Moving, Reason: "WaitsForImage", Sentence: "Another one."}, {State: Moving, Reason: "PreparingImage", Sentence: "Pod a waits: downloading."}, {State: Moving, Reason: "WaitsForImage", Sentence: "Another one."}},
			want: Explanation{State: Moving, Reason: "PreparingImage", Sentence: "TFJob mnist is on its way. Pod a waits: downloading.",
				Facts: []string{"Its pods:", "                 PreparingImage", "                 WaitsForImage", "                 WaitsForImage", "  mnist-chief-0  Running"}},
		},
		"NobodyActed": {
			why:    "Without a controller nothing ever happens.",
			object: `{spec: {}}`,
			want: Explanation{State: Moving, Reason: "NobodyActed", Sentence: "Nobody has acted on TFJob mnist yet.",
				Remedy: "If it stays so, the controller for TFJob does not run: weir status"},
		},
		"NotReady": {
			why:    "For a kind nobody here has heard of, its Ready condition speaks.",
			object: `{spec: {}, status: {conditions: [{type: Ready, status: "False", reason: NoRuntime, message: no runtime serves this model}]}}`,
			want:   Explanation{State: Stuck, Reason: "NoRuntime", Sentence: "TFJob mnist is not ready: no runtime serves this model."},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.want.Object == (Object{}) {
				tc.want.Object = Object{"TFJob", "ada", "mnist"}
			}
			got := ofOwner(objectOf(t, "kubeflow.org/v1", "TFJob", "mnist", tc.object), tc.pods, tc.replicas, tc.events)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nofOwner(): -want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

func TestOfDeleted(t *testing.T) {
	cases := map[string]struct {
		why        string
		finalizers []string
		users      []string
		want       Explanation
	}{
		"NoFinalizer": {
			why:  "Then it is a matter of moments.",
			want: Explanation{State: Moving, Reason: "Terminating", Sentence: "TFJob mnist is being deleted."},
		},
		"ClaimInUse": {
			why:        "A claim waits for the pods that use it.",
			finalizers: []string{claimProtection}, users: []string{"a", "b"},
			want: Explanation{State: Stuck, Reason: "ClaimInUse", Sentence: "Claim mnist is deleted as soon as no pod uses it; in use by a, b.",
				Remedy: "Delete those pods, or what makes them, if the volume may go."},
		},
		"Foreground": {
			why:        "Deleted in the foreground, it waits for what it owns.",
			finalizers: []string{metav1.FinalizerDeleteDependents},
			want: Explanation{State: Moving, Reason: "WaitsForDependents", Sentence: "TFJob mnist is deleted as soon as everything it owns is gone.",
				Remedy: "Explain what it owns: one of those may be held up."},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := objectOf(t, "kubeflow.org/v1", "TFJob", "mnist", `{}`)
			o.SetFinalizers(tc.finalizers)
			tc.want.Object = Object{"TFJob", "ada", "mnist"}
			if diff := cmp.Diff(tc.want, ofDeleted("TFJob", o, tc.users)); diff != "" {
				t.Errorf("%s\nofDeleted(): -want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

func TestOfDeletedNamespace(t *testing.T) {
	left := objectOf(t, "kubeflow.org/v1", "TFJob", "mnist", `{}`)
	left.SetFinalizers([]string{"example.com/archive"})
	got := ofDeletedNamespace("ada", []client.Object{left}, "", "")
	want := "Namespace ada is deleted, and waits for what is in it. TFJob mnist is deleted, but finalizer example.com/archive on it is still to be taken off by its controller."
	if got.Sentence != want {
		t.Errorf("with an object left: %q, want %q", got.Sentence, want)
	}
	got = ofDeletedNamespace("ada", nil, "Some resources are remaining: tfjobs.kubeflow.org has 1 resource instances.", "")
	if want := "ContentRemains"; got.Reason != want {
		t.Errorf("with objects of a kind that is not known: reason %q, want %q", got.Reason, want)
	}
}

func TestOfClaim(t *testing.T) {
	cases := map[string]struct {
		why    string
		claim  string
		events []corev1.Event
		want   string
		state  State
	}{
		"Bound": {
			why:   "It has what it asked for.",
			claim: `{status: {phase: Bound}, spec: {volumeName: pv-1}}`,
			want:  "Claim data has its volume, pv-1.", state: Done,
		},
		"WaitsForPod": {
			why:    "The default class binds when a pod comes.",
			claim:  `{status: {phase: Pending}}`,
			events: events(normal("WaitForFirstConsumer", "waiting for first consumer to be created before binding")),
			want:   "Claim data gets its volume as soon as a pod that uses it has a node.", state: Moving,
		},
		"NoSuchClass": {
			why:    "The class has a wrong name.",
			claim:  `{status: {phase: Pending}, spec: {storageClassName: fast}}`,
			events: events(warning("ProvisioningFailed", `storageclass.storage.k8s.io "fast" not found`)),
			want:   `Claim data wants storage class "fast", which does not exist.`, state: Stuck,
		},
		"NoClass": {
			why:   "An empty class means a volume made by hand.",
			claim: `{status: {phase: Pending}, spec: {storageClassName: ""}}`,
			want:  "Claim data waits for a volume that somebody creates: it asks for no storage class, and no free volume matches.", state: Stuck,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var claim corev1.PersistentVolumeClaim
			if err := yaml.Unmarshal([]byte(tc.claim), &claim); err != nil {
				t.Fatal(err)
			}
			claim.Name = "data"
			if got := ofClaim(&claim, tc.events); got.Sentence != tc.want || got.State != tc.state {
				t.Errorf("%s\nofClaim(): %s %q, want %s %q", tc.why, got.State, got.Sentence, tc.state, tc.want)
			}
		})
	}
}

func TestOfService(t *testing.T) {
	o := objectOf(t, "v1", "Service", "model", `{}`)
	selector := map[string]string{"app": "model"}
	if got := ofService(o, selector, nil, nil); got.Reason != "NoPodMatches" {
		t.Errorf("without pods: reason %q, want NoPodMatches", got.Reason)
	}
	pod := podOf(running(), notReady())
	e := ofPod(pod, facts{})
	got := ofService(o, selector, []corev1.Pod{*pod}, []Explanation{e})
	if want := "Service model leads nowhere: none of its pods is ready. Pod w runs and is not ready yet."; got.Sentence != want {
		t.Errorf("with a pod that is not ready: %q, want %q", got.Sentence, want)
	}
}

// objectOf is an object in namespace ada, with what the YAML says.
func objectOf(t *testing.T, apiVersion, kind, name, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace("ada")
	o.SetName(name)
	o.SetUID("uid-of-the-object")
	return o
}
