package main

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// A target is an object as a user names it: tfjob/mnist.
type target struct {
	kind      schema.GroupVersionKind
	namespace string
	name      string
}

// String is how a user would name it.
func (t target) String() string { return strings.ToLower(t.kind.Kind) + "/" + t.name }

func (t target) key() client.ObjectKey { return client.ObjectKey{Namespace: t.namespace, Name: t.name} }

// A knownKind is one that a command finds without asking the API server what
// kinds it has, which takes longer than all the rest of a short command.
type knownKind struct {
	group, version, kind, plural string
	short                        string
	scope                        meta.RESTScope
}

func (k knownKind) gvk() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: k.group, Version: k.version, Kind: k.kind}
}

func knownKinds() []knownKind {
	inNamespace, inNone := meta.RESTScopeNamespace, meta.RESTScopeRoot
	return []knownKind{
		{"", "v1", "Pod", "pods", "po", inNamespace},
		{"", "v1", "Service", "services", "svc", inNamespace},
		{"", "v1", "ConfigMap", "configmaps", "cm", inNamespace},
		{"", "v1", "Secret", "secrets", "", inNamespace},
		{"", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", inNamespace},
		{"", "v1", "Event", "events", "ev", inNamespace},
		{"", "v1", "Namespace", "namespaces", "ns", inNone},
		{"", "v1", "Node", "nodes", "no", inNone},
		{"apps", "v1", "Deployment", "deployments", "deploy", inNamespace},
		{"apps", "v1", "ReplicaSet", "replicasets", "rs", inNamespace},
		{"apps", "v1", "StatefulSet", "statefulsets", "sts", inNamespace},
		{"apps", "v1", "DaemonSet", "daemonsets", "ds", inNamespace},
		{"batch", "v1", "Job", "jobs", "", inNamespace},
		{"batch", "v1", "CronJob", "cronjobs", "cj", inNamespace},
		{"kubeflow.org", "v1", "TFJob", "tfjobs", "", inNamespace},
		{"kubeflow.org", "v1", "PyTorchJob", "pytorchjobs", "", inNamespace},
		{"kubeflow.org", "v1", "MPIJob", "mpijobs", "", inNamespace},
		{"kubeflow.org", "v1", "XGBoostJob", "xgboostjobs", "", inNamespace},
		{"kubeflow.org", "v1", "JAXJob", "jaxjobs", "", inNamespace},
		{"kubeflow.org", "v1", "PaddleJob", "paddlejobs", "", inNamespace},
		{"kubeflow.org", "v1", "MXJob", "mxjobs", "", inNamespace},
		{"trainer.kubeflow.org", "v1alpha1", "TrainJob", "trainjobs", "", inNamespace},
		{"trainer.kubeflow.org", "v1alpha1", "TrainingRuntime", "trainingruntimes", "", inNamespace},
		{"trainer.kubeflow.org", "v1alpha1", "ClusterTrainingRuntime", "clustertrainingruntimes", "", inNone},
		{"jobset.x-k8s.io", "v1alpha2", "JobSet", "jobsets", "", inNamespace},
	}
}

// newMapper finds the known kinds by itself and asks the API server for others.
// Without a config there are no others.
func newMapper(config *rest.Config) (meta.RESTMapper, error) {
	known := meta.NewDefaultRESTMapper(nil)
	for _, k := range knownKinds() {
		gv := k.gvk().GroupVersion()
		known.AddSpecific(k.gvk(), gv.WithResource(k.plural), gv.WithResource(strings.ToLower(k.kind)), k.scope)
	}
	if config == nil {
		return known, nil
	}
	asked, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("ask for kinds: %w", err)
	}
	cached := memory.NewMemCacheClient(asked)
	others := restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(cached), cached, nil)
	return meta.FirstHitRESTMapper{MultiRESTMapper: meta.MultiRESTMapper{known, others}}, nil
}

// kindNamed finds the kind a user means: pod, po, pods, tfjobs.kubeflow.org.
func kindNamed(mapper meta.RESTMapper, word string) (schema.GroupVersionKind, error) {
	word = strings.ToLower(word)
	named := func(k knownKind) bool { return word == strings.ToLower(k.kind) || word == k.plural || word == k.short }
	known := knownKinds()
	if i := slices.IndexFunc(known, named); word != "" && i >= 0 {
		return known[i].gvk(), nil
	}
	kind, err := mapper.KindFor(schema.ParseGroupResource(word).WithVersion(""))
	if err != nil {
		return kind, fmt.Errorf("kind %q: there is none of this name; see: weir kubectl api-resources", word)
	}
	return kind, nil
}

// parseTarget reads KIND/NAME, KIND NAME, or NAME, which is a pod's.
func parseTarget(mapper meta.RESTMapper, args []string, namespace string) (target, error) {
	word, name, found := strings.Cut(args[0], "/")
	switch {
	case len(args) == 2 && found:
		return target{}, fmt.Errorf("%s %s: name one object, as in: tfjob/mnist", args[0], args[1])
	case len(args) == 2:
		name = args[1]
	case !found:
		word, name = "pod", args[0]
	}
	if name == "" {
		return target{}, fmt.Errorf("%s: a name is missing after the slash", args[0])
	}
	kind, err := kindNamed(mapper, word)
	if err != nil {
		return target{}, err
	}
	if m, err := mapper.RESTMapping(kind.GroupKind(), kind.Version); err == nil && m.Scope.Name() == meta.RESTScopeNameRoot {
		namespace = ""
	}
	return target{kind, namespace, name}, nil
}

// newClient reads any kind, with few types linked in and without asking for the
// kinds that are known.
func newClient(config *rest.Config, mapper meta.RESTMapper) (client.Client, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("reach the API server: %w", err)
		}
	}
	ctrllog.SetLogger(klog.Background()) // else it complains on the terminal after half a minute
	c, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	return c, nil
}
