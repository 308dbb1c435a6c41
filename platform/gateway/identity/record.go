package identity

import (
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A kind is what a record is of.
type kind string

const (
	session kind = "session"
	link    kind = "link"
	token   kind = "token"
	user    kind = "user"
	s3key   kind = "s3key"
)

// kindLabel marks our Secrets, and is what we watch by.
const kindLabel = "weir-ml.github.io/identity"

// recordKey is where in a Secret the record lies.
const recordKey = "record"

// A record is what a Secret says. Which fields count depends on its kind.
type record struct {
	Kind kind `json:"kind"`
	Subject
	Via      string    `json:"via,omitempty"`
	Title    string    `json:"title,omitempty"`
	Scopes   []string  `json:"scopes,omitempty"`
	Made     time.Time `json:"made,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	Password string    `json:"password,omitempty"` // of a user: its hash
	// Of keys of S3. Signatures are looked at with the secret itself.
	Namespace    string    `json:"namespace,omitempty"`
	NamespaceUID types.UID `json:"namespaceUID,omitempty"` // where they are its pods'
	Access       string    `json:"access,omitempty"`
	Secret       string    `json:"secret,omitempty"`
}

func (r *record) kept(name string) (*corev1.Secret, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: Namespace, Labels: map[string]string{kindLabel: string(r.Kind)}},
		Type:       corev1.SecretType("weir-ml.github.io/" + r.Kind),
		Data:       map[string][]byte{recordKey: data},
	}, nil
}

func recordOf(s *corev1.Secret) (record, error) {
	var r record
	if err := json.Unmarshal(s.Data[recordKey], &r); err != nil {
		return r, fmt.Errorf("read secret %s/%s: %w", s.Namespace, s.Name, err)
	}
	// A record may not pass for one of another kind: names carry the kind.
	r.Kind = kind(s.Labels[kindLabel])
	return r, nil
}
