package mpi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"

	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
)

const (
	privateKey = corev1.SSHAuthPrivateKey
	publicKey  = "ssh-publickey"
)

func secretName(j *training.MPIJob) string { return j.Name + "-ssh" }

// newSecret holds the job's keys. They are made once: where the Secret is there
// already, what is in it stays.
func newSecret(j *training.MPIJob, seen job.Seen) *corev1.Secret {
	s := &corev1.Secret{TypeMeta: typeOf(secret), ObjectMeta: named(j, secretName(j)), Type: corev1.SecretTypeSSHAuth}
	if _, there := seen.Furniture(secret, s.Name); !there {
		s.Data = NewKeys()
	}
	return s
}

// NewKeys are a private key and its public half, as SSH writes them.
func NewKeys() map[string][]byte {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		panic(err) // A machine without randomness has stopped us before.
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		panic(err) // The curve is known.
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		panic(err) // The kind of key is known.
	}
	return map[string][]byte{
		privateKey: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}),
		publicKey:  ssh.MarshalAuthorizedKey(public),
	}
}

// mountKeys shows the first container the keys where SSH looks for them.
func mountKeys(j *training.MPIJob, pod *corev1.PodSpec) {
	var mode *int32
	if j.Spec.SSHAuthMountPath == "/root/.ssh" {
		mode = new(int32(0o600)) // SSH refuses a key that others may read.
	}
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: sshVolume, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
		SecretName: secretName(j), DefaultMode: mode,
		Items: []corev1.KeyToPath{{Key: privateKey, Path: "id_rsa"}, {Key: publicKey, Path: "id_rsa.pub"}, {Key: publicKey, Path: "authorized_keys"}},
	}}})
	c := &pod.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: sshVolume, MountPath: j.Spec.SSHAuthMountPath})
}
