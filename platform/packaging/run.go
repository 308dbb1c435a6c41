package packaging

import (
	_ "embed" // for bootstrap.py
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/admission"
)

// LabelRun is, on what a run is made of, the name of the run.
const LabelRun = "weir-ml.github.io/run"

// bootstrap is what a pod runs first: it fetches all else.
//
//go:embed bootstrap.py
var bootstrap string

// A Run is a program and how it is to be run.
type Run struct {
	Name, Namespace string

	// Code is where the bundle of the program's folder is, as Bundle.URL says.
	Code string
	// Command is run in that folder, by whichever python is in the image.
	Command []string
	// Image is any that has a Python, of 3.6 or later.
	Image string
	// Packages are those that the program needs, as pip knows them. Where the
	// image is a bare Python, weir gives the pods an environment that has them;
	// elsewhere they are installed when a pod starts.
	Packages []string

	// Framework decides which kind of job it is: a batch Job without one.
	Framework Framework
	// Workers are the processes that train, and ParameterServers, of TensorFlow's
	// alone, those that hold what is learnt.
	Workers, ParameterServers int32

	Variables []corev1.EnvVar
	// Resources are what each replica asks for, and may use.
	Resources corev1.ResourceList
	Data      []Data
	// Output is a folder whose files are put into S3 when the program has ended.
	// It is made for the program if it ends in a slash.
	Output string

	// Timeout is how long it may run; zero is as long as it likes.
	Timeout time.Duration
	// Retries are how often it is tried again when it fails.
	Retries int32
}

// Data is copied from an address in S3 into a folder of the pod.
type Data struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// folder is where pods keep what they fetch.
const folder = "/weir"

// Manifest is the run as an object to create: with kubectl as well as by weir.
func (r Run) Manifest() (*unstructured.Unstructured, error) {
	o, err := r.job()
	if err != nil {
		return nil, err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, fmt.Errorf("write manifest of run %s: %w", r.Name, err)
	}
	delete(content, "status")
	prune(content)
	return &unstructured.Unstructured{Object: content}, nil
}

// prune leaves out what says nothing: nulls, and empty maps.
func prune(content map[string]any) {
	for key, value := range content {
		switch v := value.(type) {
		case nil:
			delete(content, key)
		case map[string]any:
			prune(v)
			if len(v) == 0 && key != "emptyDir" {
				delete(content, key)
			}
		case []any:
			for _, item := range v {
				if m, ok := item.(map[string]any); ok {
					prune(m)
				}
			}
		}
	}
}

func (r Run) job() (runtime.Object, error) {
	meta := metav1.ObjectMeta{Name: r.Name, Namespace: r.Namespace, Labels: map[string]string{LabelRun: r.Name}}
	if r.Framework == "" {
		template, err := r.template("main")
		if err != nil {
			return nil, err
		}
		template.Spec.RestartPolicy = corev1.RestartPolicyNever
		return &batchv1.Job{
			TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}, ObjectMeta: meta,
			Spec: batchv1.JobSpec{BackoffLimit: &r.Retries, ActiveDeadlineSeconds: r.deadline(), Template: template},
		}, nil
	}
	f, ok := frameworks[r.Framework]
	if !ok {
		return nil, r.Framework.unknown()
	}
	if r.ParameterServers > 0 && r.Framework != TensorFlow {
		return nil, fmt.Errorf("%d parameter servers: only TensorFlow's jobs have any", r.ParameterServers)
	}
	template, err := r.template(f.container)
	if err != nil {
		return nil, err
	}
	restart := training.RestartNever
	if r.Retries > 0 {
		restart = training.RestartOnFailure
	}
	replicas := f.replicas(r)
	specs := map[training.ReplicaType]*training.ReplicaSpec{}
	for t, n := range replicas {
		if n == 0 {
			continue
		}
		specs[t] = &training.ReplicaSpec{Replicas: &n, RestartPolicy: restart, Template: *template.DeepCopy()}
		if f.command != nil {
			specs[t].Template.Spec.Containers[0].Args = f.command(r, t)
		}
	}
	job := f.job(specs)
	job.SetName(meta.Name)
	job.SetNamespace(meta.Namespace)
	job.SetLabels(meta.Labels)
	*job.Policy() = training.RunPolicy{
		ActiveDeadlineSeconds: r.deadline(), BackoffLimit: &r.Retries,
		CleanPodPolicy: new(training.CleanPodRunning),
	}
	return job, nil
}

