package admission

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	webhook "sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/weir-ml/weir/platform/apply"
)

// LabelS3 asks, on a pod, for the way to the S3 store in its environment. Any
// value but "false" does.
const LabelS3 = "weir-ml.github.io/s3"

// SecretS3 is, in each namespace with such a pod, the Secret that holds it.
const SecretS3 = "weir-s3"

// A Store is an S3 store as pods reach it.
type Store struct {
	// Endpoint is its URL, Region what it calls its region.
	Endpoint, Region string
	// Keys yields the pair of the pods of a namespace.
	Keys func(ctx context.Context, namespace string) (access, secret string, err error)
}

// S3 gives pods that ask for it, by LabelS3, the way to a store: all variables
// of a Secret, in every container. What a pod sets of its own, by env or
// envFrom, wins by Kubernetes' own rules, since ours comes first.
func S3(c client.Client, live client.Reader, s Store) (Rule, error) {
	if _, err := s.variables("", ""); err != nil {
		return Rule{}, err
	}
	keys := secrets{client: c, live: live, store: s}
	rule := givenToPods("s3", LabelS3, keys.give)
	rule.begin = keys.refresh
	return rule, nil
}

// variables are the names that programs and libraries look for the store under.
func (s Store) variables(access, secret string) (map[string][]byte, error) {
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("S3 endpoint %q: give a URL, as http://10.0.0.1:9000", s.Endpoint)
	}
	secure := "0"
	if u.Scheme == "https" {
		secure = "1"
	}
	words := map[string]string{
		// boto3, and what follows it.
		"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret,
		"AWS_REGION": s.Region, "AWS_DEFAULT_REGION": s.Region, "AWS_ENDPOINT_URL": s.Endpoint,
		// TensorFlow's own file system, which takes an address without a scheme.
		"S3_ENDPOINT": u.Host, "S3_USE_HTTPS": secure, "S3_VERIFY_SSL": secure,
		// Programs that hand boto3's arguments through by their names.
		"endpoint_url": s.Endpoint, "aws_access_key_id": access, "aws_secret_access_key": secret,
		"region_name": s.Region, "signature_version": "s3v4",
	}
	data := map[string][]byte{}
	for name, value := range words {
		data[name] = []byte(value)
	}
	return data, nil
}

// secrets keeps the Secret of each namespace as it should be.
type secrets struct {
	client client.Client
	live   client.Reader
	store  Store
}

var secretSet = apply.Set{Name: "s3"}

// give points a pod's containers at the Secret of its namespace, and sees that
// it is there.
func (k secrets) give(ctx context.Context, pod *corev1.Pod) error {
	if pod.Labels[LabelS3] == "false" {
		return nil
	}
	request, err := webhook.RequestFromContext(ctx)
	if err != nil {
		return err
	}
	if request.DryRun == nil || !*request.DryRun {
		if err := k.keep(ctx, request.Namespace); err != nil {
			return err
		}
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			containers[i].EnvFrom = pointed(containers[i].EnvFrom)
		}
	}
	return nil
}

func pointed(sources []corev1.EnvFromSource) []corev1.EnvFromSource {
	ours := func(s corev1.EnvFromSource) bool { return s.SecretRef != nil && s.SecretRef.Name == SecretS3 }
	if slices.ContainsFunc(sources, ours) {
		return sources
	}
	ref := &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: SecretS3}}
	return append([]corev1.EnvFromSource{{SecretRef: ref}}, sources...)
}

// keep makes the Secret of a namespace say what it should.
func (k secrets) keep(ctx context.Context, namespace string) error {
	access, secret, err := k.store.Keys(ctx, namespace)
	if err != nil {
		return fmt.Errorf("find keys of S3 for the pods of namespace %s: %w", namespace, err)
	}
	data, err := k.store.variables(access, secret)
	if err != nil {
		return err
	}
	there := &corev1.Secret{}
	err = k.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: SecretS3}, there)
	if err == nil && (isByHand(there) || equality.Semantic.DeepEqual(there.Data, data)) {
		return nil
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("read secret %s/%s: %w", namespace, SecretS3, err)
	}
	return secretSet.Apply(ctx, k.client, &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: SecretS3},
		Data:       data,
	})
}

// isByHand says of a Secret that weir has not made it: its namespace's pods are led to
// another store, and weir leaves it as it is.
func isByHand(s *corev1.Secret) bool { return s.Labels[apply.Label] != secretSet.Name }

// LedElsewhere says whether somebody has led the pods of a namespace to another store, by
// a Secret SecretS3 of their own.
func LedElsewhere(ctx context.Context, c client.Reader, namespace string) (bool, error) {
	there := &corev1.Secret{}
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: SecretS3}, there)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read secret %s/%s: %w", namespace, SecretS3, err)
	}
	return isByHand(there), nil
}

// refresh brings all Secrets up to date that were made before, since the store
// may have moved: pods that are there read them again when they restart.
func (k secrets) refresh(ctx context.Context) error {
	var list metav1.PartialObjectMetadataList
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := k.live.List(ctx, &list, client.MatchingLabels{apply.Label: secretSet.Name}); err != nil {
		return fmt.Errorf("list secrets %s: %w", SecretS3, err)
	}
	for _, s := range list.Items {
		err := k.keep(ctx, s.Namespace)
		if leaving := apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) || apierrors.IsNotFound(err); err != nil && !leaving {
			return err
		}
	}
	return nil
}
