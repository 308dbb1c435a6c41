package mention

import (
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/weir-ml/weir/cluster/clustertest"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// A digest is mentioned wherever it stands in an object, and what is only in a Secret
// is not.
func TestOf(t *testing.T) {
	config := clustertest.REST(t)
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	digest := func(letter string) string { return strings.Repeat(letter, 64) }
	ctx := t.Context()
	pods := core.CoreV1().PodTemplates("default")
	template := &corev1.PodTemplate{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{
		Name: "main", Image: "weir.local/ada/mnist@sha256:" + digest("a"), Env: []corev1.EnvVar{{Name: "WEIR_CODE", Value: "s3://weir-code/" + digest("b") + ".tar"}},
	}}}}}
	for _, name := range []string{"mention-a", "mention-b", "mention-z"} {
		template.Name = name
		if name == "mention-z" { // on the last of several pages
			template.Annotations = map[string]string{"was": digest("e")}
		}
		if _, err := pods.Create(ctx, template, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{GenerateName: "mention-"}, StringData: map[string]string{"x": digest("c")}}
	if _, err := core.CoreV1().Secrets("default").Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	paged, err := digests(ctx, config, 2)
	if err != nil {
		t.Fatal(err)
	}
	named := Of(ctx, config)
	for letter, want := range map[string]bool{"a": true, "b": true, "c": false, "d": false, "e": true} {
		if got, err := named(digest(letter)); got != want || err != nil || paged[digest(letter)] != want {
			t.Errorf("digest of %s: %v, %v, and %v in small pages; want %v", letter, got, err, paged[digest(letter)], want)
		}
	}
}
