package trainjob

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
)

// Reporting is where training programs report to: see package trainerstatus.
type Reporting struct {
	// URL is where, up to the path: https://host:port.
	URL string
	// Authority vouches for it, as PEM.
	Authority []byte
}

// Names in the pods of programs that report.
const (
	volumeReporting = "kubeflow-trainer-token"
	reportingFolder = "/var/run/secrets/kubeflow/trainer"
	authorityFile   = "ca.crt"
	tokenFile       = "token"
	tokenSeconds    = 3600
)

func authorityName(job string) string { return job + "-tls-config" }

// StatusPath is the path that the program of a TrainJob reports to.
func StatusPath(namespace, job string) string { return "/apis/" + Audience(namespace, job) }

// Audience is who a token to report with is for.
func Audience(namespace, job string) string {
	return fmt.Sprintf("%s/namespaces/%s/trainjobs/%s/status", trainer.GroupVersion, namespace, job)
}

// report tells the containers that train where they may report to, and by which
// token they are believed.
func (d *draft) report(to *Reporting) {
	path, audience := StatusPath(d.job.Namespace, d.job.Name), Audience(d.job.Namespace, d.job.Name)
	for i := range d.spec.ReplicatedJobs {
		r := &d.spec.ReplicatedJobs[i]
		if stepOf(r) != trainer.StepTrainer {
			continue
		}
		pod := &r.Template.Spec.Template.Spec
		for k := range pod.Containers {
			setEnv(&pod.Containers[k],
				corev1.EnvVar{Name: "KUBEFLOW_TRAINER_SERVER_URL", Value: to.URL + path},
				corev1.EnvVar{Name: "KUBEFLOW_TRAINER_SERVER_CA_CERT", Value: reportingFolder + "/" + authorityFile},
				corev1.EnvVar{Name: "KUBEFLOW_TRAINER_SERVER_TOKEN", Value: reportingFolder + "/" + tokenFile})
			setMount(&pod.Containers[k], corev1.VolumeMount{Name: volumeReporting, MountPath: reportingFolder, ReadOnly: true})
		}
		setVolume(pod, corev1.Volume{Name: volumeReporting, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{
				{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Audience: audience, ExpirationSeconds: new(int64(tokenSeconds)), Path: tokenFile}},
				{ConfigMap: &corev1.ConfigMapProjection{
					LocalObjectReference: corev1.LocalObjectReference{Name: authorityName(d.job.Name)},
					Items:                []corev1.KeyToPath{{Key: authorityFile, Path: authorityFile}},
				}},
			},
		}}})
	}
}

// authority is what a TrainJob's programs know the server by.
func (r *Reporting) authority(job string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: authorityName(job)},
		Data:       map[string]string{authorityFile: string(r.Authority)},
	}
}
