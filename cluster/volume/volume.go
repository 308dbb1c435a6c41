// Package volume gives each claim a folder: a StorageClass that is the default
// one, and upstream's provisioning controller over a provisioner that makes and
// removes folders.
package volume

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const (
	// ClassName names the default StorageClass.
	ClassName = "weir"
	// Provisioner is what a StorageClass names to get folders.
	Provisioner = "weir-ml.github.io/folder"
)

// Config says where volumes lie.
type Config struct {
	// Dir holds one folder for each claim: <namespace>_<claim>_<volume>.
	Dir string
	// Node is the node that has the folders.
	Node string
	REST *rest.Config
}

// Start provisions volumes until ctx ends.
func Start(ctx context.Context, c Config) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("start volumes: %w", err)
	}
	client, err := kubernetes.NewForConfig(c.REST)
	if err != nil {
		return fmt.Errorf("start volumes: %w", err)
	}
	if err := createClass(ctx, client); err != nil {
		return fmt.Errorf("create StorageClass %s: %w", ClassName, err)
	}
	provision := controller.NewProvisionController(ctx, client, Provisioner, &folders{dir: c.Dir, node: c.Node},
		controller.LeaderElection(false), controller.MetricsPort(0))
	go provision.Run(ctx)
	return nil
}

// createClass makes the default class once. One that exists is left as it is:
// people change defaults.
func createClass(ctx context.Context, client kubernetes.Interface) error {
	_, err := client.StorageV1().StorageClasses().Create(ctx, &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name:        ClassName,
			Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner:   Provisioner,
		ReclaimPolicy: ptr.To(corev1.PersistentVolumeReclaimDelete),
		// With one node there is nothing to wait for.
		VolumeBindingMode: ptr.To(storagev1.VolumeBindingImmediate),
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// folders makes a folder for a claim, and removes it with its volume.
type folders struct{ dir, node string }

func (f *folders) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	claim := o.PVC
	if mode := claim.Spec.VolumeMode; mode != nil && *mode == corev1.PersistentVolumeBlock {
		return nil, controller.ProvisioningFinished, fmt.Errorf("claim %s/%s asks for a block device; volumes here are folders: leave volumeMode out", claim.Namespace, claim.Name)
	}
	folder := filepath.Join(f.dir, strings.Join([]string{claim.Namespace, claim.Name, o.PVName}, "_"))
	// Whoever the pod runs as may write, as on a fresh disk of a cloud.
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("make folder for claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	if err := os.Chmod(folder, 0o777); err != nil { // MkdirAll heeds the umask
		return nil, controller.ProvisioningFinished, fmt.Errorf("open folder for claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			MountOptions:                  o.StorageClass.MountOptions,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: folder}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{f.node}}},
			}}}},
		},
	}, controller.ProvisioningFinished, nil
}

func (f *folders) Delete(_ context.Context, v *corev1.PersistentVolume) error {
	if v.Spec.Local == nil || filepath.Dir(v.Spec.Local.Path) != f.dir {
		return &controller.IgnoredError{Reason: fmt.Sprintf("volume %s is no folder of %s", v.Name, f.dir)}
	}
	if err := os.RemoveAll(v.Spec.Local.Path); err != nil {
		return fmt.Errorf("remove folder of volume %s: %w", v.Name, err)
	}
	return nil
}
