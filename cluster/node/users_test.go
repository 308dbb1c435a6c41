package node

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"

	"github.com/weir-ml/weir/cluster/gpu"
)

// one is a machine's user namespace with nobody but root.
type one struct{}

func (one) HasUser(id uint32) bool  { return id == 0 }
func (one) HasGroup(id uint32) bool { return id == 0 }

func TestPodsOfStrangers(t *testing.T) {
	as := func(user, group int64) *corev1.SecurityContext {
		return &corev1.SecurityContext{RunAsUser: &user, RunAsGroup: &group}
	}
	for name, c := range map[string]struct {
		why  string
		pod  corev1.PodSpec
		want string // the refusal's beginning; "" is none
	}{
		"Nobody":    {why: "A pod that does not say is run as root, whom there is.", pod: corev1.PodSpec{Containers: []corev1.Container{{}}}},
		"Root":      {why: "Root exists.", pod: corev1.PodSpec{Containers: []corev1.Container{{SecurityContext: as(0, 0)}}}},
		"User":      {why: "A container's user does not exist.", pod: corev1.PodSpec{Containers: []corev1.Container{{}, {SecurityContext: as(1000, 0)}}}, want: "runAsUser 1000 does not exist"},
		"Group":     {why: "Nor does a group.", pod: corev1.PodSpec{InitContainers: []corev1.Container{{SecurityContext: as(0, 100)}}}, want: "runAsGroup 100 does not exist"},
		"OfThePod":  {why: "The pod's word is for all its containers.", pod: corev1.PodSpec{SecurityContext: &corev1.PodSecurityContext{RunAsUser: new(int64(7))}}, want: "runAsUser 7 does not exist"},
		"Deployed":  {why: "Whoever made a pod that always runs would make the next.", pod: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways, Containers: []corev1.Container{{SecurityContext: as(1000, 0)}}}},
		"OnFailure": {why: "A job's pod is not made again for ever.", pod: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyOnFailure, Containers: []corev1.Container{{SecurityContext: as(1000, 0)}}}, want: "runAsUser 1000 does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := newContainerManager(klog.Background(), one{}, t.TempDir(), gpu.Machine{})
			if err != nil {
				t.Fatal(err)
			}
			h := m.GetAllocateResourcesPodAdmitHandler(klog.Background())
			got := h.Admit(t.Context(), &lifecycle.PodAdmitAttributes{Pod: &corev1.Pod{Spec: c.pod}, Operation: lifecycle.AddOperation})
			if got.Admit != (c.want == "") || !strings.HasPrefix(got.Message, c.want) {
				t.Errorf("%s Got %+v, want %q", c.why, got, c.want)
			}
		})
	}
}
