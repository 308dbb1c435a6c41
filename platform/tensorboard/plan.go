package tensorboard

import (
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	v1alpha1 "github.com/weir-ml/weir/api/tensorboard/v1alpha1"
	"github.com/weir-ml/weir/platform/admission"
)

// Label names, on a pod, the Tensorboard that it is of.
const Label = "weir-ml.github.io/tensorboard"

const (
	port = 6006
	// volumeLogs is where a claim is mounted, as upstream has it.
	volumeLogs = "/tensorboard_logs/"
	// googleKeys is the Secret by which Google's storage is read, if there is one.
	googleKeys = "user-gcp-sa"
)

// packages are what TensorBoard needs: without TensorFlow it reads S3 by boto3.
var packages = []string{"tensorboard", "boto3"}

// start installs TensorBoard where it is not, and becomes it.
var start = `command -v tensorboard >/dev/null || python3 -m pip install --quiet --root-user-action=ignore ` +
	strings.Join(packages, " ") + `; exec tensorboard "$@"`

// Path is where a Tensorboard stands at the front door, and in its own pod.
func Path(namespace, name string) string { return "/tensorboard/" + namespace + "/" + name + "/" }

// visited is when a Tensorboard was last looked at, as far as is known.
func visited(t *v1alpha1.Tensorboard) time.Time {
	at := t.CreationTimestamp.Time
	if said, err := time.Parse(time.RFC3339, t.Annotations[v1alpha1.AnnotationVisited]); err == nil && said.After(at) {
		at = said
	}
	return at
}

// sleepsAt is when a Tensorboard is put to sleep, if nobody looks at it before.
func sleepsAt(t *v1alpha1.Tensorboard, o Options) (at time.Time, ever bool) {
	return visited(t).Add(o.Idle), o.Idle > 0
}

// deployment runs TensorBoard over a place.
func deployment(t *v1alpha1.Tensorboard, p place, o Options, awake bool) *appsv1.Deployment {
	replicas := int32(0)
	if awake {
		replicas = 1
	}
	selector := map[string]string{"app": t.Name, Label: t.Name}
	prefix := Path(t.Namespace, t.Name)
	logdir := p.String()
	c := corev1.Container{
		Name:    "tensorboard",
		Image:   o.Image,
		Command: []string{"sh", "-c", start, "tensorboard"},
		Ports:   []corev1.ContainerPort{{Name: "http", ContainerPort: port, Protocol: corev1.ProtocolTCP}},
		// Once it answers it goes on to, or ends.
		StartupProbe: &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: prefix, Port: intstr.FromInt32(port), Scheme: corev1.URISchemeHTTP}},
			PeriodSeconds: 1, TimeoutSeconds: 5, SuccessThreshold: 1, FailureThreshold: 600,
		},
	}
	pod := corev1.PodSpec{AutomountServiceAccountToken: new(false), RestartPolicy: corev1.RestartPolicyAlways}
	labels := map[string]string{"app": t.Name, Label: t.Name, admission.Packages: "true"}
	switch p.scheme {
	case "s3":
		labels[admission.LabelS3] = "true"
		// TensorBoard wants the whole URL where TensorFlow wants the host.
		c.Env = []corev1.EnvVar{{Name: "S3_ENDPOINT", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: admission.SecretS3}, Key: "AWS_ENDPOINT_URL", Optional: new(true),
		}}}}
	case "gs":
		pod.Volumes = []corev1.Volume{{Name: "gcp-creds", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: googleKeys, Optional: new(true)}}}}
		c.VolumeMounts = []corev1.VolumeMount{{Name: "gcp-creds", MountPath: "/secret/gcp", ReadOnly: true}}
		c.Env = []corev1.EnvVar{{Name: "GOOGLE_APPLICATION_CREDENTIALS", Value: "/secret/gcp/" + googleKeys + ".json"}}
	case "pvc":
		logdir = volumeLogs
		pod.Volumes = []corev1.Volume{{Name: "logs", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: p.root, ReadOnly: true},
		}}}
		c.VolumeMounts = []corev1.VolumeMount{{Name: "logs", MountPath: volumeLogs, SubPath: p.below, ReadOnly: true}}
	}
	c.Args = []string{"--logdir=" + logdir, "--bind_all", "--path_prefix=" + strings.TrimSuffix(prefix, "/")}
	pod.Containers = []corev1.Container{c}
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Namespace: t.Namespace, Name: t.Name, Labels: selector},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: selector},
			// Two would read all the files twice.
			Strategy: appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{admission.Packages: strings.Join(packages, "\n")}},
				Spec:       pod,
			},
		},
	}
}

// service is by what name others in the cluster reach it.
func service(t *v1alpha1.Tensorboard) *corev1.Service {
	selector := map[string]string{"app": t.Name, Label: t.Name}
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: t.Namespace, Name: t.Name, Labels: selector},
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: selector,
			Ports:    []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(port), Protocol: corev1.ProtocolTCP}},
		},
	}
}
