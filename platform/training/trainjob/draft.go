package trainjob

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	jobsetv1alpha2 "sigs.k8s.io/jobset/api/jobset/v1alpha2"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
	training "github.com/weir-ml/weir/api/training/v1"
)

// A draft is the JobSet that a TrainJob is to become, while it is written.
type draft struct {
	job    *trainer.TrainJob
	policy *trainer.MLPolicy
	meta   trainer.JobSetTemplateSpec
	// spec is the JobSet; it starts as the runtime has it.
	spec jobsetv1alpha2.JobSetSpec
	// nodes is how many pods train.
	nodes int32
}

// newDraft starts with a runtime, as it is patched by the TrainJob, and gives
// its steps what the TrainJob says of them.
func newDraft(j *trainer.TrainJob, by *trainer.TrainingRuntimeSpec) (*draft, error) {
	d := &draft{job: j, policy: by.MLPolicy.DeepCopy(), meta: *by.Template.DeepCopy(), nodes: 1}
	if d.policy == nil {
		d.policy = &trainer.MLPolicy{}
	}
	if err := d.patch(); err != nil {
		return nil, err
	}
	d.leaveOut()
	d.spec = d.meta.Spec.JobSetSpec
	d.spec.Suspend = new(j.Suspended())
	d.count()
	d.mount()
	d.restartWhole()
	for i := range d.spec.ReplicatedJobs {
		d.spec.ReplicatedJobs[i].Replicas = max(1, d.spec.ReplicatedJobs[i].Replicas)
	}
	if t := j.Spec.Trainer; t != nil && t.ResourcesPerNode != nil {
		for _, r := range d.training() {
			if c := containerOf(r, trainer.Node); c != nil {
				c.Resources = mergedResources(c.Resources, *t.ResourcesPerNode)
			}
		}
	}
	return d, nil
}

// leaveOut takes out initializers that have nothing to fetch, and the volume
// that they share with the nodes if none is left: so one runtime serves with
// and without.
func (d *draft) leaveOut() {
	jobs := d.meta.Spec.ReplicatedJobs
	out, left := map[string]bool{}, 0
	for i := range jobs {
		step := stepOf(&jobs[i])
		if step != trainer.StepDataset && step != trainer.StepModel {
			continue
		}
		if fetchOf(d.job, step) == nil && !fetches(containerOf(&jobs[i], step)) {
			out[jobs[i].Name] = true
			continue
		}
		left++
	}
	if len(out) == 0 {
		return
	}
	jobs = slices.DeleteFunc(jobs, func(r jobsetv1alpha2.ReplicatedJob) bool { return out[r.Name] })
	for i := range jobs {
		jobs[i].DependsOn = slices.DeleteFunc(jobs[i].DependsOn, func(o jobsetv1alpha2.DependsOn) bool { return out[o.Name] })
		if left == 0 {
			unmount(&jobs[i].Template.Spec.Template.Spec, d.claims())
		}
	}
	d.meta.Spec.ReplicatedJobs = jobs
	if left == 0 {
		d.meta.Spec.VolumeClaimPolicies = nil
	}
}

// fetchOf is what a TrainJob asks an initializer for; nil is nothing.
func fetchOf(j *trainer.TrainJob, step string) *trainer.Fetch {
	i := j.Spec.Initializer
	switch {
	case i == nil:
		return nil
	case step == trainer.StepDataset:
		return i.Dataset
	default:
		return i.Model
	}
}

// fetches tells whether the runtime itself says what to fetch.
func fetches(c *corev1.Container) bool {
	return c != nil && (len(c.EnvFrom) > 0 || slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == storageURI }))
}

const storageURI = "STORAGE_URI"

// unmount takes claims out of a pod.
func unmount(pod *corev1.PodSpec, claims []trainer.ClaimTemplate) {
	for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range containers {
			containers[i].VolumeMounts = slices.DeleteFunc(containers[i].VolumeMounts, func(m corev1.VolumeMount) bool {
				return slices.ContainsFunc(claims, func(c trainer.ClaimTemplate) bool { return c.Name == m.Name })
			})
		}
	}
}

