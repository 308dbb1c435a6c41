// Package explain says why an object is not moving, in one sentence a person
// understands, and what to do.
//
//	object ─▶ its pods ─▶ facts (events, room on nodes, claims, last log lines)
//	                        │
//	                        ▼
//	              ofPod, ofOwner, …: functions of what was read ─▶ Explanation
//
// Of answers for any kind: it knows how Kubernetes speaks of pods, claims and
// namespaces, and follows owner references for everything else. Setup adds a
// controller that says the same sentence as an event on the object.
package explain

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weir-ml/weir/platform/room"
)

// An Explanation says how an object fares, and why.
type Explanation struct {
	Object   Object // what it is about: often not what was asked for, but what holds that up
	State    State
	Reason   string   // one word in CamelCase, for machines
	Sentence string   // for people
	Remedy   string   // what to do; empty when there is nothing to
	Facts    []string // what the sentence rests on, a line each: last log lines, the other replicas
}

// An Object is named as a user names it.
type Object struct {
	Kind, Namespace, Name string
}

// A State is how an object fares.
type State string

const (
	Done   State = "Done"   // ended well
	Moving State = "Moving" // runs, or will without anybody's doing
	Stuck  State = "Stuck"  // goes no further until somebody does something
	Failed State = "Failed" // ended badly
)

// Logs returns the last lines that a container printed in its last attempt that
// ended, or in the one that runs if none has.
type Logs func(ctx context.Context, pod *corev1.Pod, container string, lines int) ([]string, error)

// A Source is what explanations are made from.
type Source struct {
	Reader client.Reader
	Mapper meta.RESTMapper // finds kinds by their plurals; may be nil
	Logs   Logs            // may be nil
}

// Of explains one object. The error is the API server's when the object cannot
// be read; it is a NotFound when there is none.
func Of(ctx context.Context, source Source, kind schema.GroupVersionKind, namespace, name string) (Explanation, error) {
	from := &reading{Source: source}
	key := client.ObjectKey{Namespace: namespace, Name: name}
	if kind.Group == "" && kind.Kind == "Pod" {
		var pod corev1.Pod
		if err := from.Reader.Get(ctx, key, &pod); err != nil {
			return Explanation{}, fmt.Errorf("explain pod %s: %w", key, err)
		}
		return from.pod(ctx, &pod)
	}
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(kind)
	if err := from.Reader.Get(ctx, key, o); err != nil {
		return Explanation{}, fmt.Errorf("explain %s %s: %w", kind.Kind, key, err)
	}
	switch {
	case o.GetDeletionTimestamp() != nil:
		return from.deletion(ctx, o)
	case kind.Group == "" && kind.Kind == "PersistentVolumeClaim":
		return from.claim(ctx, o)
	case kind.Group == "" && kind.Kind == "Service":
		return from.service(ctx, o)
	}
	return from.owner(ctx, o)
}

// A reading reads for one explanation, and what it has read it does not read
// again: replicas of one job ask for the same.
type reading struct {
	Source
	rooms    []room.Room
	byObject map[types.UID][]corev1.Event // nil until the events of a whole namespace are read
}

// command is a command of weir about an object.
func command(verb, kind, namespace, name string) string {
	if namespace == "default" {
		namespace = ""
	}
	return fmt.Sprintf("weir %s %s/%s%s", verb, strings.ToLower(kind), name, inNamespace(namespace))
}

// capital makes the first letter of a sentence a capital one.
func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}

// component is how events of ours say who said them; they are no evidence.
const component = "weir-explain"
