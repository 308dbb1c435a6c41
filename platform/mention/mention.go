// Package mention says what is called by its digest and still has an object in the
// cluster that leads to it: an image in the template of a job, the code of a run.
package mention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// Of tells whether an object in a cluster mentions a digest, in hex. It looks at all
// objects at the first question, and then no more.
func Of(ctx context.Context, config *rest.Config) func(hex string) (bool, error) {
	look := sync.OnceValues(func() (map[string]bool, error) { return digests(ctx, config, 500) })
	return func(hex string) (bool, error) {
		all, err := look()
		return all[hex], err
	}
}

var hexDigest = regexp.MustCompile(`[0-9a-f]{64}`)

// digests are all that objects in a cluster mention, wherever they do: an
// image may be in the template of any kind. They come in pages of so many.
func digests(ctx context.Context, config *rest.Config, page int) (map[string]bool, error) {
	config = rest.CopyConfig(config)
	config.ContentType, config.AcceptContentTypes = "", ""
	asked, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("look for what objects mention: %w", err)
	}
	kinds, err := asked.ServerPreferredResources()
	var some *discovery.ErrGroupDiscoveryFailed
	if errors.As(err, &some) {
		delete(some.Groups, schema.GroupVersion{Group: "metrics.k8s.io", Version: "v1beta1"}) // which has no objects
		if len(some.Groups) == 0 {
			err = nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("look for what objects mention: %w", err)
	}
	all := map[string]bool{}
	for _, group := range kinds {
		path := "/apis/" + group.GroupVersion
		if group.GroupVersion == "v1" {
			path = "/api/v1"
		}
		for _, kind := range group.APIResources {
			// What is not watched is not kept, and what is in Secrets cannot be read there.
			if !slices.Contains(kind.Verbs, "list") || !slices.Contains(kind.Verbs, "watch") || kind.Name == "secrets" || kind.Name == "events" {
				continue
			}
			if err := mentionedIn(ctx, asked.RESTClient(), path+"/"+kind.Name, page, all); err != nil {
				return nil, fmt.Errorf("look for what %s mention: %w", kind.Name, err)
			}
		}
	}
	return all, nil
}

// mentionedIn adds what the objects in a list mention.
func mentionedIn(ctx context.Context, client rest.Interface, path string, size int, all map[string]bool) error {
	var page struct {
		Metadata metav1.ListMeta `json:"metadata"`
	}
	for {
		data, err := client.Get().AbsPath(path).Param("limit", strconv.Itoa(size)).Param("continue", page.Metadata.Continue).SetHeader("Accept", "application/json").DoRaw(ctx)
		if err != nil {
			return err
		}
		for _, d := range hexDigest.FindAll(data, -1) {
			all[string(d)] = true
		}
		page.Metadata = metav1.ListMeta{}
		if err := json.Unmarshal(data, &page); err != nil {
			return err
		}
		if page.Metadata.Continue == "" {
			return nil
		}
	}
}