// count says how many pods each job has. The TrainJob's word goes before the
// runtime's.
func (d *draft) count() {
	if n := d.policy.NumNodes; n != nil {
		d.nodes = *n
	}
	if t := d.job.Spec.Trainer; t != nil && t.NumNodes != nil {
		d.nodes = *t.NumNodes
	}
	for i := range d.spec.ReplicatedJobs {
		r := &d.spec.ReplicatedJobs[i]
		n := int32(1)
		if p := r.Template.Spec.Parallelism; p != nil {
			n = *p
		}
		switch trains := stepOf(r) == trainer.StepTrainer; {
		case d.policy.MPI != nil && r.Name == trainer.Node:
			n = d.nodes
			if d.launcherIsNode() {
				n = max(n-1, 1)
			}
		case d.policy.MPI != nil && trains:
			n = 1 // The launcher.
		case trains:
			n = d.nodes
		}
		r.Template.Spec.Parallelism, r.Template.Spec.Completions = &n, &n
	}
}

// restartWhole has all nodes start again when one fails, if the TrainJob asks for
// it and its runtime does not say what else to do.
func (d *draft) restartWhole() {
	if d.job.Annotations[training.AnnotationRestart] != training.RestartJob || d.spec.FailurePolicy != nil {
		return
	}
	limit, ok := training.RestartLimitOf(d.job)
	if !ok {
		limit = training.DefaultRestartLimit
	}
	d.spec.FailurePolicy = &jobsetv1alpha2.FailurePolicy{MaxRestarts: limit}
	for _, r := range d.training() { // A node that fails is not tried again by itself.
		r.Template.Spec.BackoffLimit = new(int32(0))
		r.Template.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	}
}

// mount gives the pods whose containers mount a claim of the TrainJob's the
// volume of that name.
func (d *draft) mount() {
	for _, claim := range d.claims() {
		for i := range d.spec.ReplicatedJobs {
			pod := &d.spec.ReplicatedJobs[i].Template.Spec.Template.Spec
			mounts := func(c corev1.Container) bool {
				return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == claim.Name })
			}
			if slices.ContainsFunc(slices.Concat(pod.InitContainers, pod.Containers), mounts) {
				setVolume(pod, corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{
					PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claimName(claim.Name, d.job.Name)},
				}})
			}
		}
	}
}

func (d *draft) claims() []trainer.ClaimTemplate {
	var all []trainer.ClaimTemplate
	for _, p := range d.meta.Spec.VolumeClaimPolicies {
		all = append(all, p.Templates...)
	}
	return all
}

// initialize tells the initializers what to fetch.
func (d *draft) initialize() {
	for i := range d.spec.ReplicatedJobs {
		r := &d.spec.ReplicatedJobs[i]
		step := stepOf(r)
		if step != trainer.StepDataset && step != trainer.StepModel {
			continue
		}
		f, c := fetchOf(d.job, step), containerOf(r, step)
		if f == nil || c == nil {
			continue
		}
		if f.StorageURI != nil {
			setEnv(c, corev1.EnvVar{Name: storageURI, Value: *f.StorageURI})
		}
		setEnv(c, f.Env...)
		if f.SecretRef != nil {
			c.EnvFrom = append(c.EnvFrom, corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: *f.SecretRef}})
		}
	}
}

// train gives the nodes what the TrainJob says of them.
func (d *draft) train() {
	t := d.job.Spec.Trainer
	if t == nil {
		return
	}
	for _, r := range d.training() {
		c := containerOf(r, trainer.Node)
		if c == nil {
			continue
		}
		if stepOf(r) == trainer.StepTrainer {
			if t.Image != nil {
				c.Image = *t.Image
			}
			if t.Command != nil && !d.tunes() {
				c.Command = t.Command
			}
			if t.Args != nil {
				c.Args = t.Args
			}
		}
		setEnv(c, t.Env...)
	}
}

// training are the jobs whose pods are nodes: the one of the step trainer, and
// where the launcher is one of the nodes, the others too.
func (d *draft) training() []*jobsetv1alpha2.ReplicatedJob {
	var all []*jobsetv1alpha2.ReplicatedJob
	for i := range d.spec.ReplicatedJobs {
		r := &d.spec.ReplicatedJobs[i]
		if stepOf(r) == trainer.StepTrainer || d.launcherIsNode() && r.Name == trainer.Node {
			all = append(all, r)
		}
	}
	return all
}

func (d *draft) launcherIsNode() bool {
	return d.policy.MPI != nil && d.policy.MPI.RunLauncherAsNode != nil && *d.policy.MPI.RunLauncherAsNode
}

// node is the container that trains; nil if the runtime has none.
func (d *draft) node() *corev1.Container {
	for i := range d.spec.ReplicatedJobs {
		if r := &d.spec.ReplicatedJobs[i]; stepOf(r) == trainer.StepTrainer {
			return containerOf(r, trainer.Node)
		}
	}
	return nil
}

