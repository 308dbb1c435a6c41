package apiserver

import (
	"context"
	"fmt"
	"path"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsserver "k8s.io/apiextensions-apiserver/pkg/apiserver"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
)

// storeKinds puts definitions into a store that has none, before the server
// starts. Posted one by one, each would be written and read again several times
// until the server's controllers have found it good: half a second in all. A store
// that has some is left alone, for names could be taken there.
func storeKinds(ctx context.Context, c *apiextensionsserver.Config, kinds func() ([][]byte, error)) error {
	options, err := c.GenericConfig.RESTOptionsGetter.GetRESTOptions(apiextensions.Resource("customresourcedefinitions"), &apiextensions.CustomResourceDefinition{})
	if err != nil {
		return fmt.Errorf("store kinds: %w", err)
	}
	config := options.StorageConfig
	prefix := path.Join("/", config.Prefix, options.ResourcePrefix) + "/"
	store, err := clientv3.New(clientv3.Config{Endpoints: config.Transport.ServerList})
	if err != nil {
		return fmt.Errorf("store kinds: %w", err)
	}
	defer store.Close()
	there, err := store.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return fmt.Errorf("look for kinds: %w", err)
	}
	if there.Count > 0 {
		return nil
	}

	all, err := kinds()
	if err != nil {
		return err
	}
	for _, data := range all {
		d, err := established(ctx, data)
		if err != nil {
			return err
		}
		stored, err := runtime.Encode(config.Codec, d)
		if err != nil {
			return fmt.Errorf("store kind %s: %w", d.Name, err)
		}
		if _, err := store.Put(ctx, prefix+d.Name, string(stored)); err != nil {
			return fmt.Errorf("store kind %s: %w", d.Name, err)
		}
	}
	return nil
}

// established is a definition as it is once the server serves it.
func established(ctx context.Context, data []byte) (*apiextensions.CustomResourceDefinition, error) {
	d := &apiextensions.CustomResourceDefinition{}
	if err := runtime.DecodeInto(apiextensionsserver.Codecs.UniversalDecoder(), data, d); err != nil {
		return nil, fmt.Errorf("read a kind: %w", err)
	}
	customresourcedefinition.NewStrategy(apiextensionsserver.Scheme).PrepareForCreate(ctx, d)
	d.UID, d.CreationTimestamp = uuid.NewUUID(), metav1.Now().Rfc3339Copy()
	d.Status.AcceptedNames = d.Spec.Names
	for _, c := range []apiextensions.CustomResourceDefinitionCondition{
		{Type: apiextensions.NamesAccepted, Status: apiextensions.ConditionTrue, Reason: "NoConflicts", Message: "no conflicts found"},
		{Type: apiextensions.Established, Status: apiextensions.ConditionTrue, Reason: "InitialNamesAccepted", Message: "the initial names have been accepted"},
	} {
		apiextensions.SetCRDCondition(d, c)
	}
	return d, nil
}
