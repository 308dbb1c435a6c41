// Package wire writes to an API server what is written by the thousand: new pods
// and services, the statuses of jobs, events. It is client-go's way to send a
// request, without what its clients do around it: kinds are not looked up, there
// are no options to encode, and of an object that was written only its metadata
// comes back. And it reads what watches bring of kinds that there is no protobuf of.
package wire

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A Writer writes objects. Its errors are as client-go's: those of the API server
// are *errors.StatusError.
type Writer struct {
	rest    rest.Interface
	encoder runtime.Encoder
}

// New makes a writer that reaches the API server by a client of HTTP, which may be
// one that others use.
func New(config *rest.Config, by *http.Client) (*Writer, error) {
	own := rest.CopyConfig(config)
	own.GroupVersion, own.NegotiatedSerializer = &schema.GroupVersion{}, scheme.Codecs.WithoutConversion()
	c, err := rest.RESTClientForConfigAndClient(own, by)
	if err != nil {
		return nil, fmt.Errorf("write to the API server: %w", err)
	}
	return &Writer{rest: c, encoder: protobuf.NewSerializer(nil, nil)}, nil
}

const binary = runtime.ContentTypeProtobuf

// metadataOnly asks for no more of an object than who it is. Also what can be had
// in JSON alone has that in protobuf.
const metadataOnly = binary + ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

// Create makes an object of Kubernetes' own kinds, which says what kind it is, and
// gives it the metadata that the API server gave it.
func (w *Writer) Create(ctx context.Context, resource schema.GroupVersionResource, o client.Object) error {
	var body bytes.Buffer
	if err := w.encoder.Encode(o, &body); err != nil {
		return fmt.Errorf("encode %s %s/%s: %w", resource.Resource, o.GetNamespace(), o.GetName(), err)
	}
	made, err := send(ctx, w.rest.Post().AbsPath(path(resource, o.GetNamespace())).SetHeader("Content-Type", binary).Body(body.Bytes()))
	if err != nil {
		return err
	}
	o.SetUID(made.UID)
	o.SetResourceVersion(made.ResourceVersion)
	o.SetCreationTimestamp(made.CreationTimestamp)
	return nil
}

// PatchStatus changes the status of an object of any kind, and returns the version
// that the object has then.
func (w *Writer) PatchStatus(ctx context.Context, resource schema.GroupVersionResource, namespace, name string, how types.PatchType, patch []byte) (version string, err error) {
	made, err := send(ctx, w.rest.Patch(how).AbsPath(path(resource, namespace), name, "status").Body(patch))
	return made.ResourceVersion, err
}

// path is where the objects of a resource are, in a namespace or in all.
func path(r schema.GroupVersionResource, namespace string) string {
	root := "/apis/" + r.Group
	if r.Group == "" {
		root = "/api"
	}
	if namespace != metav1.NamespaceAll {
		namespace = "/namespaces/" + namespace
	}
	return root + "/" + r.Version + namespace + "/" + r.Resource
}

// send yields the metadata of what a request wrote.
func send(ctx context.Context, r *rest.Request) (made metav1.PartialObjectMetadata, err error) {
	result := r.SetHeader("Accept", metadataOnly).Do(ctx) // DoRaw loses what the API server says of a refusal.
	if err := result.Error(); err != nil {
		return made, err
	}
	data, err := result.Raw()
	if err != nil {
		return made, err
	}
	// https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
	envelope, ok := bytes.CutPrefix(data, []byte("k8s\x00"))
	if !ok {
		return made, fmt.Errorf("the API server answers %.40q, which is no protobuf of Kubernetes", data)
	}
	var unknown runtime.Unknown
	if err := unknown.Unmarshal(envelope); err != nil {
		return made, fmt.Errorf("decode what the API server has written: %w", err)
	}
	if err := made.Unmarshal(unknown.Raw); err != nil {
		return made, fmt.Errorf("decode what the API server has written: %w", err)
	}
	return made, nil
}