func (r Run) deadline() *int64 {
	if r.Timeout == 0 {
		return nil
	}
	return new(int64((r.Timeout + time.Second - 1) / time.Second))
}

// template is the pod of every replica.
func (r Run) template(container string) (corev1.PodTemplateSpec, error) {
	t := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{
		Labels:      map[string]string{LabelRun: r.Name, admission.LabelS3: "true"},
		Annotations: map[string]string{},
	}}
	c := corev1.Container{
		Name: container, Image: r.Image,
		Command: []string{"python", "-c", bootstrap}, Args: r.Command,
		// weir gives pods with the label this Secret; elsewhere somebody has to.
		EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: admission.SecretS3}, Optional: new(true),
		}}},
		Env:          []corev1.EnvVar{{Name: "PYTHONUNBUFFERED", Value: "1"}, {Name: "WEIR_FOLDER", Value: folder}, {Name: "WEIR_CODE", Value: r.Code}},
		VolumeMounts: []corev1.VolumeMount{{Name: "weir", MountPath: folder}},
	}
	// Scripts have no business with the API server, and its token takes half of a
	// pod's start.
	t.Spec.AutomountServiceAccountToken = new(false)
	t.Spec.Volumes = []corev1.Volume{{Name: "weir", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	if len(r.Packages) > 0 {
		t.Labels[admission.Packages] = "true"
		t.Annotations[admission.Packages] = strings.Join(r.Packages, "\n")
		c.Env = append(c.Env, of("WEIR_PACKAGES", "metadata.annotations['"+admission.Packages+"']"))
	}
	if r.Output != "" {
		c.Env = append(c.Env,
			corev1.EnvVar{Name: "WEIR_OUTPUT", Value: r.Output},
			corev1.EnvVar{Name: "WEIR_OUTPUT_TO", Value: strings.TrimSuffix("s3://"+OutputBucket+"/"+OutputPrefix(r.Namespace, r.Name), "/")})
		if r.Workers+r.ParameterServers > 1 && r.Framework != MPI {
			c.Env = append(c.Env,
				of("WEIR_REPLICA_TYPE", "metadata.labels['"+training.LabelReplicaType+"']"),
				of("WEIR_REPLICA_INDEX", "metadata.labels['"+training.LabelReplicaIndex+"']"))
		}
	}
	if len(r.Data) > 0 {
		text, err := json.Marshal(r.Data)
		if err != nil {
			return t, err
		}
		c.Env = append(c.Env, corev1.EnvVar{Name: "WEIR_DATA", Value: string(text)})
		for i, d := range r.Data {
			name := fmt.Sprintf("data-%d", i)
			t.Spec.Volumes = append(t.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: d.To})
		}
	}
	if strings.HasPrefix(r.Output, "/") {
		t.Spec.Volumes = append(t.Spec.Volumes, corev1.Volume{Name: "output", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "output", MountPath: r.Output})
	}
	if r.Framework == MPI { // Open MPI would not run as root, as containers do.
		c.Env = append(c.Env, corev1.EnvVar{Name: "OMPI_ALLOW_RUN_AS_ROOT", Value: "1"}, corev1.EnvVar{Name: "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", Value: "1"})
	}
	c.Env = append(c.Env, r.Variables...)
	c.Resources = corev1.ResourceRequirements{Requests: r.Resources.DeepCopy(), Limits: limits(r.Resources)}
	t.Spec.Containers = []corev1.Container{c}
	return t, nil
}

// limits are what a replica may use at most. Processor time is shared by who
// asked for it, and not cut off where some is left.
func limits(resources corev1.ResourceList) corev1.ResourceList {
	l := resources.DeepCopy()
	delete(l, corev1.ResourceCPU)
	return l
}

// of is a variable with the value of a field of the pod.
func of(name, field string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: field}}}
}

// PythonImage is the image of a plain Python of a version, as "3.12", or of any.
func PythonImage(version string) string {
	if version == "" {
		version = "3"
	}
	return "python:" + version
}

// Frameworks are those that have a kind of job.
func Frameworks() []Framework {
	var all []Framework
	for f := range frameworks {
		all = append(all, f)
	}
	slices.Sort(all)
	return all
}