// host is the name of a pod, as others find it.
func (d *draft) host(job string, replica, index int32) string {
	subdomain := d.job.Name
	if n := d.spec.Network; n != nil && n.Subdomain != "" {
		subdomain = n.Subdomain
	}
	return fmt.Sprintf("%s-%s-%d-%d.%s", d.job.Name, job, replica, index, subdomain)
}

// first is the node that the others look to.
func (d *draft) first() string {
	name := trainer.Node
	for i := range d.spec.ReplicatedJobs {
		if r := &d.spec.ReplicatedJobs[i]; stepOf(r) == trainer.StepTrainer {
			name = r.Name
		}
	}
	return d.host(name, 0, 0)
}

// hosts are the pods of a job.
func (d *draft) hosts(r *jobsetv1alpha2.ReplicatedJob) []string {
	var all []string
	for replica := range r.Replicas {
		for index := range *r.Template.Spec.Parallelism {
			all = append(all, d.host(r.Name, replica, index))
		}
	}
	return all
}

// stepOf is the part of a TrainJob that a runtime's job is for.
func stepOf(r *jobsetv1alpha2.ReplicatedJob) string { return r.Template.Labels[trainer.LabelAncestor] }

func containerOf(r *jobsetv1alpha2.ReplicatedJob, name string) *corev1.Container {
	containers := r.Template.Spec.Template.Spec.Containers
	for i := range containers {
		if containers[i].Name == name {
			return &containers[i]
		}
	}
	return nil
}

// setEnv adds variables, or replaces those of their names where they stand.
func setEnv(c *corev1.Container, variables ...corev1.EnvVar) {
	for _, v := range variables {
		if i := slices.IndexFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == v.Name }); i >= 0 {
			c.Env[i] = v
			continue
		}
		c.Env = append(c.Env, v)
	}
}

// setPort opens the port that nodes find each other by.
func setPort(c *corev1.Container) {
	if !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.ContainerPort == trainer.Port }) {
		c.Ports = append(c.Ports, corev1.ContainerPort{ContainerPort: trainer.Port})
	}
}

func setVolume(pod *corev1.PodSpec, v corev1.Volume) {
	if i := slices.IndexFunc(pod.Volumes, func(e corev1.Volume) bool { return e.Name == v.Name }); i >= 0 {
		pod.Volumes[i] = v
		return
	}
	pod.Volumes = append(pod.Volumes, v)
}

func setMount(c *corev1.Container, m corev1.VolumeMount) {
	if i := slices.IndexFunc(c.VolumeMounts, func(e corev1.VolumeMount) bool { return e.MountPath == m.MountPath }); i >= 0 {
		c.VolumeMounts[i] = m
		return
	}
	c.VolumeMounts = append(c.VolumeMounts, m)
}

// rank is a variable that holds a pod's place among its job's.
func rank(name string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{
		FieldPath: fmt.Sprintf("metadata.annotations['%s']", batchv1.JobCompletionIndexAnnotation),
	}}}
}

func mergedResources(base, over corev1.ResourceRequirements) corev1.ResourceRequirements {
	merge := func(into *corev1.ResourceList, from corev1.ResourceList) {
		if len(from) == 0 {
			return
		}
		all := corev1.ResourceList{}
		maps.Copy(all, *into)
		maps.Copy(all, from)
		*into = all
	}
	out := *base.DeepCopy()
	merge(&out.Limits, over.Limits)
	merge(&out.Requests, over.Requests)
	for _, c := range over.Claims {
		out.Claims = append(slices.DeleteFunc(out.Claims, func(o corev1.ResourceClaim) bool { return o.Name == c.Name }), c)
	}
	return out
}

// gpus counts the GPUs that a container asks for.
func gpus(r corev1.ResourceRequirements) int32 {
	for _, list := range []corev1.ResourceList{r.Requests, r.Limits} {
		var n int64
		for name, q := range list {
			if strings.Contains(strings.ToLower(string(name)), "gpu") || strings.HasPrefix(string(name), "nvidia.com/mig-") {
				n += q.Value()
			}
		}
		if n > 0 {
			return int32(n)
		}
	}
	return 0
}

// cpus counts the processors that a container asks for, begun ones too.
func cpus(r corev1.ResourceRequirements) int32 {
	if q := r.Requests.Cpu(); !q.IsZero() {
		return int32(q.Value())
	}
	return int32(r.Limits.Cpu().Value())
}
