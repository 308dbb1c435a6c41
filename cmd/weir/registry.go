package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"

	authorization "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	core "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/registry"
	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/routes"
)

// ownRegistry is the name of weir's own registry: what is pushed to the front door
// as ada/mnist:v1 is the image weir.local/ada/mnist:v1.
const ownRegistry = "weir.local"

// registryAliases are the names by which the front door is reached, under which
// people push images: they are names of the registry too.
func registryAliases(port int, names ...string) []string {
	if port == 0 {
		return nil
	}
	var all []string
	for _, name := range append([]string{"localhost", "127.0.0.1"}, names...) {
		all = append(all, fmt.Sprintf("%s:%d", name, port))
	}
	return all
}

// imagesOf opens the images of a weir that runs on a machine.
func imagesOf(dir string, m *machine) (*oci.Store, error) {
	port := 0
	if len(m.front) > 0 {
		port = m.front[0].Addr().(*net.TCPAddr).Port
	}
	return imagesAt(dir, port, m.names...)
}

// imagesAt opens the images in weir's folder, whose front door has a port; 0 is none.
func imagesAt(dir string, port int, names ...string) (*oci.Store, error) {
	s, err := readSettings(dir)
	if err != nil {
		return nil, err
	}
	images, err := oci.Open(imagesDir(dir))
	if err != nil {
		return nil, err
	}
	images.Alias(ownRegistry, registryAliases(port, names...)...)
	images.Plain(s.Registries.Plain...)
	return images, nil
}

// registryToken is where clients of registries turn a password into a token. Here
// the password is one.
const registryToken = "/weir/registry-token"

// imagesQuota is how a ResourceQuota calls the bytes of a namespace's images here.
const imagesQuota = "images.weir-ml.github.io/storage"

// limitOf is what the quotas of a namespace say of its images.
func limitOf(ctx context.Context, quotas core.ResourceQuotasGetter, namespace string) (bytes int64, limited bool, err error) {
	all, err := quotas.ResourceQuotas(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, false, fmt.Errorf("ask for the quotas of namespace %s: %w", namespace, err)
	}
	for _, q := range all.Items {
		if hard, ok := q.Spec.Hard[imagesQuota]; ok && (!limited || hard.Value() < bytes) {
			bytes, limited = hard.Value(), true
		}
	}
	return bytes, limited, nil
}

// registryRoutes lead to the images of a store as a registry, as far as quotas go.
func registryRoutes(ctx context.Context, images *oci.Store, quotas core.ResourceQuotasGetter) []gateway.Route {
	host := images.Host(ownRegistry)
	host.Limit = func(namespace string) (int64, bool, error) { return limitOf(ctx, quotas, namespace) }
	return []gateway.Route{
		{Owner: "images", Pattern: "/v2", Tree: true, Rule: routes.May(mayImages), Handler: registry.Handler(host), Refuse: refuseImages},
		{Owner: "images", Pattern: "GET " + registryToken, Rule: routes.Anyone, Handler: http.HandlerFunc(giveToken)},
	}
}

// mayImages is what somebody must be allowed in the cluster to do with images: in
// the namespace that the name begins with. A name of one part is of no namespace.
func mayImages(r *http.Request) authorization.SubjectAccessReviewSpec {
	verb := map[string]string{http.MethodGet: "get", http.MethodHead: "get", http.MethodDelete: "delete"}[r.Method]
	if verb == "" {
		verb = "update"
	}
	q, _ := registry.Asked(r)
	if q.Kind == "" && r.URL.Path != "/v2/_catalog" { // whoever is somebody may ask whether it is there
		return authorization.SubjectAccessReviewSpec{NonResourceAttributes: &authorization.NonResourceAttributes{Path: "/version", Verb: "get"}}
	}
	if q.Kind == "uploads" { // also to end one
		verb = "update"
	}
	namespace, name, inside := strings.Cut(q.Repository, "/")
	if !inside {
		namespace, name = "", q.Repository
	}
	return over("images", verb, namespace, name)
}

// refuseImages answers as clients of registries understand, and says where they
// get a token.
func refuseImages(w http.ResponseWriter, r *http.Request, code int, message string) {
	name := map[int]string{http.StatusUnauthorized: "UNAUTHORIZED", http.StatusForbidden: "DENIED"}[code]
	if code == http.StatusUnauthorized {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s://%s%s",service="weir"`, scheme, r.Host, registryToken))
		message = "sign in: docker login, podman login or skopeo login, with any name, and a token from weir token create or kubectl create token as the password"
	}
	if name == "" {
		name = "UNKNOWN"
	}
	registry.Refuse(w, code, name, message)
}

// giveToken gives the password back as the token: it is looked at when it is used.
func giveToken(w http.ResponseWriter, r *http.Request) {
	_, password, ok := r.BasicAuth()
	if !ok || password == "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="weir"`)
		refuseImages(w, r, http.StatusUnauthorized, "")
		return
	}
	routes.Respond(w, http.StatusOK, map[string]any{"token": password, "access_token": password, "expires_in": 3600})
}
